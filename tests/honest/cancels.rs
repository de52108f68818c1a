//! Calls that are begun and dropped: a page that is turned, a select, the slower of two hedged calls.
//!
//! The guards beside them are those against Rapid Reset: 2,000 resets at once before any answer, then 100 a second and
//! 2 for each call that was answered; and 256 that wait to be accepted, where `h2` would take 20.

use std::time::Duration;

use crate::*;

/// Calls of which so many are dropped before the server has looked at them once.
async fn dropped_in_one_breath(peer: &mut Peer, first: u32, dropped: u32) {
    let block = hpack::encode(&request("/test.Kit/Hang"));
    let mut breath = Vec::new();
    let streams = || (0..dropped).map(|n| first + 2 * n);
    for stream in streams() {
        breath.extend(frame::encode(
            kind::HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &block,
        ));
    }
    for stream in streams() {
        breath.extend(frame::encode(
            kind::RST_STREAM,
            0,
            stream,
            &CANCEL.to_be_bytes(),
        ));
    }
    peer.raw(&breath).await;
}

#[tokio::test]
async fn d02_two_hundred_of_256_dropped_at_once_do_no_harm() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Gate"), "neighbour").await;
    for burst in 0..5 {
        dropped_in_one_breath(&mut peer, 1001 + 1000 * burst, 200).await;
        let stream = 1801 + 1000 * burst;
        peer.call(stream, &request("/test.Kit/Echo"), "b").await;
        assert_eq!(peer.answer(stream).await.expect_one(), "b");
    }
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "neighbour");
    server.probe.until_idle().await;
}

/// Each call is made twice, 20 ms apart, and dropped once the other is answered: 10,000 of them, in two seconds by a
/// clock that stands still meanwhile.
#[tokio::test(start_paused = true)]
async fn l01_hedged_calls_are_not_cut() {
    let probe = Probe::default();
    let (ours, _served) = server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    let mut stream = 1;
    for _ in 0..100 {
        let first = stream;
        for n in 0..100 {
            peer.call(first + 2 * n, &request("/test.Kit/Hang"), "")
                .await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        for n in 0..100 {
            let hedge = first + 200 + 2 * n;
            peer.call(hedge, &request("/test.Kit/Hello"), "hedge").await;
            assert_eq!(peer.answer(hedge).await.expect_one(), "hedge");
            peer.reset(first + 2 * n, CANCEL).await;
        }
        stream += 400;
    }
    peer.call(stream, &request("/test.Kit/Echo"), "still here")
        .await;
    assert_eq!(peer.answer(stream).await.expect_one(), "still here");
}

/// Calls that a client gives up at their deadline, a moment before the server does: 5,000, without one answer.
#[tokio::test(start_paused = true)]
async fn c02_calls_given_up_at_their_deadline_are_not_counted() {
    let probe = Probe::default();
    let (ours, _served) = server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    let fields = [request("/test.Kit/Hang"), vec![("grpc-timeout", "300m")]].concat();
    for burst in 0..25 {
        let streams = || (0..200).map(|n| 1 + 2 * (200 * burst + n));
        for stream in streams() {
            peer.call(stream, &fields, "").await;
        }
        tokio::time::sleep(Duration::from_millis(295)).await;
        for stream in streams() {
            peer.reset(stream, CANCEL).await;
        }
        probe.until_idle().await;
    }
    peer.call(20_001, &request("/test.Kit/Echo"), "still here")
        .await;
    assert_eq!(peer.answer(20_001).await.expect_one(), "still here");
}

/// Subscriptions that are dropped after their first message: their headers have left.
#[tokio::test]
async fn l01_streams_dropped_after_their_headers_are_not_counted() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    for n in 0..4000 {
        let stream = 2 * n + 1;
        peer.call(stream, &request("/test.Kit/Stay"), "a").await;
        peer.expect_headers(stream).await;
        peer.reset(stream, CANCEL).await;
    }
    peer.call(8001, &request("/test.Kit/Echo"), "still here")
        .await;
    assert_eq!(peer.answer(8001).await.expect_one(), "still here");
}
