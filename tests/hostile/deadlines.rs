//! Deadline abuse: timeouts that overflow, that are negative, that are zero, that are in the past; and the
//! opposite, a server stream that nobody means to end. A server that ignores a timeout it cannot read works for
//! callers who are long gone.
//!
//! Guard: the grammar is 1 to 8 digits and a unit, anything else is INTERNAL; zero has passed before the handler
//! runs; a deadline holds to the last trailer, and drops the handler (`wire/timeout.rs`, `server/watch.rs`).

use std::time::Duration;

use crate::*;

#[tokio::test]
async fn a_timeout_that_cannot_be_read_runs_no_handler() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let odd = [
        "-1S",
        "+1S",
        "123456789S",
        "1.5S",
        "1",
        "S",
        "",
        "1s",
        "1 S",
        " ",
        "1SS",
        "0x1S",
        "1h",
        "１S",
        "18446744073709551616n",
    ];
    for (stream, timeout) in streams(odd.len() as u32).zip(odd) {
        let fields = request_with("/test.Kit/Hang", &[("grpc-timeout", timeout)]);
        peer.call(stream, &fields, "").await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::INTERNAL);
    }
    for (stream, timeout) in [(101, "0n"), (103, "0S"), (105, "00000000H")] {
        let fields = request_with("/test.Kit/Hang", &[("grpc-timeout", timeout)]);
        peer.call(stream, &fields, "").await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::DEADLINE_EXCEEDED);
    }
    assert_eq!(server.probe.counts().started, 0);
    // The largest there is, eleven thousand years, overflows nothing.
    let fields = request_with("/test.Kit/Echo", &[("grpc-timeout", "99999999H")]);
    peer.call(107, &fields, "patience").await;
    assert_eq!(peer.answer(107).await.expect_one(), "patience");
    neighbour.stays_well().await;
}

//= GRPC-DEADLINE-SERVER  type=test
#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_its_deadline_to_the_moment() {
    let probe = Probe::default();
    let (ours, _served) = server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[]).await;
    let began = tokio::time::Instant::now();
    let fields = request_with("/test.Kit/Stay", &[("grpc-timeout", "3S")]);
    peer.call(1, &fields, "on and on").await;
    peer.answer(1).await.expect_status(code::DEADLINE_EXCEEDED);
    let took = began.elapsed();
    let limit = Duration::from_millis(3000)..Duration::from_millis(3010);
    assert!(limit.contains(&took), "{took:?}");
    probe.until_idle().await;
}

/// Where the answer is blocked by the peer's own window, trailers could not be sent: it is a reset.
#[tokio::test(start_paused = true)]
async fn a_blocked_stream_is_reset_at_its_deadline() {
    let probe = Probe::default();
    let (ours, _served) = server::pipe(Server::builder(), &probe, 64 * 1024);
    let mut peer = Peer::client(ours, &[(setting::INITIAL_WINDOW_SIZE, 0)]).await;
    let fields = request_with("/test.Kit/Endless", &[("grpc-timeout", "3S")]);
    peer.call(1, &fields, "blocked").await;
    peer.expect_headers(1).await;
    peer.expect_reset(1, CANCEL).await;
    probe.until_idle().await;
}
