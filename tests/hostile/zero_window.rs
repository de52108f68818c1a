//! Zero window: the peer asks for much and takes nothing. It announces a window of 0 and starts server streams;
//! what the handlers have to say is held for it, and so are the handlers.
//!
//! Guard: a handler is asked for the next batch (16 KiB, or one message) only when the last one is gone; a stream
//! of which the peer took nothing for `stall_timeout` (30 s) is reset and its handler dropped (`Reply::send`).
//! Answers whose handler has ended wait in `h2`; the connection is closed when none of them moved for as long
//! (`server/connection.rs`). That last timer does not run while a handler of the same connection still works,
//! which `h2` cannot tell from a stream that waits for window: then what is held is bounded by the limit of
//! streams, 256 times 16 KiB, and by nothing in time.

use std::time::Duration;

use tokio::time::Instant;

use crate::*;

const NO_WINDOW: &[(u16, u32)] = &[(setting::INITIAL_WINDOW_SIZE, 0)];

#[tokio::test]
async fn a_stalled_stream_holds_one_batch() {
    let _alone = alone().await;
    let server = Apart::start(Server::builder());
    let mut peer = server.peer(NO_WINDOW).await;
    peer.ping().await; // from here on there is window for all requests
    let before = temaki_heap::watched();
    for stream in streams(100) {
        peer.call(stream, &request("/test.Kit/Repeat"), "1000000 8192")
            .await;
    }
    for stream in streams(100) {
        peer.expect_headers(stream).await;
    }
    peer.ping().await;
    let each = (temaki_heap::watched() - before) / 100;
    println!("a stalled stream of 8 KiB messages: {each} bytes held");
    // The batch, the message that the handler makes them of, and the call itself.
    assert!(each < (16 + 8 + 4) * KIB, "{each} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_is_reset_and_its_handler_dropped() {
    let probe = Probe::default();
    let builder = Server::builder().stall_timeout(Duration::from_secs(5));
    let (ours, _served) = server::pipe(builder, &probe, 64 * 1024);
    let mut peer = Peer::client(ours, NO_WINDOW).await;
    let began = Instant::now();
    peer.call(1, &request("/test.Kit/Endless"), "much").await;
    peer.expect_headers(1).await;
    peer.expect_reset(1, CANCEL).await;
    let took = began.elapsed();
    let limit = Duration::from_secs(5)..=Duration::from_secs(6);
    assert!(limit.contains(&took), "{took:?}");
    probe.until_idle().await;
}

/// A byte now and then is a slow peer, and not a stalled one.
#[tokio::test(start_paused = true)]
async fn a_slow_stream_is_not_reset() {
    let probe = Probe::default();
    let builder = Server::builder().stall_timeout(Duration::from_secs(5));
    let (ours, _served) = server::pipe(builder, &probe, 64 * 1024);
    let mut peer = Peer::client(ours, NO_WINDOW).await;
    peer.credits = false;
    peer.call(1, &request("/test.Kit/Endless"), "much").await;
    peer.expect_headers(1).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        peer.window_update(1, 1).await;
        assert_eq!(peer.expect_data(1).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_end_the_connection() {
    let probe = Probe::default();
    let builder = Server::builder().stall_timeout(Duration::from_secs(5));
    let (ours, served) = server::pipe(builder, &probe, 64 * 1024);
    let mut peer = Peer::client(ours, NO_WINDOW).await;
    let began = Instant::now();
    for stream in streams(20) {
        peer.call(stream, &request("/test.Kit/Echo"), "a small answer")
            .await;
    }
    let error = soon("the end", served).await.unwrap().unwrap_err();
    let took = began.elapsed();
    assert!(error.to_string().contains("stall_timeout"), "{error}");
    let limit = Duration::from_secs(5)..=Duration::from_millis(6_100);
    assert!(limit.contains(&took), "{took:?}");
    peer.expect_closed().await;
}
