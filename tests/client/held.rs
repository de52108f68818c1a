//! The held call, and what streams of requests promise: nothing is lost, cut in two or left hanging,
//! whatever is dropped and whenever.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::metadata::MetadataMap;
use temaki::server::{Methods, TcpIncoming};
use temaki::{Call, Channel, Code, Endpoint, Origin, Request, Response, Server, Status, Streaming};

const PATH: &str = "/test.Kit/Both";

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

fn start(channel: &Channel) -> Call<Bytes, Bytes> {
    channel.start(path(PATH), BytesCodec)
}

/// A channel that connects when it is used, and the raw server it will connect to.
async fn lazy() -> (Channel, RawServer) {
    let server = RawServer::bind().await;
    let channel = Endpoint::new(server.target()).unwrap().connect_lazy();
    (channel, server)
}

/// A channel that is connected, and its peer, which has announced these settings.
async fn connected(values: &[(u16, u32)]) -> (Channel, Peer, RawServer) {
    let (channel, server) = lazy().await;
    let endpoint = Endpoint::new(server.target()).unwrap();
    let (connected, peer) = tokio::join!(endpoint.connect(), server.accept_with(values));
    drop(channel);
    (connected.unwrap(), peer, server)
}

/// Polls once, and drops what is not ready.
fn once<F: Future>(work: F) -> Poll<F::Output> {
    pin!(work).poll(&mut Context::from_waker(Waker::noop()))
}

async fn answer(peer: &mut Peer, stream: u32, text: &str) {
    peer.headers(stream, 0, &response()).await;
    peer.data(stream, 0, &message(text)).await;
    peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
        .await;
}

// What is dropped.

#[tokio::test]
async fn a_first_use_that_is_dropped_loses_neither_metadata_nor_timeout() {
    let (channel, server) = lazy().await;
    let mut metadata = MetadataMap::new();
    metadata.insert("x-who", "ada".parse().unwrap());
    let mut call = start(&channel)
        .with_metadata(metadata)
        .with_timeout(Duration::from_secs(3600));
    // There is no connection yet.
    assert!(once(call.message()).is_pending());
    let talk = async {
        call.send("hello".into()).await.unwrap();
        call.message().await.unwrap().unwrap()
    };
    let serve = async {
        let mut peer = server.accept().await;
        let (stream, head) = peer.expect_request().await;
        assert_eq!(head.get("x-who"), Some("ada"));
        assert!(head.get("grpc-timeout").is_some(), "{head:?}");
        assert_eq!(peer.expect_data(stream).await, message("hello"));
        answer(&mut peer, stream, "hi").await;
        peer.expect_nothing(3).await;
        peer
    };
    let (said, _peer) = soon("the conversation", async { tokio::join!(talk, serve) }).await;
    assert_eq!(said, "hi");
}

#[tokio::test]
async fn a_sender_dropped_before_the_call_is_open_ends_it() {
    let (channel, _server) = lazy().await;
    let (sender, mut receiver) = start(&channel).split();
    drop(sender);
    let status = soon("the status", receiver.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled, "{status}");
    assert!(status.message().contains("half_close"), "{status}");
    assert!(
        soon("the end", receiver.message()).await.unwrap().is_none(),
        "told once"
    );

    let (sender, mut receiver) = start(&channel).split();
    assert!(once(receiver.message()).is_pending(), "nobody accepts");
    drop(sender);
    let status = soon("the status", receiver.message()).await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::Cancelled,
        "while it connects: {status}"
    );
}

#[tokio::test]
async fn c20_no_frame_leaves_for_a_call_of_which_an_end_was_dropped_before_its_first_use() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let waits = |request: Request<()>| Ok(request);
    for channel in [channel.clone(), channel.with_interceptor(waits)] {
        let (sender, mut receiver) = start(&channel).split();
        drop(sender);
        let status = soon("the status", receiver.message()).await.unwrap_err();
        assert!(status.message().contains("half_close"), "{status}");
        let (mut sender, receiver) = start(&channel).split();
        drop(receiver);
        let status = soon("the status", sender.send("one".into())).await;
        assert_eq!(status.unwrap_err().code(), Code::Cancelled);
        peer.expect_nothing(1).await;
    }
}

#[tokio::test]
async fn a_sender_dropped_in_the_middle_cancels_the_call() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let (mut sender, mut receiver) = start(&channel).split();
    sender.send("one".into()).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    peer.expect_data(stream).await;
    drop(sender);
    peer.expect_reset(stream, CANCEL).await;
    let status = soon("the status", receiver.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled, "{status}");
    assert!(status.message().contains("half_close"), "{status}");
}

#[tokio::test]
async fn a_receiver_dropped_cancels_the_call_whether_it_is_open_or_not() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let (mut sender, receiver) = start(&channel).split();
    sender.send("one".into()).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    peer.expect_data(stream).await;
    drop(receiver);
    peer.expect_reset(stream, CANCEL).await;
    let status = soon("the end", async {
        loop {
            if let Err(status) = sender.send("two".into()).await {
                return status;
            }
        }
    });
    assert_eq!(status.await.code(), Code::Cancelled);

    let (mut sender, receiver) = start(&channel).split();
    drop(receiver);
    let status = soon("an error", sender.send("one".into())).await;
    assert_eq!(status.unwrap_err().code(), Code::Cancelled);
}

#[tokio::test]
async fn a_send_that_is_dropped_never_cuts_a_message_in_two() {
    let (channel, mut peer, _server) = connected(&[(setting::INITIAL_WINDOW_SIZE, 10)]).await;
    peer.credits = false;
    let mut call = start(&channel);
    let large = Bytes::from(vec![b'l'; 100_000]);
    // Each of them is polled until nothing moves any more, and then dropped: the window is 10 bytes. The first
    // is on its way by then, the others wait for it.
    for _ in 0..3 {
        let mut send = pin!(call.send(large.clone()));
        assert!(settled(&mut send).await.is_pending(), "the window is full");
    }
    let (stream, _) = peer.expect_request().await;
    peer.window_update(0, 1 << 20).await;
    peer.window_update(stream, 1 << 20).await;
    let send = async {
        call.send("small".into()).await.unwrap();
        call.half_close().await.unwrap();
    };
    let (body, ()) = soon("the body", async {
        tokio::join!(peer.expect_body(stream), send)
    })
    .await;
    assert!(messages(body) == [large, "small".into()], "once, and whole");
}

#[tokio::test]
async fn both_ends_are_told_what_an_interceptor_refused_with() {
    let (channel, _server) = lazy().await;
    let refuse = |_: Request<()>| -> Result<Request<()>, Status> {
        Err(Status::not_found("no such tenant"))
    };
    let channel = channel.with_interceptor(refuse);
    let (mut sender, mut receiver) = start(&channel).split();
    let status = soon("the status", receiver.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "no such tenant");
    assert_eq!(status.origin(), Origin::Application);
    let status = sender.send("one".into()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
}

/// An answer that is complete before the requests are, in one write: headers, messages, trailers, and a reset if
/// there is to be one.
fn early_answer(stream: u32, messages: usize, reset: bool) -> Vec<u8> {
    let headers = |flags: u8, fields: &[(&str, &str)]| {
        let block = hpack::encode(fields);
        frame::encode(kind::HEADERS, flags | END_HEADERS, stream, &block)
    };
    let mut bytes = headers(0, &response());
    for _ in 0..messages {
        bytes.extend(frame::encode(kind::DATA, 0, stream, &message("early")));
    }
    bytes.extend(headers(END_STREAM, &[("grpc-status", "0")]));
    if reset {
        let code = NO_ERROR.to_be_bytes();
        bytes.extend(frame::encode(kind::RST_STREAM, 0, stream, &code));
    }
    bytes
}

/// Senders that wait for the window, and receivers that nobody polls.
async fn blocked_senders_are_told(calls: usize, messages: usize, reset: bool) {
    let (channel, mut peer, _server) = connected(&[(setting::INITIAL_WINDOW_SIZE, 10)]).await;
    peer.credits = false;
    let serve = tokio::spawn(async move {
        while let Some(frame) = peer.next_where(|_| true).await {
            if let Frame::Headers { stream, .. } = frame {
                peer.raw(&early_answer(stream, messages, reset)).await;
            }
        }
    });
    let large = Bytes::from(vec![7; 40_000]);
    for n in 0..calls {
        let (mut sender, mut receiver) = start(&channel).split();
        let told = tokio::spawn({
            let large = large.clone();
            async move {
                loop {
                    if let Err(status) = sender.send(large.clone()).await {
                        return status;
                    }
                }
            }
        });
        let told = soon(&format!("the end of sender {n}"), told).await;
        assert_eq!(told.unwrap().code(), Code::Cancelled);
        if n % 100 == 0 {
            for _ in 0..messages {
                let early = soon("a message", receiver.message()).await;
                assert_eq!(early.unwrap().unwrap(), "early");
            }
            assert!(soon("the end", receiver.message()).await.unwrap().is_none());
        }
    }
    drop(channel);
    soon("the end of the connection", serve).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c11_a_reset_that_is_seen_before_the_headers_is_not_forgotten() {
    blocked_senders_are_told(3_000, 0, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c11_an_early_end_is_noticed_though_nobody_receives() {
    for messages in [0, 1, 3, 100] {
        blocked_senders_are_told(100, messages, false).await;
    }
}

/// `work`, or nothing if it was not ready after so many polls: it is dropped then.
async fn at_most<F: Future>(polls: usize, work: F) -> Option<F::Output> {
    let (mut work, mut left) = (pin!(work), polls);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Waits before it lets a call pass.
#[derive(Clone, Copy)]
struct Yields(usize);

impl temaki::AsyncInterceptor for Yields {
    async fn request(&self, request: Request<()>) -> Result<Request<()>, Status> {
        for _ in 0..self.0 {
            tokio::task::yield_now().await;
        }
        Ok(request)
    }
}

/// Each wait of a conversation is dropped after each number of polls and made again, and the call is dropped after
/// each step. Nothing hangs, no message is cut or doubled, and nothing is left at either end.
async fn dropped_everywhere() {
    // So few that a call which kept its stream would be missed.
    let server = TestServer::start(Server::builder().max_concurrent_streams(2)).await;
    let target = format!("http://{}", server.addr);
    let channel = Channel::connect(target.as_str()).await.unwrap();
    for (yields, polls, steps) in each_of(3, 6, 7) {
        let channel = channel.clone().with_async_interceptor(Yields(yields));
        let (mut sender, mut receiver) = start(&channel).split();
        let large = Bytes::from(vec![b'l'; 100_000]);
        let talk = async {
            let mut asked = 0;
            if steps == 0 {
                return;
            }
            at_most(polls, receiver.metadata()).await;
            if steps == 1 {
                return;
            }
            loop {
                asked += 1;
                match at_most(polls, sender.send(large.clone())).await {
                    Some(sent) => break sent.unwrap(),
                    // It may be on its way, or not.
                    None if asked == 3 => {
                        sender.send(large.clone()).await.unwrap();
                        break;
                    }
                    None => {}
                }
            }
            if steps == 2 {
                return;
            }
            at_most(polls, receiver.metadata()).await;
            if steps == 3 {
                return;
            }
            let first = loop {
                if let Some(message) = at_most(polls, receiver.message()).await {
                    break message.unwrap().unwrap();
                }
                tokio::task::yield_now().await;
            };
            assert!(first == large, "whole");
            if steps == 4 {
                return;
            }
            while at_most(polls, sender.half_close()).await.is_none() {}
            if steps == 5 {
                return;
            }
            let mut heard = 1;
            while let Some(message) = receiver.message().await.unwrap() {
                assert!(message == large, "whole");
                heard += 1;
            }
            assert!(heard <= asked + 1, "{heard} of {asked}");
            receiver.trailers().await.unwrap();
        };
        soon(&format!("{yields}, {polls}, {steps}"), talk).await;
        drop(sender);
        drop(receiver);
    }
    server.probe.until_idle().await;
    // Both streams are free.
    for _ in 0..2 {
        let call = channel.unary(path("/test.Kit/Echo"), BytesCodec, Request::new("a".into()));
        soon("an answer", call).await.unwrap();
    }
}

fn each_of(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |a| (0..b).flat_map(move |b| (0..c).map(move |c| (a, b, c))))
}

#[tokio::test]
async fn c10_waits_that_are_dropped_anywhere_leave_nothing_behind() {
    dropped_everywhere().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c10_waits_that_are_dropped_anywhere_leave_nothing_behind_on_threads() {
    dropped_everywhere().await;
}

#[tokio::test]
async fn nothing_is_sent_after_half_close() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let mut call = start(&channel);
    call.send("one".into()).await.unwrap();
    call.half_close().await.unwrap();
    call.half_close().await.unwrap();
    assert!(call.send("two".into()).await.is_err());
    let (stream, _) = peer.expect_request().await;
    assert_eq!(peer.expect_body(stream).await, message("one"));
    answer(&mut peer, stream, "done").await;
    assert_eq!(call.message().await.unwrap().unwrap(), "done");
    assert!(call.message().await.unwrap().is_none());
}

// Many small messages.

/// A server whose handler waits at a gate before it reads.
async fn late_reader(window: u32) -> (Channel, Probe) {
    let probe = Probe::default();
    let mut methods = Methods::new("test.Late", Arc::new(probe.clone()));
    methods.client_streaming(
        "Count",
        BytesCodec,
        |probe: Arc<Probe>, request: Request<Streaming<Bytes>>| async move {
            probe.pass_gate().await;
            let mut messages = request.into_inner();
            let mut count = 0;
            while let Some(message) = messages.message().await? {
                assert_eq!(message.len(), 20);
                count += 1;
            }
            Ok(Response::new(Bytes::from(format!("{count}"))))
        },
    );
    let incoming = TcpIncoming::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", incoming.local_addr().unwrap());
    let server = Server::builder()
        .initial_stream_window_size(window)
        .add_service(methods);
    tokio::spawn(server.serve_with_incoming(incoming));
    (Channel::connect(target.as_str()).await.unwrap(), probe)
}

/// Polls until it is ready, or nothing that is under way here can make it so.
async fn settled<F: Future>(work: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
    for _ in 0..1000 {
        if let Poll::Ready(output) = once(work.as_mut()) {
            return Poll::Ready(output);
        }
        tokio::task::yield_now().await;
    }
    Poll::Pending
}

async fn fifty_thousand_to_a_late_reader(window: u32) {
    let (channel, probe) = late_reader(window).await;
    let mut call: Call<Bytes, Bytes> = channel.start(path("/test.Late/Count"), BytesCodec);
    for _ in 0..50_000 {
        let mut send = pin!(call.send(Bytes::from_static(&[7; 20])));
        match settled(&mut send).await {
            Poll::Ready(sent) => sent.unwrap(),
            // The window is full, and nothing moves until the handler reads.
            Poll::Pending => {
                probe.open_gate(1);
                soon("a send", send).await.unwrap();
            }
        }
    }
    probe.open_gate(1);
    call.half_close().await.unwrap();
    let count = soon("the answer", call.message()).await.unwrap();
    assert_eq!(count.unwrap(), "50000");
}

#[tokio::test]
async fn fifty_thousand_small_messages_to_a_late_reader_through_64_kib() {
    fifty_thousand_to_a_late_reader(64 << 10).await;
}

#[tokio::test]
async fn fifty_thousand_small_messages_to_a_late_reader_through_1_mib() {
    fifty_thousand_to_a_late_reader(1 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_small_messages_from_another_thread() {
    fifty_thousand_to_a_late_reader(1 << 20).await;
}

#[tokio::test]
async fn messages_sent_in_one_breath_share_data_frames() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let mut call = start(&channel);
    for _ in 0..100 {
        call.send(Bytes::from_static(&[7; 20])).await.unwrap();
    }
    let (stream, _) = peer.expect_request().await;
    let mut heard = Vec::new();
    let mut frames = 0;
    while heard.len() < 2500 {
        heard.extend_from_slice(&peer.expect_data(stream).await);
        frames += 1;
    }
    assert_eq!(messages(heard.into()).len(), 100);
    assert!(frames <= 2, "{frames} DATA frames for 100 small messages");
}

#[tokio::test]
async fn a_conversation_takes_turns_message_by_message() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let mut call = start(&channel);
    let talk = async {
        for n in 0..100 {
            call.send(Bytes::from(format!("{n}"))).await.unwrap();
            assert_eq!(call.message().await.unwrap().unwrap(), format!("re {n}"));
        }
        call.half_close().await.unwrap();
        assert!(call.message().await.unwrap().is_none());
    };
    let serve = async {
        let (stream, _) = peer.expect_request().await;
        peer.headers(stream, 0, &response()).await;
        for n in 0..100 {
            assert_eq!(peer.expect_data(stream).await, message(format!("{n}")));
            peer.data(stream, 0, &message(format!("re {n}"))).await;
        }
        assert_eq!(peer.expect_body(stream).await, "");
        peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
            .await;
    };
    soon("the conversation", async { tokio::join!(talk, serve) }).await;
}

#[tokio::test]
async fn a_message_leaves_while_the_caller_waits_for_something_else() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let mut call = start(&channel);
    call.send("one".into()).await.unwrap();
    call.send("two".into()).await.unwrap();
    // The caller does not touch the call: it waits for news that the peer has heard both.
    let (stream, _) = peer.expect_request().await;
    let both = [message("one"), message("two")].concat();
    let mut heard = Vec::new();
    while heard.len() < both.len() {
        heard.extend_from_slice(&peer.expect_data(stream).await);
    }
    assert_eq!(heard, both);
}

// Failures of the user's own.

#[tokio::test]
async fn a_request_stream_that_panics_ends_its_call_at_once() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let panics = || {
        stream::iter([Bytes::from("one")])
            .chain(stream::once(async { panic!("as it was told to") }))
    };
    let both = channel.streaming(path(PATH), BytesCodec, Request::new(panics()));
    let status = soon("the status", both).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    assert!(status.message().contains("panicked"), "{status}");
    let (stream, _) = peer.expect_request().await;
    while let Some(frame) = peer.next(stream).await {
        if let Frame::Reset { code, .. } = frame {
            assert_eq!(code, CANCEL);
            break;
        }
    }
    let join = channel.client_streaming(path(PATH), BytesCodec, Request::new(panics()));
    let status = soon("the status", join).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
}

#[tokio::test]
async fn a_streaming_call_that_fails_here_is_cancelled_there() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let channel = channel.max_decoding_message_size(10);
    let requests = stream::pending::<Bytes>();
    let call = channel.client_streaming(path(PATH), BytesCodec, Request::new(requests));
    let serve = async {
        let (stream, _) = peer.expect_request().await;
        peer.headers(stream, 0, &response()).await;
        peer.data(stream, 0, &message("far too long an answer"))
            .await;
        peer.expect_reset(stream, CANCEL).await;
    };
    let (status, ()) = soon("the status", async { tokio::join!(call, serve) }).await;
    assert_eq!(status.unwrap_err().code(), Code::ResourceExhausted);
}

// Calls that are made again because no handler has seen them.

/// Two messages and the end, by each way there is to stream requests.
async fn by_each_way(channel: Channel, way: usize) -> Result<Bytes, Status> {
    let requests = stream::iter([Bytes::from("one"), Bytes::from("two")]);
    match way {
        0 => channel
            .client_streaming(path(PATH), BytesCodec, Request::new(requests))
            .await
            .map(Response::into_inner),
        1 => {
            let answers = channel
                .streaming(path(PATH), BytesCodec, Request::new(requests))
                .await?;
            let message = answers.into_inner().message().await?;
            Ok(message.unwrap_or_default())
        }
        _ => {
            let mut call = start(&channel);
            call.send("one".into()).await?;
            call.send("two".into()).await?;
            call.half_close().await?;
            Ok(call.message().await?.unwrap_or_default())
        }
    }
}

fn one_and_two() -> Bytes {
    [message("one"), message("two")].concat().into()
}

//= RETRY-TRANSPARENT  type=test
#[tokio::test]
async fn b76_a_refused_stream_of_requests_is_sent_again_once() {
    for way in 0..3 {
        let (channel, mut peer, _server) = connected(&[]).await;
        let call = tokio::spawn(by_each_way(channel, way));
        let (first, _) = peer.expect_request().await;
        assert_eq!(peer.expect_body(first).await, one_and_two());
        peer.reset(first, REFUSED_STREAM).await;
        let (second, _) = peer.expect_request().await;
        assert_eq!(peer.expect_body(second).await, one_and_two(), "way {way}");
        answer(&mut peer, second, "done").await;
        assert_eq!(soon("the answer", call).await.unwrap().unwrap(), "done");

        let (channel, mut peer, _server) = connected(&[]).await;
        let call = tokio::spawn(by_each_way(channel, way));
        for _ in 0..2 {
            let (stream, _) = peer.expect_request().await;
            peer.reset(stream, REFUSED_STREAM).await;
        }
        let status = soon("the status", call).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "way {way}: {status}");
        assert_eq!(status.origin(), Origin::Reset(REFUSED_STREAM));
    }
}

//= RETRY-TRANSPARENT  type=test
#[tokio::test]
async fn b74_a_stream_of_requests_above_goaways_last_id_is_sent_again_elsewhere() {
    for way in 0..3 {
        let (channel, mut peer, server) = connected(&[]).await;
        let call = tokio::spawn(by_each_way(channel, way));
        let (first, _) = peer.expect_request().await;
        assert_eq!(peer.expect_body(first).await, one_and_two());
        peer.goaway(0, NO_ERROR).await;
        let mut other = server.accept().await;
        let (second, _) = other.expect_request().await;
        assert_eq!(other.expect_body(second).await, one_and_two(), "way {way}");
        answer(&mut other, second, "done").await;
        assert_eq!(soon("the answer", call).await.unwrap().unwrap(), "done");
    }
}

#[tokio::test]
async fn what_is_sent_after_a_refusal_follows_what_was_sent_before_it() {
    let (channel, mut peer, _server) = connected(&[]).await;
    let mut call = start(&channel);
    call.send("one".into()).await.unwrap();
    let (first, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(first).await, message("one"));
    peer.reset(first, REFUSED_STREAM).await;
    // Nobody waits for an answer: the call is opened again nevertheless.
    let (second, _) = peer.expect_request().await;
    assert_eq!(peer.expect_data(second).await, message("one"));
    call.send("two".into()).await.unwrap();
    call.half_close().await.unwrap();
    assert_eq!(peer.expect_body(second).await, message("two"));
    answer(&mut peer, second, "done").await;
    assert_eq!(call.message().await.unwrap().unwrap(), "done");
}

//= RETRY-COMMIT  type=test
//= RETRY-BUFFER  type=test
#[tokio::test]
async fn b90_what_is_no_longer_held_is_not_sent_again() {
    // More than the replay buffer.
    let (channel, mut peer, _server) = connected(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]).await;
    peer.window_update(0, 1 << 20).await;
    let mut call = start(&channel);
    for _ in 0..9 {
        call.send(Bytes::from_static(&[7; 8192])).await.unwrap();
    }
    let (stream, _) = peer.expect_request().await;
    let mut heard = 0;
    while heard < 9 * (8192 + 5) {
        heard += peer.expect_data(stream).await.len();
    }
    peer.reset(stream, REFUSED_STREAM).await;
    let status = soon("the status", call.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    peer.expect_nothing(stream + 2).await;

    // After response headers.
    let mut call = start(&channel);
    call.send("one".into()).await.unwrap();
    let (stream, _) = peer.expect_request().await;
    peer.headers(stream, 0, &response()).await;
    call.metadata().await.unwrap();
    peer.reset(stream, REFUSED_STREAM).await;
    let status = soon("the status", call.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    peer.expect_nothing(stream + 2).await;
}

// Deadlines.

#[tokio::test(start_paused = true)]
async fn b67_a_deadline_passes_while_a_send_waits_for_the_window() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let endpoint = Endpoint::from_static("http://test");
    let (channel, mut peer) = tokio::join!(
        endpoint.connect_with_io(ours),
        Peer::server(theirs, &[(setting::INITIAL_WINDOW_SIZE, 10)])
    );
    let channel = channel.unwrap();
    peer.credits = false;
    let (mut sender, mut receiver) = start(&channel).with_timeout(Duration::from_secs(5)).split();
    let status = async {
        loop {
            if let Err(status) = sender.send(Bytes::from_static(&[7; 8192])).await {
                return status;
            }
        }
    }
    .await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert_eq!(status.origin(), Origin::LocalDeadline);
    let status = receiver.message().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let (stream, _) = peer.expect_request().await;
    loop {
        match peer.next(stream).await {
            Some(Frame::Data { .. }) => {}
            Some(Frame::Reset { code: CANCEL, .. }) => break,
            other => peer.fail(&format!("RST_STREAM CANCEL; came {other:?}")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b67_a_deadline_passes_while_there_is_no_connection() {
    // It connects for ever: twenty seconds, and then anew.
    let channel = Endpoint::from_static("http://test")
        .wait_for_ready(true)
        .connect_with_connector_lazy(|_| {
            std::future::pending::<std::io::Result<tokio::io::DuplexStream>>()
        });
    let limit = Duration::from_secs(50);
    fn within<T>(message: T, limit: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(limit);
        request
    }
    for shape in 0..5 {
        let begin = tokio::time::Instant::now();
        let requests = stream::iter([Bytes::new()]);
        let status = match shape {
            0 => {
                let call = channel.unary(path(PATH), BytesCodec, within(Bytes::new(), limit));
                call.await.map(drop)
            }
            1 => {
                let request = within(Bytes::new(), limit);
                let call = channel.server_streaming(path(PATH), BytesCodec, request);
                call.await.map(drop)
            }
            2 => {
                let request = within(requests, limit);
                let call = channel.client_streaming(path(PATH), BytesCodec, request);
                call.await.map(drop)
            }
            3 => {
                let call = channel.streaming(path(PATH), BytesCodec, within(requests, limit));
                call.await.map(drop)
            }
            _ => {
                let mut call = start(&channel).with_timeout(limit);
                // As much as it takes to make a send wait.
                loop {
                    if let Err(status) = call.send(Bytes::from_static(&[7; 8192])).await {
                        break Err(status);
                    }
                }
            }
        };
        let status = status.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{shape}: {status}");
        assert_eq!(status.origin(), Origin::LocalDeadline, "{shape}");
        assert_eq!(begin.elapsed().as_secs(), 50, "{shape}: at once");
    }
}
