//! The server against odd peers: each row of the protocol checklist by its number.

mod support;

use support::*;
use temaki::Server;

#[tokio::test]
async fn a_call_is_a_conversation() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    peer.headers(1, 0, &request("/test.Kit/Echo")).await;
    peer.data(1, END_STREAM, &message("hello")).await;
    let headers = peer.expect_headers(1).await;
    assert_eq!(headers.get(":status"), Some("200"));
    assert_eq!(headers.get("content-type"), Some("application/grpc"));
    assert_eq!(peer.expect_data(1).await, message("hello"));
    let trailers = peer.expect_trailers(1).await;
    assert_eq!(trailers.get("grpc-status"), Some("0"));
    peer.expect_nothing(1).await;
    drop(peer);
    assert_eq!(server.stop().await.total.cut, 0);
}
