//! Rows 79, 80 and 82: is the server still there? On a clock that jumps, over pipes in memory.

use std::time::Duration;

use temaki::{Channel, Code, Endpoint};
use tokio::time::Instant;

use crate::kit::*;
use crate::support::*;

/// A channel that asks every ten seconds, and its peer; both on a clock that jumps.
async fn kept_alive(knobs: impl FnOnce(Endpoint) -> Endpoint) -> (Channel, Peer, PipedPeers) {
    let (channel, mut pipes) = piped(knobs);
    let call = unary(&channel, "first");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("first").await;
    peer.respond(stream, "b").await;
    answered(call).await;
    // From here on it keeps the PINGs that come, for the test to see.
    peer.acks = false;
    (channel, peer, pipes)
}

fn every_ten_seconds(endpoint: Endpoint) -> Endpoint {
    endpoint.http2_keep_alive_interval(Duration::from_secs(10))
}

/// PINGs that have come by now.
async fn pings(peer: &mut Peer) -> Vec<[u8; 8]> {
    peer.ping().await;
    let pings = peer.waiting().filter_map(|frame| match frame {
        Frame::Ping { ack: false, opaque } => Some(*opaque),
        _ => None,
    });
    pings.collect()
}

//= GRPC-PING-CLIENT  type=test
#[tokio::test(start_paused = true)]
async fn b79_a_ping_without_an_answer_ends_all_calls() {
    let (channel, mut peer, mut pipes) = kept_alive(every_ten_seconds).await;
    let call = unary(&channel, "a");
    peer.expect_call("a").await;
    let beside = server_streaming(&channel, "b");
    let stream = peer.expect_call("b").await;
    peer.headers(stream, 0, &response()).await;
    let mut messages = opened(beside).await;
    let silent_since = Instant::now();
    let status = tokio::time::timeout(AN_HOUR, call).await.unwrap().unwrap();
    let status = judged(status.unwrap_err());
    let waited = silent_since.elapsed();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        (30..34).contains(&waited.as_secs()),
        "10 s of silence and 20 s for the answer: {waited:?}"
    );
    assert_eq!(broken(&mut messages).await.code(), Code::Unavailable);
    // The channel goes on, with another connection.
    let call = unary(&channel, "again");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("again").await;
    peer.respond(stream, "b").await;
    answered(call).await;
}

//= KEEPALIVE-CLIENT  type=test
#[tokio::test(start_paused = true)]
async fn b80_keepalive_is_off_unless_asked_for() {
    let (channel, mut peer, _pipes) = kept_alive(|endpoint| endpoint).await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(pings(&mut peer).await.len(), 0);
    peer.respond(stream, "b").await;
    answered(call).await;
}

//= KEEPALIVE-CLIENT  type=test
#[tokio::test(start_paused = true)]
async fn b80_nobody_is_asked_while_there_is_no_call() {
    let (channel, mut peer, _pipes) = kept_alive(every_ten_seconds).await;
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(pings(&mut peer).await.len(), 0);
    // With a call, after the ten seconds.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(pings(&mut peer).await.len(), 1);
    peer.respond(stream, "b").await;
    answered(call).await;
}

/// Who keeps a stream that has ended keeps no call open.
#[tokio::test(start_paused = true)]
async fn b80_a_stream_that_has_ended_is_no_call() {
    let (channel, mut peer, _pipes) = kept_alive(every_ten_seconds).await;
    let call = server_streaming(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    let mut messages = opened(call).await;
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "b");
    assert_eq!(next(&mut messages).await.unwrap(), None);
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(pings(&mut peer).await.len(), 0);
    drop(messages);
}

//= KEEPALIVE-CLIENT  type=test
#[tokio::test(start_paused = true)]
async fn b80_while_idle_if_that_was_asked_for() {
    let knobs = |endpoint| every_ten_seconds(endpoint).keep_alive_while_idle(true);
    let (_channel, mut peer, _pipes) = kept_alive(knobs).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(pings(&mut peer).await.len(), 1);
}

/// The clock runs from the last byte read; each answer, and anything else, begins it anew.
//= KEEPALIVE-CLIENT  type=test
#[tokio::test(start_paused = true)]
async fn b80_a_peer_that_speaks_is_not_asked() {
    let (channel, mut peer, _pipes) = kept_alive(every_ten_seconds).await;
    let call = server_streaming(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    let mut messages = opened(call).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(6)).await;
        peer.data(stream, 0, &message("b")).await;
        next(&mut messages).await.unwrap().unwrap();
    }
    assert_eq!(pings(&mut peer).await.len(), 0);
    // It falls silent, is asked, and answers: the call lives, and it is asked again.
    for asked in 1..=20 {
        tokio::time::sleep(Duration::from_secs(14)).await;
        let came = pings(&mut peer).await;
        assert_eq!(came.len(), asked, "one for each silence");
        let opaque = came.last().expect("a PING");
        peer.frame(kind::PING, ACK, 0, opaque).await;
    }
    peer.ok(stream).await;
    assert_eq!(next(&mut messages).await.unwrap(), None);
}

//= KEEPALIVE-DOUBLE  type=test
#[tokio::test(start_paused = true)]
async fn b82_too_many_pings_doubles_the_interval_of_the_connections_after() {
    let (channel, mut peer, mut pipes) = kept_alive(every_ten_seconds).await;
    for interval in [20, 40] {
        let calm = [
            &0u32.to_be_bytes()[..],
            &ENHANCE_YOUR_CALM.to_be_bytes(),
            b"too_many_pings",
        ];
        peer.frame(kind::GOAWAY, 0, 0, &calm.concat()).await;
        peer.expect_closed().await;
        let call = unary(&channel, "a");
        peer = pipes.accept().await;
        peer.acks = false;
        let stream = peer.expect_call("a").await;
        tokio::time::sleep(Duration::from_secs(interval - 1)).await;
        assert_eq!(pings(&mut peer).await.len(), 0, "not before {interval} s");
        // Which were bytes, and begin the silence anew.
        tokio::time::sleep(Duration::from_secs(interval + interval / 2)).await;
        assert_eq!(pings(&mut peer).await.len(), 1, "after {interval} s");
        peer.respond(stream, "b").await;
        answered(call).await;
    }
}

// A call that expires, with keepalive off.

/// The next PING that asks, and no answer to it.
async fn asked(peer: &mut Peer) -> [u8; 8] {
    let ping = peer.next_where(|frame| matches!(frame, Frame::Ping { ack: false, .. }));
    match tokio::time::timeout(AN_HOUR, ping).await {
        Ok(Some(Frame::Ping { opaque, .. })) => opaque,
        other => peer.fail(&format!("a PING; came {other:?}")),
    }
}

#[tokio::test(start_paused = true)]
async fn c25_a_peer_that_has_vanished_is_found_by_a_call_that_expires() {
    let (channel, mut peer, mut pipes) = kept_alive(|endpoint| endpoint).await;
    // Credit for what it reads would be a sign of life.
    peer.credits = false;
    let beside = unary(&channel, "b");
    peer.expect_call("b").await;
    let begun = Instant::now();
    let status = failed(unary_within(&channel, Duration::from_secs(1))).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    asked(&mut peer).await;
    let status = tokio::time::timeout(AN_HOUR, beside).await.unwrap();
    let status = judged(status.unwrap().unwrap_err());
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "the peer did not answer a PING within 20s"
    );
    assert_eq!(
        begun.elapsed().as_secs(),
        21,
        "1 s, and 20 s for the answer"
    );
    let call = unary(&channel, "again");
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("again").await;
    peer.respond(stream, "b").await;
    answered(call).await;
}

#[tokio::test(start_paused = true)]
async fn c25_each_shape_asks_and_nobody_who_heard_something() {
    let limit = Duration::from_secs(1);
    for shape in 0..6 {
        let (channel, mut peer, _pipes) = kept_alive(|endpoint| endpoint).await;
        peer.credits = false;
        let mut request = temaki::Request::new(bytes::Bytes::from("a"));
        request.set_timeout(limit);
        let stream = || {
            let mut request = temaki::Request::new(futures_util::stream::pending());
            request.set_timeout(limit);
            request
        };
        let codec = temaki::codec::BytesCodec;
        match shape {
            0 => drop(failed(unary_of(&channel, request)).await),
            1 => drop(failed(server_streaming_of(&channel, request)).await),
            2 => drop(channel.client_streaming(path(), codec, stream()).await),
            3 => drop(channel.streaming(path(), codec, stream()).await),
            4 => drop(held(&channel).with_timeout(limit).message().await),
            // Its headers have come, before it expired.
            _ => {
                let call = server_streaming_of(&channel, request);
                let (stream, _) = peer.expect_request().await;
                peer.headers(stream, 0, &response()).await;
                assert_eq!(
                    broken(&mut opened(call).await).await.code(),
                    Code::DeadlineExceeded
                );
            }
        }
        tokio::time::sleep(limit).await;
        let expected = usize::from(shape < 5);
        assert_eq!(pings(&mut peer).await.len(), expected, "shape {shape}");
    }
}

/// One that is given up before its time says nothing of the peer; nor does one beside others that are answered.
#[tokio::test(start_paused = true)]
async fn c25_a_peer_that_says_anything_is_not_asked() {
    let (channel, mut peer, _pipes) = kept_alive(|endpoint| endpoint).await;
    let call = unary_within(&channel, AN_HOUR);
    peer.expect_request().await;
    call.abort();
    let call = unary_within(&channel, Duration::from_secs(1));
    peer.expect_request().await;
    let beside = unary(&channel, "b");
    let stream = peer.expect_call("b").await;
    peer.respond(stream, "b").await;
    answered(beside).await;
    failed(call).await;
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(pings(&mut peer).await.len(), 0);
}

/// A server whose handlers hang is there: it is asked once, and then not before it has said something.
#[tokio::test(start_paused = true)]
async fn c25_a_thousand_calls_that_expire_are_one_ping() {
    let (channel, mut peer, _pipes) = kept_alive(|endpoint| endpoint).await;
    let (count, counted) = tokio::sync::watch::channel(0);
    let served = tokio::spawn(async move {
        while let Some(frame) = peer.next_where(|_| true).await {
            match frame {
                Frame::Ping { ack: false, opaque } => {
                    count.send_modify(|count| *count += 1);
                    peer.frame(kind::PING, ACK, 0, &opaque).await;
                }
                Frame::Data { stream, bytes, .. } if bytes == message("answer") => {
                    peer.respond(stream, "b").await;
                }
                _ => {}
            }
        }
    });
    for expected in 1..=2 {
        for _ in 0..1000 {
            let status = failed(unary_within(&channel, Duration::from_millis(100))).await;
            assert_eq!(status.code(), Code::DeadlineExceeded);
        }
        assert_eq!(*counted.borrow(), expected);
        answered(unary(&channel, "answer")).await;
    }
    drop(channel);
    soon("the end", served).await.unwrap();
}
