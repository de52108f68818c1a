//! Rapid Reset (CVE-2023-44487): a request and its RST_STREAM, again and again. A stream that was reset no
//! longer counts against the limit of streams, so one connection makes a server begin work without bound.
//!
//! Guard: a reset is held against a client if it is premature (no response headers have left, and the call's deadline
//! is not near): 3,000 at once, then 100 a second, and 2 for each call that was answered (`server/resets.rs`). Of calls
//! that `h2` has not handed over yet it takes 256. Handlers are counted until they are dropped, not until their
//! stream is reset. After that, GOAWAY ENHANCE_YOUR_CALM.

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

/// Sends a call and its reset in two writes, and `between` them, until the end; how many there were.
async fn resets_until_cut(peer: &mut Peer, between: impl AsyncFn(u32, &mut Peer)) -> u32 {
    let cancel = CANCEL.to_be_bytes();
    for (n, stream) in (0..).zip(streams(20_000)) {
        let call = headers(stream, END_STREAM, "Unread");
        let reset = frame::encode(kind::RST_STREAM, 0, stream, &cancel);
        if peer.try_raw(&call).await.is_err() {
            return n;
        }
        between(n, peer).await;
        if peer.try_raw(&reset).await.is_err() {
            return n;
        }
    }
    panic!("20,000 resets were taken");
}

#[tokio::test]
async fn resets_of_accepted_calls_are_cut() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let sent = resets_until_cut(&mut peer, async |_, _| tokio::task::yield_now().await).await;
    println!("cut after {sent} resets were written");
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
    peer.expect_closed().await;
    server.probe.until_idle().await;
    let started = server.probe.counts().started;
    assert!(started <= 6000, "{started} handlers");
    neighbour.stays_well().await;
}

#[tokio::test]
async fn resets_after_the_handler_has_started_are_cut() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let probe = server.probe.clone();
    let started = async |n: u32, peer: &mut Peer| {
        let mut counts = std::pin::pin!(probe.until_started(u64::from(n) + 1));
        tokio::select! {
            () = &mut counts => {}
            _ = peer.next(0) => {} // GOAWAY
        }
    };
    let sent = resets_until_cut(&mut peer, started).await;
    println!("cut after {sent} handlers were started");
    assert!(sent <= 6000, "{sent}");
    peer.expect_closed().await;
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
