//! Row 79, the server's half: a peer that has gone without a word is found out, and nobody else is bothered.

use std::time::Duration;

use temaki::{Code, Origin, Server};
use tokio::time::{Instant, sleep};

use crate::support::*;

fn builder() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Duration::from_secs(5))
}

/// Whether the server has asked.
fn asked(peer: &Peer) -> bool {
    peer.waiting()
        .any(|frame| matches!(frame, Frame::Ping { ack: false, .. }))
}

//= GRPC-PING-SERVER  type=test
#[tokio::test(start_paused = true)]
async fn b79_calls_are_cancelled_when_a_ping_is_not_answered() {
    let server = Pipes::start(builder());
    let begun = Instant::now();
    let mut peer = server.peer().await;
    peer.acks = false;
    peer.headers(1, 0, &request("/test.Kit/Join")).await;
    peer.call(3, &request("/test.Kit/Hang"), "").await;
    server.probe.until_started(2).await;
    let status = server.probe.next_end().await.unwrap_err();
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Cancelled, Origin::Transport),
        "{status:?}"
    );
    server.probe.until_idle().await;
    let frames = peer.expect_closed().await;
    assert!(
        frames
            .iter()
            .any(|frame| matches!(frame, Frame::Ping { ack: false, .. }))
    );
    let ended = |frame: &Frame| matches!(frame, Frame::Headers { end: true, .. });
    assert!(!frames.iter().any(ended), "no answer looks complete");
    let took = begun.elapsed().as_secs_f64();
    assert!(
        (15.0..=17.0).contains(&took),
        "10 s of silence, and 5 s for an answer: {took}"
    );
}

#[tokio::test(start_paused = true)]
async fn b79_a_peer_that_answers_is_kept_however_little_it_says() {
    let server = Pipes::start(builder());
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Gate"), "a").await;
    server.probe.until_started(1).await;
    tokio::select! {
        came = peer.next(1) => panic!("nothing was due; came {came:?}"),
        () = sleep(Duration::from_secs(600)) => {}
    }
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "a");
}

#[tokio::test(start_paused = true)]
async fn b79_a_peer_that_speaks_is_not_asked() {
    let server = Pipes::start(builder());
    let mut peer = server.peer().await;
    peer.acks = false;
    peer.headers(1, 0, &request("/test.Kit/Both")).await;
    peer.expect_headers(1).await;
    for _ in 0..20 {
        sleep(Duration::from_secs(7)).await;
        peer.data(1, 0, &message("a")).await;
        assert_eq!(peer.expect_data(1).await, message("a"));
        assert!(!asked(&peer));
    }
    // Then it falls silent.
    sleep(Duration::from_secs(13)).await;
    peer.data(1, 0, &message("a")).await;
    assert_eq!(peer.expect_data(1).await, message("a"));
    assert!(asked(&peer));
}

/// How far after the last byte read the PING may come: a tick of the timer, and none too early.
const TICKS: Duration = Duration::from_millis(3);

#[tokio::test(start_paused = true)]
async fn b79_the_ping_comes_when_the_interval_has_passed_since_the_last_byte() {
    let ms = Duration::from_millis;
    #[rustfmt::skip]
    let rows: [(Duration, &[Duration], bool, &str); 7] = [
        (ms(1_000), &[], false, "nothing after the greeting, and the shortest interval"),
        (ms(10_000), &[], false, "nothing after the greeting"),
        (ms(10_000), &[], true, "a call is open"),
        (ms(10_000), &[ms(300)], false, "a byte that needs no answer, soon"),
        (ms(10_000), &[ms(300)], true, "the same beside a call"),
        (ms(10_000), &[ms(9_990)], false, "a byte just in time"),
        (ms(10_000), &[ms(2_600), ms(7_100), ms(9_999)], false, "many"),
    ];
    for (interval, bytes, has_call, why) in rows {
        let builder = Server::builder().http2_keepalive_interval(Some(interval));
        let server = Pipes::start(builder);
        let mut peer = server.peer().await;
        peer.acks = false;
        let mut last = Instant::now();
        if has_call {
            peer.call(1, &request("/test.Kit/Hang"), "").await;
            server.probe.until_started(1).await;
        }
        for wait in bytes {
            sleep(*wait).await;
            last = Instant::now();
            peer.frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 0, 15]).await;
        }
        let ping = |frame: &Frame| matches!(frame, Frame::Ping { ack: false, .. });
        peer.next_where(ping).await.expect("a PING");
        let silence = last.elapsed();
        assert!(
            (interval..=interval + TICKS).contains(&silence),
            "{why}: {silence:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn keepalive_is_off_by_default() {
    let server = Pipes::start(Server::builder());
    let mut peer = server.peer().await;
    peer.acks = false;
    sleep(Duration::from_secs(24 * 60 * 60)).await;
    peer.call(1, &request("/test.Kit/Echo"), "a").await;
    assert_eq!(peer.answer(1).await.expect_one(), "a");
    assert!(!asked(&peer));
}
