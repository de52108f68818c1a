//! Cancellation leak: callers that reset, hang up or vanish, and handlers that go on working for them.
//!
//! Guard: a handler's future is dropped when its stream is reset, or its connection ends, or the server is told
//! to stop and the time is up (`Reply::watch`).

use std::time::Duration;

use crate::*;

const CALLS: u32 = 100;

async fn three_hundred(server: &TestServer) -> Vec<Peer> {
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = server.peer().await;
        for stream in streams(CALLS) {
            let method =
                ["/test.Kit/Hang", "/test.Kit/Stay", "/test.Kit/Join"][stream as usize % 3];
            if method == "/test.Kit/Join" {
                peer.headers(stream, 0, &request(method)).await;
            } else {
                peer.call(stream, &request(method), "").await;
            }
        }
        peers.push(peer);
    }
    let all = |counts: &server::Counts| counts.live == u64::from(3 * CALLS);
    server.probe.until("300 handlers", all).await;
    peers
}

#[tokio::test]
async fn no_handler_is_left_when_its_caller_is_gone() {
    let server = TestServer::start(Server::builder()).await;
    let mut peers = three_hundred(&server).await;
    for peer in &mut peers {
        for stream in streams(CALLS) {
            peer.reset(stream, CANCEL).await;
        }
    }
    server.probe.until_idle().await;
    drop(peers);

    let mut peers = three_hundred(&server).await;
    for peer in &mut peers {
        peer.shutdown().await;
    }
    server.probe.until_idle().await;

    let peers = three_hundred(&server).await;
    drop(peers);
    server.probe.until_idle().await;
}

#[tokio::test]
async fn no_handler_is_left_when_the_server_has_stopped() {
    let limit = Duration::from_millis(200);
    let server = TestServer::start(Server::builder().drain_timeout(limit)).await;
    let probe = server.probe.clone();
    let peers = three_hundred(&server).await;
    let report = server.stop().await;
    assert_eq!(probe.counts().live, 0, "none, by the time it says so");
    assert_eq!(report.total.cut, 300);
    drop(peers);
}
