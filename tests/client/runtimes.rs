//! A channel and the runtimes around it: made in one, called from another, from none, or after one has ended.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use temaki::client::ConnectivityState;
use temaki::codec::BytesCodec;
use temaki::{Channel, Code, Endpoint, Request, Server, Status};
use tokio::runtime::{Builder, Runtime};

use crate::support::apart::Apart;

/// An executor that is not tokio's.
fn drive<F: Future>(work: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Runs in a thread that is in no runtime, and not for ever.
fn outside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || send.send(work()));
    let output = receive.recv_timeout(Duration::from_secs(60));
    assert!(output.is_ok() || thread.is_finished(), "it hangs");
    thread
        .join()
        .expect("it does not panic")
        .expect("somebody waits");
    output.expect("an output")
}

fn threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn lazy(server: &Apart) -> Channel {
    let endpoint = Endpoint::new(format!("http://{}", server.addr)).unwrap();
    endpoint.connect_lazy()
}

fn method(name: &str) -> PathAndQuery {
    format!("/test.Kit/{name}").parse().unwrap()
}

fn request<T>(message: T, limit: Option<Duration>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(limit) = limit {
        request.set_timeout(limit);
    }
    request
}

/// One call of each kind, to its end.
async fn each_kind(channel: &Channel, limit: Option<Duration>) -> Result<(), Status> {
    let one = || request(Bytes::from("a"), limit);
    let many = || request(stream::iter(["a", "b"].map(Bytes::from)), limit);
    let answer = channel.unary(method("Echo"), BytesCodec, one()).await?;
    assert_eq!(answer.into_inner(), "a");
    // A large one takes another way.
    let large = request(Bytes::from(vec![b'l'; 1 << 17]), limit);
    let answer = channel.unary(method("Echo"), BytesCodec, large).await?;
    assert_eq!(answer.into_inner().len(), 1 << 17);

    let count = request(Bytes::from("3 5"), limit);
    let answers = channel.server_streaming(method("Repeat"), BytesCodec, count);
    let mut answers = answers.await?.into_inner();
    for _ in 0..3 {
        assert_eq!(answers.message().await?.unwrap(), "rrrrr");
    }
    assert_eq!(answers.message().await?, None);

    let answer = channel.client_streaming(method("Join"), BytesCodec, many());
    assert_eq!(answer.await?.into_inner(), "ab");

    let answers = channel.streaming(method("Both"), BytesCodec, many());
    let mut answers = answers.await?.into_inner();
    assert_eq!(answers.message().await?.unwrap(), "a");
    assert_eq!(answers.message().await?.unwrap(), "b");
    assert_eq!(answers.message().await?, None);

    let mut call = channel.start(method("Both"), BytesCodec);
    if let Some(limit) = limit {
        call = call.with_timeout(limit);
    }
    call.send(Bytes::from("a")).await?;
    assert_eq!(call.message().await?.unwrap(), "a");
    call.half_close().await?;
    assert_eq!(call.message().await?, None);
    Ok(())
}

/// One call of each kind that the server does not end; how each of them ended.
async fn each_kind_expires(channel: &Channel) -> Vec<Status> {
    let short = Duration::from_millis(50);
    let limit = Some(short);
    let one = || request(Bytes::from("a"), limit);
    let endless = || request(stream::pending::<Bytes>(), limit);
    let mut ends = Vec::new();
    let call = channel.unary(method("Hang"), BytesCodec, one());
    ends.push(call.await.unwrap_err());
    let call = channel.server_streaming(method("Stay"), BytesCodec, one());
    let mut answers = call.await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap(), "a");
    ends.push(answers.message().await.unwrap_err());
    let call = channel.client_streaming(method("Join"), BytesCodec, endless());
    ends.push(call.await.unwrap_err());
    let call = channel.streaming(method("Both"), BytesCodec, endless());
    ends.push(match call.await {
        Ok(answers) => answers.into_inner().message().await.unwrap_err(),
        Err(status) => status,
    });
    let call = channel.start(method("Both"), BytesCodec);
    let mut call = call.with_timeout(short);
    call.send(Bytes::from("a")).await.unwrap();
    assert_eq!(call.message().await.unwrap().unwrap(), "a");
    ends.push(call.message().await.unwrap_err());
    ends
}

/// An exporter that drives its future on a thread of its own.
#[test]
fn p01_calls_may_be_polled_outside_of_any_runtime() {
    let server = Apart::start(Server::builder());
    let home = threads();
    let channel = home.block_on(async { lazy(&server) });
    outside(move || {
        for limit in [None, Some(Duration::from_secs(30))] {
            drive(each_kind(&channel, limit)).unwrap();
        }
        for status in drive(each_kind_expires(&channel)) {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        }
        // What was begun inside may be read on outside.
        let limit = Some(Duration::from_millis(50));
        let call = request(Bytes::from("a"), limit);
        let call = channel.server_streaming(method("Stay"), BytesCodec, call);
        let mut answers = home.block_on(call).unwrap().into_inner();
        assert!(drive(answers.message()).unwrap().is_some());
        let status = drive(answers.message()).unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        // And to connect is no more than to call.
        let endpoint = Endpoint::new(format!("http://{}", server.addr)).unwrap();
        let inside = home.enter();
        let connecting = endpoint.connect();
        drop(inside);
        let error = drive(connecting).unwrap_err().to_string();
        assert!(error.contains("no tokio runtime"), "{error}");
    });
}

/// A proxy's page is quoted where there are timers; without them the call ends all the same.
#[test]
fn p01_an_answer_that_is_not_grpc_is_told_outside_of_any_runtime() {
    use crate::support::*;
    let home = threads();
    let raw = home.block_on(RawServer::bind());
    let channel = home.block_on(async { Endpoint::new(raw.target()).unwrap().connect_lazy() });
    let peer = home.spawn(async move {
        let mut peer = raw.accept().await;
        let (stream, _) = peer.expect_request().await;
        peer.headers(
            stream,
            0,
            &[(":status", "503"), ("content-type", "text/html")],
        )
        .await;
        peer.data(stream, 0, b"<html>").await;
        peer.expect_closed().await;
    });
    let status = outside(move || {
        drive(channel.unary(method("Any"), BytesCodec, Request::new(Bytes::new()))).unwrap_err()
    });
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    home.block_on(peer).unwrap();
}

#[test]
fn c08_a_channel_outlives_the_runtime_that_it_was_made_in() {
    let server = Apart::start(Server::builder());
    for made_in in [threads, one_thread] {
        for used in [false, true] {
            let first = made_in();
            let channel = first.block_on(async { lazy(&server) });
            if used {
                first.block_on(each_kind(&channel, None)).unwrap();
            }
            drop(first);
            for next in [one_thread, threads, one_thread] {
                let next = next();
                for limit in [None, Some(Duration::from_secs(30))] {
                    next.block_on(each_kind(&channel, limit)).unwrap();
                }
            }
            // The last one has ended, and here there is none.
            let status = outside(move || drive(each_kind(&channel, None)).unwrap_err());
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.message().contains("runtime"), "{status:?}");
        }
    }
}

#[test]
fn c08_a_call_without_any_runtime_is_told_so_and_the_next_one_works() {
    let server = Apart::start(Server::builder());
    let channel = lazy(&server);
    let again = channel.clone();
    outside(move || {
        let one = || Request::new(Bytes::from("a"));
        let many = || Request::new(stream::iter([Bytes::from("a")]));
        let codec = BytesCodec;
        let mut ends = vec![
            drive(again.unary(method("Echo"), codec, one())).err(),
            drive(again.server_streaming(method("Stay"), codec, one())).err(),
            drive(again.client_streaming(method("Join"), codec, many())).err(),
            drive(again.streaming(method("Both"), codec, many())).err(),
        ];
        let mut held = again.start(method("Both"), codec);
        ends.push(drive(held.message()).err());
        for status in ends {
            let status = status.unwrap();
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.message().contains("no tokio runtime"), "{status:?}");
        }
        assert_eq!(again.state(), ConnectivityState::Idle);
    });
    let home = threads();
    home.block_on(each_kind(&channel, None)).unwrap();
    // Now it has a home.
    outside(move || drive(each_kind(&channel, Some(Duration::from_secs(30)))).unwrap());
    drop(home);
}

/// Polls once, as a runtime would that stops right after.
fn poll_once<F: Future>(work: std::pin::Pin<&mut F>) -> bool {
    work.poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[test]
fn c08_an_attempt_that_was_never_polled_is_made_again() {
    let server = Apart::start(Server::builder());
    let home = one_thread();
    let channel = home.block_on(async { lazy(&server) });
    let mut states = channel.watch_state();
    {
        let _inside = home.enter();
        assert!(!poll_once(pin!(each_kind(&channel, None))));
    }
    assert_eq!(channel.state(), ConnectivityState::Connecting);
    drop(home);
    assert_eq!(*states.borrow_and_update(), ConnectivityState::Idle);
    let next = one_thread();
    next.block_on(each_kind(&channel, None)).unwrap();
}

#[test]
fn c08_a_call_whose_task_was_never_polled_ends() {
    let server = Apart::start(Server::builder());
    let home = threads();
    let channel = home.block_on(async { lazy(&server) });
    home.block_on(each_kind(&channel, None)).unwrap();
    let many = || Request::new(stream::pending::<Bytes>());
    let short = one_thread();
    let mut upload = pin!(channel.client_streaming(method("Join"), BytesCodec, many()));
    let mut both = pin!(channel.streaming(method("Unread"), BytesCodec, many()));
    let (mut sender, mut receiver) = channel.start(method("Both"), BytesCodec).split();
    let mut message = Box::pin(receiver.message());
    {
        let _inside = short.enter();
        assert!(!poll_once(upload.as_mut()));
        assert!(!poll_once(both.as_mut()));
        assert!(!poll_once(message.as_mut()));
    }
    drop(short);
    home.block_on(async {
        let ends = [
            upload.await.err().unwrap(),
            both.await.err().unwrap(),
            message.await.unwrap_err(),
        ];
        for status in ends {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(status.message().contains("runtime"), "{status:?}");
        }
        let sent = sender.send(Bytes::from("a")).await;
        assert!(sent.is_err());
    });
}

/// A runtime of one thread moves only while somebody blocks on it.
#[test]
fn c08_a_home_that_nobody_drives_is_not_waited_for() {
    let server = Apart::start(Server::builder());
    let idle = one_thread();
    let channel = idle.block_on(async { lazy(&server) });
    let other = one_thread();
    other.block_on(each_kind(&channel, None)).unwrap();
    drop(other);
    idle.block_on(each_kind(&channel, None)).unwrap();
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the panics of this thread from now on.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    PANICS.set(0);
}

#[test]
fn c09_a_runtime_without_timers_is_told_and_does_not_spin() {
    let server = Apart::start(Server::builder());
    count_panics();
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let channel = runtime.block_on(async { lazy(&server) });
    for wait in [false, true] {
        let mut request = Request::new(Bytes::from("a"));
        request.set_wait_for_ready(wait);
        let call = channel.unary(method("Echo"), BytesCodec, request);
        let status = runtime.block_on(call).unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("enable_time"), "{status:?}");
    }
    let connecting = Endpoint::new(format!("http://{}", server.addr)).unwrap();
    let error = runtime.block_on(connecting.connect()).unwrap_err();
    assert!(error.to_string().contains("enable_time"), "{error}");
    assert!(PANICS.get() <= 7, "{} panics", PANICS.get());
    drop(runtime);
    one_thread().block_on(each_kind(&channel, None)).unwrap();
}

#[test]
fn c09_a_runtime_without_sockets_is_told_and_does_not_spin() {
    let server = Apart::start(Server::builder());
    count_panics();
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let channel = runtime.block_on(async { lazy(&server) });
    let call = channel.unary(method("Echo"), BytesCodec, Request::new(Bytes::from("a")));
    let status = runtime.block_on(call).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("enable_io"), "{status:?}");
    assert!(PANICS.get() <= 2, "{} panics", PANICS.get());
    drop(runtime);
    one_thread().block_on(each_kind(&channel, None)).unwrap();
}
