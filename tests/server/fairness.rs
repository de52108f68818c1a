//! Whose turn is it? Handlers that block their thread, and streams that never wait, beside calls that are quick.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use temaki::codec::BytesCodec;
use temaki::server::Methods;
use temaki::{Request, Response, ResponseStream, Server};

use crate::support::apart::Apart;
use crate::support::*;

/// Handlers that hold their thread until the test lets each of them go.
struct Blocking {
    begun: Mutex<mpsc::Sender<()>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

fn blocking() -> (Methods<Blocking>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((begun, has_begun), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel());
    let blocking = Blocking {
        begun: Mutex::new(begun),
        go_on: Mutex::new(goes_on),
    };
    let mut methods = Methods::new("test.Block", Arc::new(blocking));
    methods.unary(
        "Wait",
        BytesCodec,
        |it: Arc<Blocking>, request: Request<Bytes>| async move {
            it.begun.lock().unwrap().send(()).unwrap();
            it.go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            Ok(Response::new(request.into_inner()))
        },
    );
    (methods, has_begun, go_on)
}

/// A whole call, as bytes.
fn whole(stream: u32, path: &str) -> Vec<u8> {
    let block = hpack::encode(&request(path));
    let head = encode(kind::HEADERS, END_HEADERS, stream, &block);
    let data = encode(kind::DATA, END_STREAM, stream, &message("a"));
    [head, data].concat()
}

/// Seven that block come in one write behind one that does not. What is ready when one of them has blocked leaves before
/// the next one does.
#[tokio::test]
async fn s07_at_most_one_slow_handler_is_waited_for() {
    for quick_at in [0, 1, 4] {
        let (methods, begun, go_on) = blocking();
        // As slow as a test may be, what does not block is no overrun.
        let builder = Server::builder().handlers_in_place(Duration::from_millis(300));
        let server = Apart::start(builder.add_service(methods));
        let mut peer = server.peer(&[]).await;
        // Its handlers are polled in place.
        peer.raw(&whole(1, "/test.Kit/Hello")).await;
        assert_eq!(peer.answer(1).await.expect_one(), "a");
        let paths = (0..8).map(|n| match n == quick_at {
            true => (2 * n + 3, "/test.Kit/Hello"),
            false => (2 * n + 3, "/test.Block/Wait"),
        });
        let calls: Vec<u8> = paths
            .flat_map(|(stream, path)| whole(stream, path))
            .collect();
        peer.raw(&calls).await;
        begun.recv_timeout(PATIENCE).unwrap();
        std::thread::sleep(Duration::from_millis(600)); // it is slow
        go_on.send(()).unwrap();
        // The next one blocks, and is not let go before these have come.
        begun.recv_timeout(PATIENCE).unwrap();
        let first = if quick_at == 0 { 5 } else { 3 };
        assert_eq!(peer.answer(first).await.expect_one(), "a", "{quick_at}");
        if quick_at == 0 {
            assert_eq!(peer.answer(3).await.expect_one(), "a", "the quick one");
        }
        for _ in 0..6 {
            go_on.send(()).unwrap();
        }
        for n in (0..8).filter(|n| ![quick_at, (first - 3) / 2].contains(n)) {
            assert_eq!(peer.answer(2 * n + 3).await.expect_one(), "a");
        }
    }
}

/// A stream that always has a message, and counts them.
fn restless(made: &Arc<AtomicU64>) -> Methods<AtomicU64> {
    let mut methods = Methods::new("test.Restless", made.clone());
    methods.server_streaming(
        "Poll",
        BytesCodec,
        |made: Arc<AtomicU64>, _: Request<Bytes>| async move {
            Ok(Response::new(futures_util::stream::repeat_with(
                move || {
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(Bytes::from_static(b"a"))
                },
            )))
        },
    );
    methods.server_streaming(
        "Send",
        BytesCodec,
        |made: Arc<AtomicU64>, _: Request<Bytes>| async move {
            Ok(Response::new(ResponseStream::new(async move |mut out| {
                loop {
                    made.fetch_add(1, Ordering::Relaxed);
                    out.send(Bytes::from_static(b"a")).await?;
                }
            })))
        },
    );
    methods.bidi_streaming(
        "Both",
        BytesCodec,
        |made: Arc<AtomicU64>, _: Request<temaki::Streaming<Bytes>>| async move {
            Ok(Response::new(futures_util::stream::repeat_with(
                move || {
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(Bytes::from_static(b"a"))
                },
            )))
        },
    );
    methods
}

/// Between two looks of another task at them, a stream makes no more than a turn's messages, and a turn has an end
/// whether its clock goes or not.
#[tokio::test(start_paused = true)]
async fn s25_a_stream_that_is_always_ready_lets_others_have_their_turn() {
    for method in ["Poll", "Send", "Both"] {
        let made = Arc::new(AtomicU64::new(0));
        let server = Pipes::start(Server::builder().add_service(restless(&made)));
        // Nothing but its own sense of time stops it: there is window and room for all.
        let windows = [(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)];
        let mut peer = Peer::client(server.pipe(1 << 30), &windows).await;
        peer.credits = false;
        peer.window_update(0, (1 << 31) - 1 - 65_535).await;
        let path = format!("/test.Restless/{method}");
        peer.call(1, &request(&path), "").await;
        let made = made.clone();
        // A task as the others are; the test itself is polled once for every 61 of them.
        let observed = tokio::spawn(async move {
            while made.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            let mut most = 0;
            let mut before = made.load(Ordering::Relaxed);
            let begun = before;
            for _ in 0..200 {
                behind_the_others().await;
                let now = made.load(Ordering::Relaxed);
                most = most.max(now - before);
                before = now;
            }
            (begun, before, most)
        });
        let (begun, before, most) = observed.await.unwrap();
        assert!(before > begun, "{method} goes on");
        assert!(most <= 3000, "{method}: {most} in one turn");
    }
}

/// Goes once to the back of the run queue.
async fn behind_the_others() {
    let mut has_gone = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_gone, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
