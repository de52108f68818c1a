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

/// The batch is gathered until it has 16 KiB, and the message that fills it may be of any size. No other is made
/// meanwhile. The call itself is in the sum, for which small messages leave no room; it may have its own 4 KiB.
#[tokio::test]
async fn a_stalled_stream_holds_16_kib_and_a_message() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    for method in ["Repeat", "Items"] {
        for size in [100, 1000, 5000, 8192, 16_384, 100_000] {
            let mut peer = server.peer(NO_WINDOW).await;
            peer.ping().await; // from here on there is window for all requests
            let before = temaki_heap::watched();
            let (path, numbers) = (format!("/test.Kit/{method}"), format!("1000000 {size}"));
            for stream in streams(100) {
                peer.call(stream, &request(&path), &numbers).await;
            }
            for stream in streams(100) {
                peer.expect_headers(stream).await;
            }
            peer.ping().await;
            let each = (temaki_heap::watched() - before) / 100;
            println!("{method}, stalled, messages of {size} bytes: {each} bytes held");
            let call = if size < 8 * KIB { 4 * KIB } else { 0 };
            assert!(
                each <= 16 * KIB + size + call,
                "{method} {size}: {each} bytes"
            );
            drop(peer);
            server.probe.until_idle().await;
        }
    }
    neighbour.stays_well().await;
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
    let limit = Duration::from_secs(5)..=Duration::from_millis(6_010);
    assert!(limit.contains(&took), "{took:?}");
    peer.expect_closed().await;
}
