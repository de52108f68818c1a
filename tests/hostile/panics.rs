//! A handler that panics: one input that hits an `unwrap` takes a server down, or the connection, or leaves the
//! caller waiting.
//!
//! Guard: every poll of a handler is caught; the call ends with INTERNAL "the handler panicked", which says
//! nothing of the panic's text, and its neighbours go on (`server/watch.rs`). Where the handler was polled first
//! in its connection's own task, that task goes on too.

use crate::*;

#[tokio::test]
async fn a_panic_ends_its_call_and_nothing_else() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    peer.call(1, &request("/test.Kit/Stay"), "a neighbour")
        .await;
    peer.expect_headers(1).await;
    assert_eq!(peer.expect_data(1).await, message("a neighbour"));
    let rows = [
        (3, "Panic", "where its request arrived"),
        (5, "PanicLater", "in a task of its own"),
        (7, "PanicMid", "after its first answer"),
    ];
    for (stream, method, place) in rows {
        peer.call(stream, &request(&format!("/test.Kit/{method}")), "now")
            .await;
        if method != "Panic" {
            server.probe.open_gate(1);
        }
        let answer = peer.answer(stream).await;
        assert_eq!(
            answer.expect_status(code::INTERNAL),
            "the handler panicked",
            "{place}"
        );
        peer.expect_nothing(1).await;
    }
    peer.call(9, &request("/test.Kit/Echo"), "still here").await;
    assert_eq!(peer.answer(9).await.expect_one(), "still here");
    peer.reset(1, CANCEL).await;
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}
