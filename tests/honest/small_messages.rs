//! Many small messages, a DATA frame each, as grpcio and grpc-js send them: the mirror of a flood of tiny DATA.

use crate::*;

#[tokio::test]
async fn four_thousand_small_messages_in_a_burst_are_served() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    let burst = frame::encode(kind::DATA, 0, 1, &message("eight by")).repeat(4000);
    peer.headers(1, 0, &request("/test.Kit/Join")).await;
    peer.raw(&burst).await;
    peer.data(1, END_STREAM, b"").await;
    assert_eq!(peer.answer(1).await.expect_one().len(), 4000 * 8);
}

#[tokio::test]
async fn four_thousand_small_messages_to_a_blocked_handler_are_not_cut() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.headers(1, 0, &request("/test.Kit/Unread")).await;
    server.probe.until_started(1).await;
    let burst = frame::encode(kind::DATA, 0, 1, &message("eight by")).repeat(4000);
    peer.raw(&burst).await;
    peer.ping().await; // all of it was read, and nothing was said against it
    server.probe.open_gate(1);
    assert_eq!(peer.answer(1).await.expect_one(), "unread");
}
