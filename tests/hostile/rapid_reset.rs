//! Rapid Reset (CVE-2023-44487): a request and its RST_STREAM, again and again. A stream that was reset no
//! longer counts against the limit of streams, so one connection makes a server begin work without bound.
//!
//! Guard: `h2` takes 20 streams that were reset before they were accepted, and then says GOAWAY
//! ENHANCE_YOUR_CALM. Handlers are counted until they are dropped, not until their stream is reset. (Streams
//! that are reset *after* they were accepted have no budget yet.)

use crate::*;

#[tokio::test]
async fn resets_before_the_handler_are_cut() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let flood: Vec<u8> = streams(6000)
        .flat_map(|stream| {
            let cancel = CANCEL.to_be_bytes();
            let reset = frame::encode(kind::RST_STREAM, 0, stream, &cancel);
            [headers(stream, 0, "Hang"), reset].concat()
        })
        .collect();
    cut(&mut peer, &flood, ENHANCE_YOUR_CALM).await;
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}

/// A caller who cancels what it began, a thousand times, is no attacker.
#[tokio::test]
async fn honest_cancels_are_not_cut() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    for (n, stream) in streams(1000).enumerate() {
        peer.call(stream, &request("/test.Kit/Hang"), "").await;
        server.probe.until_started(n as u64 + 1).await;
        peer.reset(stream, CANCEL).await;
    }
    server.probe.until_idle().await;
    peer.call(2001, &request("/test.Kit/Echo"), "still here")
        .await;
    assert_eq!(peer.answer(2001).await.expect_one(), "still here");
}

/// Handlers are counted until they are gone: however fast streams are reset, never do more run than one
/// connection may have.
#[tokio::test]
async fn resets_do_not_make_room_for_more_handlers_than_the_limit() {
    let server = TestServer::start(Server::builder().max_concurrent_streams(10)).await;
    let mut peer = server.peer().await;
    for stream in streams(500) {
        // Two writes, so that the request is mostly accepted before it is reset.
        peer.call(stream, &request("/test.Kit/Hang"), "").await;
        if stream % 3 == 0 {
            peer.ping().await;
        }
        peer.reset(stream, CANCEL).await;
    }
    server.probe.until_idle().await;
    let counts = server.probe.counts();
    assert!(counts.peak <= 10, "{counts:?}");
}
