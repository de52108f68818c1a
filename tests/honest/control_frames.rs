//! Frames that cost nothing and have a reason: PINGs that measure the path while a stream comes or goes, keepalive as
//! often as it is permitted, credit for each message, empty DATA from proxies that flush, bytes that come slowly.
//!
//! The guards beside them: 1,000 control frames at once, then 100 a second and 10 for each frame of an answer, and credit
//! for each 4 bytes of one; strikes for PINGs; 10 s for a frame that has begun.

use std::time::Duration;

use tokio::time::sleep;

use crate::*;

fn piped() -> (Probe, tokio::io::DuplexStream, impl Sized) {
    let probe = Probe::default();
    let (ours, served) = server::pipe(Server::builder(), &probe, 256 * 1024);
    (probe, ours, served)
}

/// As grpc-go does: a PING for each portion of a download that has come, with credit before it.
#[tokio::test(start_paused = true)]
async fn l06_pings_that_measure_a_download_are_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    peer.call(1, &request("/test.Kit/Repeat"), "1000 16384")
        .await;
    peer.expect_headers(1).await;
    let mut bytes = 0;
    while bytes < 1000 * (16_384 + 5) {
        bytes += peer.expect_data(1).await.len();
        peer.window_update(0, 1).await;
        peer.ping().await;
    }
    assert_eq!(peer.expect_trailers(1).await.get("grpc-status"), Some("0"));
}

/// All of it was sent at once, and measured after it had come.
#[tokio::test(start_paused = true)]
async fn l06_pings_after_the_last_byte_was_sent_are_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    peer.credits = false;
    peer.call(1, &request("/test.Kit/Echo"), vec![b'x'; 60_000])
        .await;
    assert_eq!(peer.answer(1).await.expect_one().len(), 60_000);
    for _ in 0..50 {
        peer.window_update(0, 1000).await;
        peer.ping().await;
        sleep(Duration::from_millis(50)).await;
    }
    peer.call(3, &request("/test.Kit/Echo"), "b").await;
    assert_eq!(peer.answer(3).await.expect_one(), "b");
}

/// Small messages leave together, a thousand in a frame; credit comes for each as it is read, twice.
#[tokio::test(start_paused = true)]
async fn l06_credit_for_each_small_message_is_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    peer.credits = false;
    peer.call(1, &request("/test.Kit/Repeat"), "20000 5").await;
    peer.expect_headers(1).await;
    let (mut came, mut credited) = (0, 0);
    while came < 20_000 * 10 {
        came += peer.expect_data(1).await.len();
        let credit =
            [0, 1].map(|stream| frame::encode(kind::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 10]));
        peer.raw(&credit.concat().repeat((came - credited) / 10))
            .await;
        credited = came / 10 * 10;
    }
    assert_eq!(peer.expect_trailers(1).await.get("grpc-status"), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn l06_pings_during_an_upload_are_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    peer.headers(1, 0, &request("/test.Kit/Join")).await;
    for _ in 0..1500 {
        peer.data_within_windows(1, 0, &message("portion")).await;
        peer.ping().await;
    }
    peer.data(1, END_STREAM, b"").await;
    assert_eq!(peer.answer(1).await.expect_one().len(), 1500 * 7);
}

/// A caller that pings while it makes calls does not merely keep a connection alive.
#[tokio::test(start_paused = true)]
async fn l06_pings_between_calls_are_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    for n in 0..2000 {
        peer.ping().await;
        peer.call(2 * n + 1, &request("/test.Kit/Echo"), "b").await;
        peer.ping().await;
        assert_eq!(peer.answer(2 * n + 1).await.expect_one(), "b");
    }
}

#[tokio::test(start_paused = true)]
async fn c26_empty_data_in_a_long_life_is_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    peer.headers(1, 0, &request("/test.Kit/Both")).await;
    // A proxy that flushes after each message, 10,000 messages; then an idle one that flushes by time, for an hour.
    for _ in 0..10_000 {
        peer.data_within_windows(1, 0, &message("m")).await;
        peer.data(1, 0, b"").await;
    }
    for _ in 0..36_000 {
        peer.data(1, 0, b"").await;
        sleep(Duration::from_millis(100)).await;
    }
    peer.data(1, END_STREAM, b"").await;
    let answer = peer.answer(1).await;
    assert_eq!(answer.body.len(), 10_000 * 6);
    assert_eq!(answer.trailers.get("grpc-status"), Some("0"));
}

/// 256 KiB in one frame, at 8 kB/s: half a minute, in which nothing else can come.
#[tokio::test(start_paused = true)]
async fn l18_a_large_frame_on_a_slow_network_is_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    let body = message(vec![b's'; 200_000]);
    peer.headers(1, 0, &request("/test.Kit/Join")).await;
    let frame = frame::encode(kind::DATA, END_STREAM, 1, &body);
    for portion in frame.chunks(8000) {
        peer.raw(portion).await;
        sleep(Duration::from_secs(1)).await;
    }
    // And one that stands still for nine seconds, twice.
    assert_eq!(peer.answer(1).await.expect_one().len(), 200_000);
    peer.headers(3, 0, &request("/test.Kit/Join")).await;
    for portion in frame::encode(kind::DATA, END_STREAM, 3, &body).chunks(70_000) {
        peer.raw(portion).await;
        sleep(Duration::from_secs(9)).await;
    }
    assert_eq!(peer.answer(3).await.expect_one().len(), 200_000);
}

/// A connection that rests in the middle of nothing rests as long as it likes.
#[tokio::test(start_paused = true)]
async fn l18_silence_between_frames_is_not_cut() {
    let (_probe, ours, _served) = piped();
    let mut peer = Peer::client(ours, &[]).await;
    peer.headers(1, 0, &request("/test.Kit/Join")).await;
    sleep(Duration::from_secs(3600)).await;
    peer.data(1, END_STREAM, &message("late")).await;
    assert_eq!(peer.answer(1).await.expect_one(), "late");
}
