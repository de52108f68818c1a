//! Too many streams: a peer that ignores MAX_CONCURRENT_STREAMS, or a server that never announced one; one
//! connection starts twenty thousand handlers.
//!
//! Guard: 256 streams a connection, announced always; a stream beyond it is refused (REFUSED_STREAM) without the
//! handler, and a peer that was refused 1,024 times on one connection gets GOAWAY ENHANCE_YOUR_CALM. They are
//! counted among the resets of `made_you_reset`.

use crate::*;

#[tokio::test]
async fn a_peer_that_ignores_the_limit_is_refused_and_then_cut() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    assert_eq!(peer.settings[&setting::MAX_CONCURRENT_STREAMS], 256);
    let all = streams(256 + 2048).map(|stream| headers(stream, 0, "Unread"));
    let flood: Vec<Vec<u8>> = all.collect();
    peer.raw(&flood[..256].concat()).await;
    peer.ping().await;
    let full = |counts: &server::Counts| counts.live == 256;
    server.probe.until("256 handlers", full).await;
    peer.raw(&flood[256..256 + 1024].concat()).await;
    for stream in streams(256 + 1024).skip(256) {
        peer.expect_reset(stream, REFUSED_STREAM).await;
    }
    cut(&mut peer, &flood[256 + 1024..].concat(), ENHANCE_YOUR_CALM).await;
    server.probe.until_idle().await;
    let counts = server.probe.counts();
    assert_eq!((counts.started, counts.peak), (256, 256));
    neighbour.stays_well().await;
}
