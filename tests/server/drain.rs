//! Rows 84 and 85: how a server stops, and what becomes of the calls that are open, or new, meanwhile.

use std::time::Duration;

use temaki::{ConnectInfo, Server};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::*;

const GATE: &str = "/test.Kit/Gate";
const ECHO: &str = "/test.Kit/Echo";
const HANG: &str = "/test.Kit/Hang";

/// The first GOAWAY: every stream that is under way will be served.
const ANY_STREAM: u32 = (1 << 31) - 1;

/// Hears the first GOAWAY. The peer answers the PING behind it by itself.
async fn expect_drain(peer: &mut Peer) {
    assert_eq!(peer.expect_goaway(NO_ERROR).await, ANY_STREAM);
}

/// Hears that PING, where the peer does not answer it; gives what the answer must say.
async fn expect_ping(peer: &mut Peer) -> [u8; 8] {
    match peer.next(0).await {
        Some(Frame::Ping { ack: false, opaque }) => opaque,
        other => peer.fail(&format!("a PING; came {other:?}")),
    }
}

//= GRPC-GOAWAY-SEND  type=test
#[tokio::test(start_paused = true)]
async fn b84_a_graceful_stop_says_goaway_twice_and_lets_calls_end() {
    let mut server = Pipes::start(Server::builder());
    let mut peer = server.peer().await;
    peer.acks = false;
    peer.call(1, &request(GATE), "one").await;
    server.probe.until_started(1).await;
    server.begin_stop();
    expect_drain(&mut peer).await;
    let ping = expect_ping(&mut peer).await;
    // Sent before we could know: it is served.
    peer.call(3, &request(ECHO), "two").await;
    assert_eq!(peer.answer(3).await.expect_one(), "two");
    peer.frame(kind::PING, ACK, 0, &ping).await;
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 3);
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    peer.expect_closed().await;
    let report = server.ended().await;
    assert_eq!((report.total.finished, report.total.cut), (2, 0));
    let methods: Vec<_> = report.methods.keys().map(String::as_str).collect();
    assert_eq!(methods, [ECHO, GATE]);
}

#[tokio::test(start_paused = true)]
async fn b84_a_connection_without_calls_ends_at_once() {
    let mut server = Pipes::start(Server::builder());
    let mut peer = server.peer().await;
    let begun = Instant::now();
    server.begin_stop();
    expect_drain(&mut peer).await;
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_closed().await;
    let report = server.ended().await;
    assert_eq!((report.total.finished, report.total.cut), (0, 0));
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody had to wait");
}

/// Whatever the handlers take, the drain takes no more than that and a moment.
#[tokio::test(start_paused = true)]
async fn b84_a_drain_takes_as_long_as_its_handlers() {
    for handlers in [0, 20, 300].map(Duration::from_millis) {
        let mut server = Pipes::start(Server::builder());
        let mut peer = server.peer().await;
        for stream in [1, 3, 5] {
            peer.call(stream, &request(GATE), "one").await;
        }
        server.probe.until_started(3).await;
        let begun = Instant::now();
        server.begin_stop();
        expect_drain(&mut peer).await;
        tokio::time::sleep(handlers).await;
        server.probe.open_gate(3);
        for stream in [1, 3, 5] {
            assert_eq!(peer.answer(stream).await.expect_one(), "one");
        }
        peer.expect_closed().await;
        let report = server.ended().await;
        assert_eq!((report.total.finished, report.total.cut), (3, 0));
        let took = begun.elapsed();
        assert!(took <= handlers + Duration::from_secs(2), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b84_a_peer_that_never_answers_the_ping_does_not_keep_the_server() {
    let rows = [
        // A call is open: until drain_timeout.
        (true, Duration::from_secs(8)),
        // None is: until http2_keepalive_timeout, which is how long a peer may take to answer a PING.
        (false, Duration::from_secs(5)),
    ];
    for (has_call, bound) in rows {
        let builder = Server::builder()
            .drain_timeout(Duration::from_secs(8))
            .http2_keepalive_timeout(Duration::from_secs(3));
        let mut server = Pipes::start(builder);
        let mut peer = server.peer().await;
        peer.acks = false;
        if has_call {
            peer.call(1, &request(HANG), "").await;
            server.probe.until_started(1).await;
        }
        let begun = Instant::now();
        server.begin_stop();
        expect_drain(&mut peer).await;
        expect_ping(&mut peer).await;
        let rest = peer.expect_closed().await;
        let ended = |frame: &Frame| matches!(frame, Frame::Headers { end: true, .. });
        assert!(!rest.iter().any(ended), "a call that was cut looks so");
        server.probe.until_idle().await;
        let report = server.ended().await;
        assert!(
            begun.elapsed() <= bound,
            "{has_call}: {:?}",
            begun.elapsed()
        );
        assert_eq!(report.total.cut, u64::from(has_call), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn b84_calls_that_take_too_long_are_cut_and_reported_by_method() {
    let builder = Server::builder().drain_timeout(Duration::from_secs(5));
    let mut server = Pipes::start(builder);
    let mut peer = server.peer().await;
    peer.call(1, &request(HANG), "").await;
    peer.call(3, &request(HANG), "").await;
    peer.call(5, &request(GATE), "").await;
    peer.call(7, &request("/test.Kit/Stay"), "a").await;
    server.probe.until_started(4).await;
    let begun = Instant::now();
    server.begin_stop();
    expect_drain(&mut peer).await;
    server.probe.open_gate(1);
    peer.answer(5).await.expect_one();
    let probe = server.probe.clone();
    let report = server.ended().await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!((report.total.finished, report.total.cut), (1, 3));
    let by_method = |path: &str| {
        let count = report.methods[path];
        (count.finished, count.cut)
    };
    assert_eq!(by_method(HANG), (0, 2));
    assert_eq!(by_method(GATE), (1, 0));
    assert_eq!(by_method("/test.Kit/Stay"), (0, 1));
    assert_eq!(report.to_string(), "1 calls finished, 3 cut");
    probe.until_idle().await;
}

#[tokio::test(start_paused = true)]
async fn b85_a_new_stream_after_the_last_goaway_is_not_begun() {
    let mut server = Pipes::start(Server::builder());
    let mut peer = server.peer().await;
    peer.call(1, &request(GATE), "one").await;
    server.probe.until_started(1).await;
    server.begin_stop();
    expect_drain(&mut peer).await;
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 1);
    peer.call(3, &request(ECHO), "late").await;
    peer.expect_nothing(3).await; // its caller knows from the last id that it may try elsewhere
    assert_eq!(server.probe.counts().started, 1);
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    peer.expect_closed().await;
    assert_eq!(server.ended().await.total.finished, 1);
}

#[tokio::test]
async fn b85_nobody_can_connect_during_a_drain() {
    let mut server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.call(1, &request(GATE), "one").await;
    server.probe.until_started(1).await;
    server.begin_stop();
    expect_drain(&mut peer).await;
    let refused = soon("an answer", TcpStream::connect(server.addr)).await;
    let refused = refused.expect_err("the listener is closed").kind();
    assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    assert_eq!(server.stop().await.total.finished, 1);
}

#[tokio::test(start_paused = true)]
async fn b83_a_connection_is_closed_gracefully_at_its_age() {
    let builder = Server::builder().max_connection_age(Duration::from_secs(10));
    let server = Pipes::start(builder);
    let begun = Instant::now();
    let mut peer = server.peer().await;
    peer.call(1, &request(GATE), "one").await;
    expect_drain(&mut peer).await;
    let age = begun.elapsed().as_secs_f64();
    assert!(
        (9.0..=11.1).contains(&age),
        "10 s, give or take 10 %: {age}"
    );
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 1);
    // Without a grace its calls take as long as they do.
    tokio::time::sleep(Duration::from_secs(1000)).await;
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    peer.expect_closed().await;
    // The server goes on.
    let mut peer = server.peer().await;
    peer.call(1, &request(ECHO), "two").await;
    assert_eq!(peer.answer(1).await.expect_one(), "two");
}

#[tokio::test(start_paused = true)]
async fn b83_the_grace_of_an_aged_connection_ends() {
    let builder = Server::builder()
        .max_connection_age(Duration::from_secs(10))
        .max_connection_age_grace(Duration::from_secs(5));
    let server = Pipes::start(builder);
    let mut peer = server.peer().await;
    peer.call(1, &request(HANG), "").await;
    expect_drain(&mut peer).await;
    let aged = Instant::now();
    let rest = peer.expect_closed().await;
    let took = aged.elapsed().as_secs_f64();
    assert!((5.0..=6.1).contains(&took), "{took}");
    let ended = |frame: &Frame| matches!(frame, Frame::Headers { end: true, .. });
    assert!(!rest.iter().any(ended), "a call that was cut looks so");
    server.probe.until_idle().await;
}

#[tokio::test(start_paused = true)]
async fn b83_an_idle_connection_is_closed_gracefully() {
    let builder = Server::builder().max_connection_idle(Duration::from_secs(10));
    let server = Pipes::start(builder);
    let mut peer = server.peer().await;
    // A call in time keeps it; one that is open does so however long it takes.
    tokio::time::sleep(Duration::from_secs(6)).await;
    peer.call(1, &request(ECHO), "one").await;
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    tokio::time::sleep(Duration::from_secs(6)).await;
    peer.call(3, &request(GATE), "two").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    server.probe.open_gate(1);
    assert_eq!(peer.answer(3).await.expect_one(), "two");
    let idle = Instant::now();
    expect_drain(&mut peer).await;
    let idle = idle.elapsed().as_secs_f64();
    assert!((10.0..=12.0).contains(&idle), "{idle}");
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_closed().await;
}

/// A peer that is still in its handshake does not keep the server, and one that was about to speak is told.
#[tokio::test(start_paused = true)]
async fn s09_a_peer_in_its_handshake_does_not_keep_the_server() {
    for said in [&b""[..], b"PRI * HTTP/2.0", PREFACE] {
        let mut server = Pipes::start(Server::builder());
        let mut silent = Peer::silent(server.pipe(64 * 1024));
        silent.raw(said).await;
        tokio::task::yield_now().await;
        let begun = Instant::now();
        server.begin_stop();
        let report = server.ended().await;
        let took = begun.elapsed();
        assert!(took <= Duration::from_secs(1), "{took:?} after {said:?}");
        assert_eq!((report.total.finished, report.total.cut), (0, 0));
    }
    let mut server = Pipes::start(Server::builder());
    let io = server.pipe(64 * 1024);
    tokio::task::yield_now().await;
    server.begin_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut peer = Peer::client(io, &[]).await;
    expect_drain(&mut peer).await;
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_closed().await;
}

/// It is told all there is to know, and then let go of.
#[tokio::test(start_paused = true)]
async fn s09_an_idle_peer_that_answers_no_ping_does_not_keep_the_server() {
    for calls in [0, 1] {
        let mut server = Pipes::start(Server::builder());
        let mut peer = server.peer().await;
        peer.acks = false;
        if calls > 0 {
            peer.call(1, &request(ECHO), "one").await;
            peer.answer(1).await.expect_one();
        }
        let begun = Instant::now();
        server.begin_stop();
        expect_drain(&mut peer).await;
        expect_ping(&mut peer).await;
        assert_eq!(peer.expect_goaway(NO_ERROR).await, calls);
        peer.expect_closed().await;
        let report = server.ended().await;
        let took = begun.elapsed();
        assert!(took <= Duration::from_secs(5), "{took:?}, {calls} calls");
        assert_eq!(report.total.cut, 0, "{report}");
    }
}

/// Who has connected before the listener is closed hears what becomes of it.
#[tokio::test]
async fn s09_callers_in_the_backlog_hear_goaway() {
    let mut server = TestServer::start(Server::builder()).await;
    // The server's task does not run meanwhile.
    let waiting = std::net::TcpStream::connect(server.addr).expect("the system connects");
    server.begin_stop();
    waiting.set_nonblocking(true).expect("a socket");
    let waiting = TcpStream::from_std(waiting).expect("a socket");
    let mut peer = Peer::client(waiting, &[]).await;
    expect_drain(&mut peer).await;
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 0);
    peer.expect_closed().await;
    drop(peer);
    assert_eq!(server.stop().await.total.cut, 0);
}

fn aged() -> Server {
    Server::builder()
        .max_connection_age(Duration::from_secs(10))
        .http2_keepalive_timeout(Duration::from_secs(3))
}

#[tokio::test(start_paused = true)]
async fn s15_a_silent_peer_does_not_outlive_the_age_of_its_connection() {
    let server = Pipes::start(aged());
    let mut peer = server.peer().await;
    peer.acks = false;
    peer.call(1, &request(HANG), "").await;
    expect_drain(&mut peer).await;
    let aged = Instant::now();
    expect_ping(&mut peer).await;
    peer.expect_closed().await;
    let took = aged.elapsed().as_secs_f64();
    assert!((2.9..=4.1).contains(&took), "{took}");
    server.probe.until_idle().await;
}

/// One that speaks, and does not answer, is told which calls are served, and no other is.
#[tokio::test(start_paused = true)]
async fn s15_new_calls_are_not_served_for_ever_behind_goaway() {
    let server = Pipes::start(aged());
    let mut peer = server.peer().await;
    peer.acks = false;
    peer.call(1, &request(GATE), "one").await;
    expect_drain(&mut peer).await;
    let aged = Instant::now();
    expect_ping(&mut peer).await;
    let mut stream = 3;
    let last = loop {
        peer.call(stream, &request(ECHO), "more").await;
        let answer = peer.answer(stream);
        match tokio::time::timeout(Duration::from_millis(500), answer).await {
            Ok(answer) => assert_eq!(answer.expect_one(), "more"),
            Err(_) => break peer.expect_goaway(NO_ERROR).await,
        }
        assert!(aged.elapsed() < Duration::from_secs(5), "no last GOAWAY");
        tokio::time::sleep(Duration::from_millis(500)).await;
        stream += 2;
    };
    assert!(aged.elapsed() >= Duration::from_secs(3));
    assert!(last >= 3, "{last}");
    let started = server.probe.counts().started;
    peer.call(last + 2, &request(ECHO), "late").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.probe.counts().started, started);
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    peer.expect_closed().await;
}

/// Answers that are ready when the time is up leave, and what has not left is not counted as finished.
#[tokio::test(start_paused = true)]
async fn s20_what_is_counted_as_finished_has_left() {
    let rows = [
        // Pipe, size of an answer, milliseconds before the end at which they are ready.
        (64 * 1024, 10, 0),
        (64 * 1024, 10, 1),
        (4096, 1000, 0),
        (4096, 1000, 1),
        (4096, 1000, 2500),
        (64 * 1024, 1000, 0),
    ];
    for (pipe, size, before) in rows {
        const TIME: Duration = Duration::from_secs(5);
        let mut server = Pipes::start(Server::builder().drain_timeout(TIME));
        let mut peer = Peer::client(server.pipe(pipe), &[]).await;
        let (calls, mut next) = (200_u32, 1);
        for _ in 0..calls {
            peer.call(next, &request(GATE), vec![b'a'; size]).await;
            next += 2;
        }
        server.probe.until_started(calls.into()).await;
        server.begin_stop();
        expect_drain(&mut peer).await;
        peer.expect_goaway(NO_ERROR).await;
        tokio::time::sleep(TIME - Duration::from_millis(before)).await;
        server.probe.open_gate(calls as usize);
        // It reads only when all is over.
        let report = server.ended().await;
        let rest = peer.expect_closed().await;
        let ended = |frame: &&Frame| matches!(frame, Frame::Headers { end: true, .. });
        let answered = rest.iter().filter(ended).count() as u64;
        let row = format!("{report}, {answered} came ({pipe}, {size}, {before})");
        assert_eq!(report.total.finished + report.total.cut, 200, "{row}");
        assert!(report.total.finished <= answered, "{row}");
        if pipe > 200 * (size + 100) {
            assert_eq!(report.total.finished, answered, "{row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s20_a_drain_whose_time_is_up_says_which_calls_it_has_seen() {
    let mut server = Pipes::start(Server::builder().drain_timeout(Duration::from_secs(5)));
    let mut peer = server.peer().await;
    peer.acks = false;
    peer.call(1, &request(HANG), "").await;
    server.probe.until_started(1).await;
    server.begin_stop();
    expect_drain(&mut peer).await;
    expect_ping(&mut peer).await;
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 1);
    peer.expect_closed().await;
    assert_eq!(server.ended().await.total.cut, 1);
}

/// Connections that somebody else accepts drain with the others.
#[tokio::test(start_paused = true)]
async fn s21_connections_that_others_accepted_are_in_the_drain() {
    let probe = Probe::default();
    let server = Server::builder().add_service(server::kit(&probe));
    let acceptor = server.into_acceptor().expect("a server");
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn({
        let acceptor = acceptor.clone();
        async move {
            acceptor
                .serve_connection(theirs, ConnectInfo::default())
                .await
        }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let nobody = futures_util::stream::pending::<std::io::Result<tokio::io::DuplexStream>>();
    let drained = tokio::spawn(acceptor.serve_with_incoming_shutdown(nobody, async {
        drop(stopped.await);
    }));
    let mut peer = Peer::client(ours, &[]).await;
    peer.call(1, &request(GATE), "one").await;
    probe.until_started(1).await;
    drop(stop);
    expect_drain(&mut peer).await;
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 1);
    assert!(!drained.is_finished());
    probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    peer.expect_closed().await;
    drop(peer);
    soon("the connection's end", served).await.unwrap().unwrap();
    let report = soon("the drain's", drained).await.unwrap();
    assert_eq!((report.total.finished, report.total.cut), (1, 0));
}

/// Far limits must not put off near ones: they share an alarm.
#[tokio::test(start_paused = true)]
async fn a_stalled_peer_is_cut_in_time_whatever_else_is_set() {
    const LONG: Duration = Duration::from_secs(3600);
    let builder = Server::builder()
        .stall_timeout(Duration::from_secs(5))
        .max_connection_age(LONG)
        .max_connection_idle(LONG)
        .http2_keepalive_interval(Some(LONG));
    let server = Pipes::start(builder);
    let mut peer = Peer::client(server.pipe(4096), &[]).await;
    tokio::time::sleep(Duration::from_secs(60)).await; // the alarms of the handshake have rung
    peer.call(1, &request("/test.Kit/Endless"), "a".repeat(1000))
        .await;
    server.probe.until_started(1).await;
    // The peer does not read meanwhile: first the call is given up, then the connection.
    server.probe.until_idle().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    peer.try_raw(b"is anybody there?")
        .await
        .expect_err("the connection is closed");
}

/// Limits beyond what a clock can add are as good as none.
#[tokio::test(start_paused = true)]
async fn the_longest_times_are_none() {
    const MAX: Duration = Duration::MAX;
    let builder = Server::builder()
        .timeout(MAX)
        .handshake_timeout(MAX)
        .stall_timeout(MAX)
        .max_connection_age(MAX)
        .max_connection_age_grace(MAX)
        .max_connection_idle(MAX)
        .http2_keepalive_interval(Some(MAX))
        .http2_keepalive_timeout(MAX)
        .drain_timeout(MAX);
    let mut server = Pipes::start(builder);
    let mut peer = server.peer().await;
    peer.call(1, &request(GATE), "one").await;
    server.probe.until_started(1).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    server.begin_stop();
    expect_drain(&mut peer).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "one");
    assert_eq!(server.ended().await.total.finished, 1);
}
