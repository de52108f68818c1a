//! `max_concurrent_calls`: what is over is shed, at once and by name.

use temaki::Server;

use crate::support::*;

const GATE: &str = "/test.Kit/Gate";

#[tokio::test]
async fn calls_beyond_the_servers_limit_are_shed_on_every_connection() {
    let server = TestServer::start(Server::builder().max_concurrent_calls(3)).await;
    let mut one = server.peer().await;
    let mut two = server.peer().await;
    one.call(1, &request(GATE), "a").await;
    one.call(3, &request("/test.Kit/Stay"), "b").await;
    one.expect_headers(3).await;
    two.call(1, &request(GATE), "c").await;
    server.probe.until_started(3).await;
    for (stream, path) in [(3, "Echo"), (5, "Items"), (7, "Join"), (9, "Both")] {
        for peer in [&mut one, &mut two] {
            let stream = stream + 2;
            peer.call(stream, &request(&format!("/test.Kit/{path}")), "1")
                .await;
            let answer = peer.answer(stream).await;
            let message = answer.expect_status(code::RESOURCE_EXHAUSTED);
            assert!(message.contains("max_concurrent_calls"), "{message}");
            assert!(message.contains('3'), "{message}");
        }
    }
    assert_eq!(server.probe.counts().started, 3, "no handler has run");
    // A place is free when its handler was dropped: answered, or cancelled.
    server.probe.open_gate(1);
    one.reset(3, CANCEL).await;
    server
        .probe
        .until("two places", |counts| counts.live <= 1)
        .await;
    two.ping().await;
    for (stream, peer) in [(21, &mut one), (23, &mut two)] {
        peer.call(stream, &request("/test.Kit/Echo"), "d").await;
        assert_eq!(peer.answer(stream).await.expect_one(), "d");
    }
}

#[cfg(feature = "health")]
#[tokio::test]
async fn health_is_not_shed() {
    let health = temaki::health::HealthReporter::new().service();
    let server = TestServer::start(
        Server::builder()
            .max_concurrent_calls(0)
            .add_service(health),
    )
    .await;
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Echo"), "a").await;
    peer.answer(1).await.expect_status(code::RESOURCE_EXHAUSTED);
    peer.call(3, &request("/grpc.health.v1.Health/Check"), "")
        .await;
    peer.answer(3).await.expect_status(code::OK);
}
