//! Code of the user's that runs in a call: in whose task, and what becomes of the call if it panics.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use temaki::codec::{BytesCodec, Codec};
use temaki::interceptor::InterceptedCall;
use temaki::metadata::MetadataMap;
use temaki::{AsyncInterceptor, Channel, Code, Request, Status};
use tokio::sync::Notify;

use crate::kit::*;
use crate::support::*;

/// A call of each shape, in this task: how it fails, or the message that it is answered with. A held call is
/// used by its sender first if it is the fourth, by its receiver first if it is the fifth.
async fn in_this_task(channel: &Channel, shape: usize) -> Result<Bytes, Status> {
    let one = || Request::new(stream::iter([Bytes::from("a")]));
    let answers = match shape {
        0 => {
            let request = Request::new(Bytes::from("a"));
            let call = channel.unary(path(), BytesCodec, request);
            return Ok(call.await?.into_inner());
        }
        1 => {
            let call = channel.client_streaming(path(), BytesCodec, one());
            return Ok(call.await?.into_inner());
        }
        2 => {
            let request = Request::new(Bytes::from("a"));
            channel.server_streaming(path(), BytesCodec, request).await
        }
        3 => channel.streaming(path(), BytesCodec, one()).await,
        _ => {
            let mut call = held(channel);
            if shape == 4 {
                call.send(Bytes::from("a")).await?;
                call.half_close().await?;
            }
            call.metadata().await?;
            let message = call.message().await?;
            call.trailers().await?;
            return Ok(message.unwrap_or_default());
        }
    };
    let mut answers = answers?.into_inner();
    let message = answers.message().await?;
    answers.trailers().await?;
    Ok(message.unwrap_or_default())
}

const SHAPES: usize = 6;

tokio::task_local! {
    static CALLER: u32;
}

/// Notes which caller's task it is run in.
#[derive(Clone, Default)]
struct WhoCalls(Arc<Mutex<Vec<Option<u32>>>>);

impl WhoCalls {
    fn note(&self) {
        let who = CALLER.try_with(|who| *who).ok();
        self.0.lock().unwrap().push(who);
    }
}

impl AsyncInterceptor for WhoCalls {
    async fn request(&self, request: Request<()>) -> Result<Request<()>, Status> {
        self.note();
        tokio::task::yield_now().await;
        self.note();
        Ok(request)
    }

    fn response(&self, _: &InterceptedCall, _: &mut MetadataMap) {
        self.note();
    }

    fn trailers(&self, _: &InterceptedCall, _: &Status, _: &mut MetadataMap) {
        self.note();
    }
}

#[tokio::test]
async fn c20_interceptors_run_in_the_callers_task_whatever_the_shape() {
    let (channel, mut peer) = connected().await;
    let who = WhoCalls::default();
    let plain = who.clone();
    let channel = channel
        .with_async_interceptor(who.clone())
        .with_interceptor(move |request: Request<()>| {
            plain.note();
            Ok(request)
        });
    for shape in 0..SHAPES {
        for good in [true, false] {
            let answer = async {
                let (stream, _) = peer.expect_request().await;
                if good {
                    peer.respond(stream, "b").await;
                } else {
                    let end = response_with(&[("grpc-status", "5")]);
                    peer.headers(stream, END_STREAM, &end).await;
                }
            };
            let call = CALLER.scope(7, in_this_task(&channel, shape));
            let (called, ()) = soon("the call", async { tokio::join!(call, answer) }).await;
            assert_eq!(called.is_ok(), good, "shape {shape}: {called:?}");
            let seen = std::mem::take(&mut *who.0.lock().unwrap());
            let times = if good { 5 } else { 4 };
            assert_eq!(seen, vec![Some(7); times], "shape {shape}, {good}");
        }
    }
}

/// Lets a call pass when it is told to.
#[derive(Clone, Default)]
struct Gate(Arc<Notify>);

impl AsyncInterceptor for Gate {
    async fn request(&self, request: Request<()>) -> Result<Request<()>, Status> {
        self.0.notified().await;
        Ok(request)
    }
}

#[tokio::test]
async fn c20_a_first_use_that_is_dropped_in_an_interceptor_does_not_lose_the_call() {
    let (channel, mut peer) = connected().await;
    let gate = Gate::default();
    let channel = channel.with_async_interceptor(gate.clone());
    let cx = &mut Context::from_waker(Waker::noop());
    for first in 0..3 {
        let (mut sender, mut receiver) = held(&channel).split();
        match first {
            0 => assert!(pin!(sender.send("lost".into())).poll(cx).is_pending()),
            1 => assert!(pin!(sender.half_close()).poll(cx).is_pending()),
            _ => assert!(pin!(receiver.message()).poll(cx).is_pending()),
        }
        // Each end waits in a task of its own, and the gate opens once.
        let receive = tokio::spawn(async move {
            let metadata = receiver.metadata().await.cloned();
            (metadata, receiver.message().await)
        });
        let send = tokio::spawn(async move {
            sender.send("a".into()).await.unwrap();
            sender.half_close().await.unwrap();
        });
        tokio::task::yield_now().await;
        peer.expect_nothing(1 + 2 * first).await;
        gate.0.notify_one();
        let stream = peer.expect_call("a").await;
        peer.respond(stream, "b").await;
        ended(send).await;
        let (metadata, message) = ended(receive).await;
        assert!(metadata.is_ok(), "{metadata:?}");
        assert_eq!(message.unwrap().unwrap(), "b", "first use {first}");
    }
}

/// Where an interceptor panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Plain,
    Request,
    LaterInRequest,
    Response,
    Trailers,
}

impl AsyncInterceptor for At {
    async fn request(&self, request: Request<()>) -> Result<Request<()>, Status> {
        assert!(*self != At::Request, "as it was told to");
        tokio::task::yield_now().await;
        assert!(*self != At::LaterInRequest, "as it was told to");
        Ok(request)
    }

    fn response(&self, _: &InterceptedCall, _: &mut MetadataMap) {
        assert!(*self != At::Response, "as it was told to");
    }

    fn trailers(&self, _: &InterceptedCall, _: &Status, _: &mut MetadataMap) {
        assert!(*self != At::Trailers, "as it was told to");
    }
}

fn panicking(channel: &Channel, at: At) -> Channel {
    match at {
        At::Plain => {
            let panics = |_: Request<()>| -> Result<Request<()>, Status> { panic!("as told") };
            channel.clone().with_interceptor(panics)
        }
        at => channel.clone().with_async_interceptor(at),
    }
}

const EVERYWHERE: [At; 5] = [
    At::Plain,
    At::Request,
    At::LaterInRequest,
    At::Response,
    At::Trailers,
];

fn assert_interceptor_panicked(status: &Status, what: &str) {
    assert_eq!(status.code(), Code::Internal, "{what}: {status}");
    assert_eq!(status.message(), "the interceptor panicked", "{what}");
}

#[tokio::test]
async fn c10_an_interceptor_that_panics_ends_its_call_whatever_the_shape() {
    let (channel, mut peer) = connected().await;
    for at in EVERYWHERE {
        let channel = panicking(&channel, at);
        for shape in 0..SHAPES {
            let answer = async {
                if matches!(at, At::Response | At::Trailers) {
                    let (stream, _) = peer.expect_request().await;
                    peer.respond(stream, "b").await;
                }
            };
            let call = in_this_task(&channel, shape);
            let (called, ()) = soon("the call", async { tokio::join!(call, answer) }).await;
            assert_interceptor_panicked(&called.unwrap_err(), &format!("{at:?}, shape {shape}"));
        }
    }
    // The connection is as good as ever.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(call).await;
}

#[tokio::test(start_paused = true)]
async fn c10_both_ends_of_a_held_call_are_told_of_a_panic() {
    for at in EVERYWHERE {
        for receiver_first in [false, true] {
            let (channel, mut pipes) = piped(|endpoint| endpoint);
            let connect = unary(&channel, "first");
            let mut peer = pipes.accept().await;
            let stream = peer.expect_call("first").await;
            peer.respond(stream, "b").await;
            answered(connect).await;
            let call = held(&panicking(&channel, at)).with_timeout(AN_HOUR);
            let (mut sender, mut receiver) = call.split();
            let send = async move {
                if receiver_first {
                    tokio::task::yield_now().await;
                }
                loop {
                    if let Err(status) = sender.send(vec![7; 20_000].into()).await {
                        return status;
                    }
                }
            };
            let receive = async move {
                if !receiver_first {
                    tokio::task::yield_now().await;
                }
                let status = receiver.message().await.unwrap_err();
                assert!(receiver.message().await.unwrap().is_none(), "told once");
                let again = receiver.trailers().await.unwrap_err();
                assert_eq!(again.code(), status.code(), "c21: and again if asked for");
                (status, receiver)
            };
            let serve = async {
                if !matches!(at, At::Response | At::Trailers) {
                    return;
                }
                let (stream, _) = peer.expect_request().await;
                peer.headers(stream, 0, &response()).await;
                if at == At::Trailers {
                    peer.ok(stream).await;
                    return;
                }
                loop {
                    match peer.next(stream).await {
                        Some(Frame::Data { .. }) => {}
                        Some(Frame::Reset { code: CANCEL, .. }) => return,
                        other => peer.fail(&format!("RST_STREAM CANCEL; came {other:?}")),
                    }
                }
            };
            let all = async { tokio::join!(send, receive, serve) };
            let (sent, (received, _), ()) = soon("both ends", all).await;
            let what = format!("{at:?}, receiver first: {receiver_first}");
            assert_interceptor_panicked(&received, &what);
            assert_interceptor_panicked(&sent, &what);
        }
    }
}

/// A codec that panics at one message: when it is sent, or when it is read.
#[derive(Clone, Default)]
struct Fragile;

const TO_SEND: &[u8] = b"panic when this is sent";
const TO_READ: &[u8] = b"panic when this is read";

impl Codec for Fragile {
    type Encode = Bytes;
    type Decode = Bytes;

    fn encode(&self, item: &Bytes, buf: &mut BytesMut) -> Result<(), Status> {
        assert!(item != TO_SEND, "as it was told to");
        buf.extend_from_slice(item);
        Ok(())
    }

    fn decode(&self, payload: &mut Bytes) -> Result<Bytes, Status> {
        assert!(payload != TO_READ, "as it was told to");
        Ok(std::mem::take(payload))
    }
}

#[tokio::test]
async fn c10_a_panic_in_the_task_that_sends_requests_says_whose_it_is() {
    struct AtItsEnd;
    impl Drop for AtItsEnd {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "as it was told to");
        }
    }
    let (channel, _peer) = connected().await;
    for (way, expected) in ["the stream of requests panicked", "the codec panicked"]
        .into_iter()
        .enumerate()
    {
        let requests = move || {
            stream::poll_fn(move |_| {
                assert!(way == 1, "as it was told to");
                std::task::Poll::Ready(Some(Bytes::from(TO_SEND)))
            })
        };
        let join = channel.client_streaming(path(), Fragile, Request::new(requests()));
        let status = soon("the status", join).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert_eq!(status.message(), expected);
        let both = channel.streaming(path(), Fragile, Request::new(requests()));
        let status = soon("the status", both).await.unwrap_err();
        assert_eq!(status.message(), expected);
    }
    // A stream whose Drop panics, when it has ended: its call goes on.
    let (channel, mut peer) = connected().await;
    let last = AtItsEnd;
    let requests = stream::poll_fn(move |_| {
        let _ = &last;
        std::task::Poll::Ready(None::<Bytes>)
    });
    let call = tokio::spawn({
        let channel = channel.clone();
        async move {
            let requests = Request::new(requests);
            channel.client_streaming(path(), Fragile, requests).await
        }
    });
    let (stream, _) = peer.expect_request().await;
    peer.expect_body(stream).await;
    peer.respond(stream, "b").await;
    answered(call).await;
}

/// What runs in the caller's own task unwinds into it, and leaves nothing behind.
#[tokio::test]
async fn c10_a_codec_that_panics_in_the_callers_task_leaves_nothing_behind() {
    let (channel, mut peer) = connected().await;
    for shape in 0..5 {
        let called = tokio::spawn({
            let channel = channel.clone();
            async move {
                let none = || Request::new(stream::pending());
                let one = || Request::new(Bytes::from("a"));
                let mut answers = match shape {
                    0 => return drop(channel.unary(path(), Fragile, one()).await),
                    1 => return drop(channel.client_streaming(path(), Fragile, none()).await),
                    2 => channel.server_streaming(path(), Fragile, one()).await,
                    3 => channel.streaming(path(), Fragile, none()).await,
                    _ => {
                        let mut call = channel.start(path(), Fragile);
                        drop(call.message().await);
                        return;
                    }
                };
                drop(answers.as_mut().unwrap().get_mut().message().await);
            }
        });
        let (stream, _) = peer.expect_request().await;
        peer.headers(stream, 0, &response()).await;
        peer.data(stream, 0, &message(TO_READ)).await;
        let called = soon("the panic", called).await;
        assert!(called.unwrap_err().is_panic(), "shape {shape}");
        loop {
            match peer.next(stream).await {
                Some(Frame::Data { .. }) => {}
                Some(Frame::Reset { code: CANCEL, .. }) => break,
                other => peer.fail(&format!("shape {shape}: a reset; came {other:?}")),
            }
        }
    }
    // A held call is used on after a message that could not be encoded.
    let call = tokio::spawn({
        let channel = channel.clone();
        async move {
            let call = Arc::new(tokio::sync::Mutex::new(channel.start(path(), Fragile)));
            let same = call.clone();
            let send = async move { same.lock().await.send(Bytes::from(TO_SEND)).await };
            assert!(tokio::spawn(send).await.unwrap_err().is_panic());
            let mut call = call.lock().await;
            call.send("a".into()).await.unwrap();
            call.half_close().await.unwrap();
            call.message().await.unwrap().unwrap()
        }
    });
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    assert_eq!(ended(call).await, "b");
}
