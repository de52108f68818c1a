//! Rows 73 to 78 and 86 to 88: what becomes of calls when connections end, refuse, or are not to be had.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use temaki::client::ConnectivityState;
use temaki::{Channel, Code, Endpoint, Origin, Request};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::kit::*;
use crate::support::*;

/// The last id of a GOAWAY that gives nothing up.
const ALL: u32 = (1 << 31) - 1;

/// A server to be connected to again and again, and a channel that is not connected yet.
async fn server() -> (RawServer, Channel) {
    let server = RawServer::bind().await;
    let endpoint = Endpoint::new(server.target()).expect("a target");
    (server, endpoint.connect_lazy())
}

/// A request that is willing to wait for READY.
fn patient() -> Request<Bytes> {
    let mut request = Request::new(Bytes::from("a"));
    request.set_wait_for_ready(true);
    request
}

//= GRPC-GOAWAY-RECV  type=test
#[tokio::test]
async fn b73_after_goaway_new_calls_go_elsewhere_and_old_ones_finish() {
    let (server, channel) = server().await;
    let old = unary(&channel, "old");
    let mut first = server.accept().await;
    let stream = first.expect_call("old").await;
    let streaming = server_streaming(&channel, "stream");
    let beside = first.expect_call("stream").await;
    first.headers(beside, 0, &response()).await;
    first.goaway(ALL, NO_ERROR).await;
    first.ping().await;

    let new = unary(&channel, "new");
    let mut second = server.accept().await;
    let on_second = second.expect_call("new").await;
    second.respond(on_second, "from the second").await;
    assert_eq!(answered(new).await, "from the second");

    first.respond(stream, "from the first").await;
    assert_eq!(answered(old).await, "from the first");
    let mut messages = opened(streaming).await;
    first.data(beside, 0, &message("b")).await;
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "b");
    first.ok(beside).await;
    assert_eq!(next(&mut messages).await.unwrap(), None);
    // With its last call the old connection is done.
    first.expect_closed().await;
}

//= GRPC-GOAWAY-RECV  type=test
#[tokio::test]
async fn b74_calls_above_goaways_last_id_are_made_again_elsewhere() {
    let (server, channel) = server().await;
    let served = unary(&channel, "served");
    let mut first = server.accept().await;
    let stream = first.expect_call("served").await;
    let turned_away = unary(&channel, "b");
    first.expect_call("b").await;
    let streaming = server_streaming(&channel, "b");
    first.expect_call("b").await;
    first.goaway(stream, NO_ERROR).await;

    let mut second = server.accept().await;
    for _ in 0..2 {
        let again = second.expect_call("b").await;
        second.respond(again, "from the second").await;
    }
    assert_eq!(answered(turned_away).await, "from the second");
    let mut messages = opened(streaming).await;
    let answer = next(&mut messages).await.unwrap();
    assert_eq!(answer.unwrap(), "from the second");

    first.respond(stream, "c").await;
    assert_eq!(answered(served).await, "c");
    first.expect_closed().await;
}

/// Once is transparent; twice is the server's word.
#[tokio::test]
async fn b74_a_call_that_is_turned_away_twice_is_unavailable() {
    let (server, channel) = server().await;
    let call = unary(&channel, "a");
    for _ in 0..2 {
        let mut peer = server.accept().await;
        peer.expect_call("a").await;
        peer.goaway(0, ENHANCE_YOUR_CALM).await;
    }
    let status = failed(call).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.origin(), Origin::GoAway(ENHANCE_YOUR_CALM));
    assert!(status.message().contains("ENHANCE_YOUR_CALM"), "{status}");
}

/// What was given up may have been made again elsewhere; a server that takes it back has lost count.
#[tokio::test]
async fn b75_a_goaway_that_takes_back_the_last_is_a_connection_error() {
    let (channel, mut peer) = connected().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.goaway(stream, NO_ERROR).await;
    peer.goaway(stream + 2, NO_ERROR).await;
    let status = failed(call).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unavailable, Origin::Protocol)
    );
    assert!(status.message().contains("broke HTTP/2"), "{status}");
    peer.expect_goaway(PROTOCOL_ERROR).await;
    peer.expect_closed().await;
}

/// An id that no client uses. `h2` does not mind, and nothing is lost by that: streams below it go on, those
/// above are made again.
#[tokio::test]
async fn b75_a_goaway_of_an_even_id_counts_as_any_other() {
    let (server, channel) = server().await;
    let below = unary(&channel, "below");
    let mut first = server.accept().await;
    let stream = first.expect_call("below").await;
    let above = unary(&channel, "above");
    first.expect_call("above").await;
    first.goaway(stream + 1, NO_ERROR).await;
    let mut second = server.accept().await;
    let again = second.expect_call("above").await;
    second.respond(again, "b").await;
    assert_eq!(answered(above).await, "b");
    first.respond(stream, "c").await;
    assert_eq!(answered(below).await, "c");
}

#[tokio::test]
async fn b76_a_refused_stream_is_tried_once_more() {
    let (channel, mut peer) = connected().await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.reset(stream, REFUSED_STREAM).await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    assert_eq!(answered(call).await, "b");

    let call = server_streaming(&channel, "a");
    for _ in 0..2 {
        let stream = peer.expect_call("a").await;
        peer.reset(stream, REFUSED_STREAM).await;
    }
    let status = failed(call).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unavailable, Origin::Reset(REFUSED_STREAM))
    );

    // From the response headers on a call is committed.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.headers(stream, 0, &response()).await;
    peer.reset(stream, REFUSED_STREAM).await;
    assert_eq!(failed(call).await.code(), Code::Unavailable);
    // And what the application says by itself is its answer.
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    let fields = response_with(&[("grpc-status", "14")]);
    peer.headers(stream, END_STREAM, &fields).await;
    assert_eq!(failed(call).await.code(), Code::Unavailable);
    peer.ping().await;
    let more = peer
        .waiting()
        .find(|frame| matches!(frame, Frame::Headers { .. }));
    assert_eq!(more, None, "nothing was tried again");
}

/// A peer that takes no stream at all: the calls stay with us, and are nobody's to have seen.
#[tokio::test]
async fn b77_a_call_that_never_left_is_made_on_the_next_connection() {
    let (server, channel) = server().await;
    let call = unary(&channel, "a");
    let full = [(setting::MAX_CONCURRENT_STREAMS, 0)];
    let mut peer = server.accept_with(&full).await;
    // READY is one turn, the call the next.
    peer.ping().await;
    peer.ping().await;
    peer.goaway(0, NO_ERROR).await;
    let said = peer.expect_closed().await;
    let left = |frame: &Frame| matches!(frame, Frame::Headers { .. });
    assert!(!said.iter().any(left), "{said:?}");
    let mut peer = server.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    assert_eq!(answered(call).await, "b");
}

/// A call that waits for the peer's MAX_CONCURRENT_STREAMS when its deadline passes: nothing of it leaves.
#[tokio::test(start_paused = true)]
async fn b77_a_call_that_expires_in_the_queue_never_leaves() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let first = unary(&channel, "first");
    let one = [(setting::MAX_CONCURRENT_STREAMS, 1)];
    let mut peer = Peer::server(pipes.accept_silent().await, &one).await;
    let stream = peer.expect_call("first").await;
    let expired = unary_within(&channel, Duration::from_secs(1));
    assert_eq!(failed(expired).await.code(), Code::DeadlineExceeded);
    peer.respond(stream, "b").await;
    answered(first).await;
    let third = unary(&channel, "third");
    let next = peer.expect_call("third").await;
    assert_eq!(next, stream + 2, "no stream was used up");
    let stream = next;
    peer.respond(stream, "c").await;
    assert_eq!(answered(third).await, "c");
}

//= GRPC-CONN-FAIL  type=test
#[tokio::test]
async fn b78_a_connection_that_dies_takes_its_calls_along() {
    let (server, channel) = server().await;
    // Before the answer, in it, in the middle of a frame; and nothing is tried again.
    for cut in ["at once", "after headers", "in a message", "in a frame"] {
        let call = unary(&channel, "a");
        let mut peer = server.accept().await;
        let stream = peer.expect_call("a").await;
        let beside = server_streaming(&channel, "b");
        let streaming = peer.expect_call("b").await;
        peer.headers(streaming, 0, &response()).await;
        let mut messages = opened(beside).await;
        if cut != "at once" {
            peer.headers(stream, 0, &response()).await;
        }
        if cut == "in a message" {
            peer.data(stream, 0, &message("half")[..7]).await;
        }
        if cut == "in a frame" {
            let frame = encode(kind::DATA, 0, stream, &message("half"));
            peer.raw(&frame[..11]).await;
        }
        drop(peer);
        for status in [failed(call).await, broken(&mut messages).await] {
            assert_eq!(
                (status.code(), status.origin()),
                (Code::Unavailable, Origin::Transport),
                "{cut}: {status:?}"
            );
            assert!(
                status.message().contains("the connection was lost"),
                "{status}"
            );
            assert!(std::error::Error::source(&status).is_some(), "{cut}");
        }
    }
    let call = unary(
        &channel,
        "the next call is the first of the next connection",
    );
    let mut peer = server.accept().await;
    let stream = peer
        .expect_call("the next call is the first of the next connection")
        .await;
    assert_eq!(stream, 1);
    peer.respond(stream, "b").await;
    answered(call).await;
}

/// A channel whose connector fails while it is told to, and when it was asked.
fn unreliable() -> (
    Channel,
    Arc<AtomicBool>,
    Arc<Mutex<Vec<Instant>>>,
    PipedPeers,
) {
    let fails = Arc::new(AtomicBool::new(true));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (fails_now, asked_now) = (fails.clone(), asked.clone());
    let (channel, pipes) = piped_if(
        |endpoint| endpoint,
        move || {
            asked_now.lock().expect("a list").push(Instant::now());
            !fails_now.load(Ordering::SeqCst)
        },
    );
    (channel, fails, asked, pipes)
}

/// How long the client waited between its attempts.
fn waits(asked: &Mutex<Vec<Instant>>) -> Vec<Duration> {
    let asked = asked.lock().expect("a list");
    asked.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

//= BACKOFF-NUMBERS  type=test
#[tokio::test(start_paused = true)]
async fn b86_attempts_come_less_and_less_often_and_begin_anew_after_success() {
    let (channel, fails, asked, mut pipes) = unreliable();
    for _ in 0..2 {
        let call = unary_of(&channel, patient());
        tokio::time::sleep(AN_HOUR).await;
        let waits = waits(&asked);
        let mut expected = 1.0;
        for wait in &waits {
            let wait = wait.as_secs_f64();
            assert!(
                (0.8 * expected..1.2 * expected + 0.01).contains(&wait),
                "{wait} for {expected}; {waits:?}"
            );
            expected = f64::min(expected * 1.6, 120.0);
        }
        assert!(waits.len() > 30, "about one in two minutes: {waits:?}");
        // The server is back: the call goes through, and all is forgotten.
        fails.store(false, Ordering::SeqCst);
        let mut peer = pipes.accept().await;
        let stream = peer.expect_call("a").await;
        peer.respond(stream, "b").await;
        answered(call).await;
        fails.store(true, Ordering::SeqCst);
        asked.lock().unwrap().clear();
        drop(peer);
    }
}

/// An attempt that hangs is given twenty seconds.
#[tokio::test(start_paused = true)]
async fn b86_an_attempt_has_twenty_seconds() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let begin = Instant::now();
    let call = unary(&channel, "a");
    let _silent = pipes.accept_silent().await;
    let status = tokio::time::timeout(AN_HOUR, call).await.unwrap().unwrap();
    let status = judged(status.unwrap_err());
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unavailable, Origin::Transport)
    );
    assert!(
        status.message().contains("no answer within 20s"),
        "{status}"
    );
    assert_eq!(begin.elapsed().as_secs(), 20);
}

//= WAIT-FOR-READY  type=test
#[tokio::test(start_paused = true)]
async fn b87_calls_fail_at_once_in_transient_failure_and_only_there() {
    let (channel, fails, asked, mut pipes) = unreliable();
    assert_eq!(channel.state(), ConnectivityState::Idle);
    // IDLE: the call makes the attempt, and fails with it.
    let status = failed(unary(&channel, "a")).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::Unavailable, Origin::Transport)
    );
    assert!(format!("{status:?}").contains("told to fail"), "{status:?}");
    assert_eq!(channel.state(), ConnectivityState::TransientFailure);
    // TRANSIENT_FAILURE: none is made for it.
    let begin = Instant::now();
    let status = failed(unary(&channel, "a")).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(asked.lock().unwrap().len(), 1);
    // The attempts go on by themselves, and nobody waits for them.
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(channel.state(), ConnectivityState::TransientFailure);
    assert!(asked.lock().unwrap().len() > 30);
    fails.store(false, Ordering::SeqCst);
    let mut peer = pipes.accept().await;
    let mut states = channel.watch_state();
    let ready = states.wait_for(|state| *state == ConnectivityState::Ready);
    ready.await.unwrap();
    drop(peer);
    let idle = states.wait_for(|state| *state == ConnectivityState::Idle);
    idle.await.unwrap();
    // CONNECTING: calls wait for the attempt, as long as it takes.
    asked.lock().unwrap().clear();
    let calls = [unary(&channel, "a"), unary(&channel, "a")];
    let pipe = pipes.accept_silent().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(channel.state(), ConnectivityState::Connecting);
    peer = Peer::server(pipe, &[]).await;
    for _ in &calls {
        let stream = peer.expect_call("a").await;
        peer.respond(stream, "b").await;
    }
    for call in calls {
        answered(call).await;
    }
    assert_eq!(channel.state(), ConnectivityState::Ready);
    assert_eq!(asked.lock().unwrap().len(), 1, "one attempt for both");
}

//= STICKY-FAILURE  type=test
/// gRFC A62: a server that accepts and is silent costs the first call its time, and no other.
#[tokio::test(start_paused = true)]
async fn c13_after_the_first_failure_calls_fail_at_once_until_ready() {
    let limit = Duration::from_secs(3);
    let (channel, mut pipes) = piped(|endpoint| endpoint.connect_timeout(limit));
    let mut states = channel.watch_state();
    let begin = Instant::now();
    let first = unary(&channel, "a");
    let mut silent = vec![pipes.accept_silent().await];
    failed(first).await;
    assert_eq!(begin.elapsed().as_secs(), 3);
    states.mark_unchanged();
    // Two minutes of calls, some of them made while an attempt is under way.
    let waiting = unary_of(&channel, patient());
    for _ in 0..1200 {
        let begin = Instant::now();
        let status = failed(unary(&channel, "a")).await;
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let streaming = failed(server_streaming(&channel, "a")).await;
        assert_eq!(streaming.code(), Code::Unavailable);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(channel.state(), ConnectivityState::TransientFailure);
        tokio::time::sleep(Duration::from_millis(100)).await;
        silent.extend(pipes.try_accept_silent());
    }
    assert!(silent.len() > 5, "{} attempts", silent.len());
    assert!(!waiting.is_finished());
    // The next attempt finds a server: those who wait are served, and so are all others.
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(waiting).await;
    let call = unary(&channel, "a");
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(call).await;
}

/// A handshake takes 100 ms, and each call has 50 ms.
#[tokio::test(start_paused = true)]
async fn c13_a_call_that_expires_does_not_end_the_attempt() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let server = tokio::spawn(async move {
        let pipe = pipes.accept_silent().await;
        tokio::time::sleep(Duration::from_millis(75)).await;
        let mut peer = Peer::server(pipe, &[]).await;
        let stream = peer.expect_call("a").await;
        peer.respond(stream, "b").await;
        peer
    });
    let limit = Duration::from_millis(50);
    let status = failed(unary_within(&channel, limit)).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(channel.state(), ConnectivityState::Connecting);
    answered(unary_within(&channel, limit)).await;
    server.await.unwrap();
}

/// The last channel takes its attempts along: `connect` is one.
#[tokio::test]
async fn c17_a_connect_that_is_given_up_leaves_no_socket() {
    use tokio::io::AsyncReadExt;
    let server = RawServer::bind().await;
    let endpoint = Endpoint::new(server.target()).unwrap();
    for _ in 0..50 {
        let mut connecting = Box::pin(endpoint.connect());
        let accepted = server.accept_silent();
        let mut socket = tokio::select! {
            socket = accepted => socket,
            _ = &mut connecting => panic!("the server has not said anything"),
        };
        drop(tokio::time::timeout(Duration::from_millis(20), connecting).await);
        // What the client said before, and then the end.
        let mut said = Vec::new();
        let _ = soon("the end", socket.read_to_end(&mut said)).await;
    }
    // A lazy channel, with a call that waits.
    let channel = endpoint.connect_lazy();
    let call = unary(&channel, "a");
    let mut socket = server.accept_silent().await;
    call.abort();
    drop((channel, call));
    let _ = soon("the end", socket.read_to_end(&mut Vec::new())).await;
}

/// The end of an outage is told by somebody who knows.
#[tokio::test(start_paused = true)]
async fn c24_the_wait_ends_when_the_backoff_is_reset_and_by_nothing_else() {
    let (channel, fails, asked, mut pipes) = unreliable();
    failed(unary(&channel, "a")).await;
    tokio::time::sleep(AN_HOUR).await;
    let attempts = || asked.lock().unwrap().len();
    // Just after an attempt, with some 100 s to go.
    let before = attempts();
    while attempts() == before {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let before = attempts();
    for _ in 0..100 {
        let patient = unary_of(&channel, patient());
        failed(unary(&channel, "a")).await;
        drop(channel.clone());
        patient.abort();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(attempts(), before, "calls do not shorten it");
    channel.reset_connect_backoff();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(attempts(), before + 1, "at once");
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(attempts(), before + 2, "and the waits begin anew");
    fails.store(false, Ordering::SeqCst);
    let call = unary_of(&channel, patient());
    channel.reset_connect_backoff();
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(call).await;
    // With nothing to shorten it does nothing.
    channel.reset_connect_backoff();
    assert_eq!(channel.state(), ConnectivityState::Ready);
}

#[tokio::test(start_paused = true)]
async fn c24_the_numbers_of_the_backoff_are_knobs() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asked_now = asked.clone();
    let knobs = |endpoint: Endpoint| {
        let endpoint = endpoint.initial_backoff(Duration::from_millis(100));
        let endpoint = endpoint.backoff_multiplier(3.0).backoff_jitter(0.0);
        endpoint.max_backoff(Duration::from_secs(2))
    };
    let (channel, _pipes) = piped_if(knobs, move || {
        asked_now.lock().expect("a list").push(Instant::now());
        false
    });
    failed(unary(&channel, "a")).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let waits: Vec<u128> = waits(&asked).iter().map(Duration::as_millis).collect();
    assert_eq!(waits[..5], [100, 300, 900, 2000, 2000]);
}

//= WAIT-FOR-READY  type=test
#[tokio::test(start_paused = true)]
async fn b88_wait_for_ready_waits_for_ready_or_the_deadline() {
    let (channel, fails, _asked, mut pipes) = unreliable();
    let begin = Instant::now();
    let mut request = patient();
    request.set_timeout(Duration::from_secs(5));
    let status = failed(unary_of(&channel, request)).await;
    assert_eq!(
        (status.code(), status.origin()),
        (Code::DeadlineExceeded, Origin::LocalDeadline)
    );
    assert_eq!(begin.elapsed().as_secs(), 5);

    let call = unary_of(&channel, patient());
    tokio::time::sleep(AN_HOUR).await;
    assert!(!call.is_finished());
    fails.store(false, Ordering::SeqCst);
    let mut peer = pipes.accept().await;
    let stream = peer.expect_call("a").await;
    peer.respond(stream, "b").await;
    answered(call).await;
}

/// A connection that cannot be had is told in a sentence, with what was found.
#[tokio::test]
async fn b87_the_reason_why_there_is_no_connection_is_told() {
    // Nobody listens: the port was free a moment ago.
    let target = RawServer::bind().await.target();
    let channel = Endpoint::new(target).unwrap().connect_lazy();
    let status = failed(unary(&channel, "a")).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(format!("{status:?}").contains("refused"), "{status:?}");

    #[rustfmt::skip]
    let rows: [(&[u8], &str); 4] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP/2"),
        (b"", "closed the connection before its SETTINGS came"),
    ];
    for (first, expected) in rows {
        let (server, channel) = server().await;
        let call = unary(&channel, "a");
        let mut socket = server.accept_silent().await;
        socket.write_all(first).await.unwrap();
        socket.shutdown().await.unwrap();
        let status = failed(call).await;
        assert_eq!(
            (status.code(), status.origin()),
            (Code::Unavailable, Origin::Transport)
        );
        assert!(status.message().contains(expected), "{status}");
    }
    let error = Endpoint::new("localhost:50051").unwrap_err().to_string();
    assert!(error.contains("http://"), "{error}");
}

/// READY is when the peer's SETTINGS are complete, and not when their head has come: they may say how many calls it takes.
#[tokio::test(start_paused = true)]
async fn c16_ready_when_the_settings_are_complete() {
    let (channel, mut pipes) = piped(|endpoint| endpoint);
    let calls: Vec<_> = (0..3).map(|_| unary(&channel, "a")).collect();
    let mut peer = Peer::silent(pipes.accept_silent().await);
    let values = frame::settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let settings = frame::encode(kind::SETTINGS, 0, 0, &values);
    // In three parts, with a pause behind the head.
    peer.raw(&settings[..9]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_ne!(channel.state(), ConnectivityState::Ready);
    peer.raw(&settings[9..12]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_ne!(channel.state(), ConnectivityState::Ready);
    peer.raw(&settings[12..]).await;
    while channel.state() != ConnectivityState::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(calls);
}

/// SETTINGS that never become complete are no answer within `connect_timeout`.
#[tokio::test(start_paused = true)]
async fn c16_half_of_the_settings_is_no_answer() {
    let limit = Duration::from_secs(3);
    let (channel, mut pipes) = piped(|endpoint| endpoint.connect_timeout(limit));
    let began = Instant::now();
    let call = unary(&channel, "a");
    let mut peer = Peer::silent(pipes.accept_silent().await);
    peer.raw(&[0, 0, 6, 4, 0, 0, 0, 0, 0]).await;
    let status = failed(call).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(began.elapsed() <= Duration::from_secs(4), "{status:?}");
}
