//! How often does a connection take its turn? A stream that is open and silent must not make others wait: each
//! turn more is a place at the back of the run queue.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use temaki::{ConnectInfo, Server};

use crate::support::*;

/// The turns that a connection takes for a hundred calls, beside so many streams that are open.
async fn turns(method: &str, idle: u32) -> usize {
    let probe = Probe::default();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    // However slow this machine is.
    let builder = Server::builder().handlers_in_place(Duration::from_secs(3600));
    let server = builder.add_service(server::kit(&probe));
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let served = tokio::spawn(async move {
        let mut served = pin!(server.serve_connection(theirs, ConnectInfo::default()));
        poll_fn(|cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            served.as_mut().poll(cx)
        })
        .await
    });
    let mut peer = Peer::client(ours, &[]).await;
    for stream in 0..idle {
        let stream = 1001 + 2 * stream;
        // Streams are opened in their order; these come first.
        peer.call(stream, &request("/test.Kit/Stay"), "here").await;
        peer.expect_headers(stream).await;
        peer.expect_data(stream).await;
    }
    probe.until_started(idle.into()).await;
    peer.ping().await;
    let before = turns.load(Ordering::Relaxed);
    for call in 0..100 {
        let stream = 3001 + 2 * call;
        // In one piece: it is answered where it is read.
        let head = hpack::encode(&request(method));
        let head = frame::encode(kind::HEADERS, END_HEADERS, stream, &head);
        let body = frame::encode(kind::DATA, END_STREAM, stream, &message("hello"));
        peer.raw(&[head, body].concat()).await;
        assert_eq!(peer.answer(stream).await.expect_one(), "hello");
    }
    let took = turns.load(Ordering::Relaxed) - before;
    served.abort();
    took
}

#[tokio::test(start_paused = true)]
async fn s10_an_idle_stream_costs_others_no_turn() {
    let alone = turns("/test.Kit/Hello", 0).await;
    for idle in [1, 100] {
        let beside = turns("/test.Kit/Hello", idle).await;
        assert!(
            beside <= alone + 5,
            "{beside} turns beside {idle}, {alone} alone"
        );
    }
}
