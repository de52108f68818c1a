//! Giant length prefix: five bytes announce a message of 4 GiB, and a server that makes room for what was
//! announced is out of memory. Or, within the limit: hundreds of streams announce 4 MiB each and send no more.
//!
//! Guard: the length is checked as soon as its five bytes are there, and refused with RESOURCE_EXHAUSTED; what
//! is within the limit is allocated as bytes come, not as they are announced (`wire/length_prefixed.rs`).

use crate::*;

//= CODE-TOO-LARGE  type=test
#[tokio::test]
async fn five_bytes_are_enough_to_refuse_a_message() {
    let server = TestServer::start(Server::builder()).await;
    let mut peer = server.peer().await;
    for (stream, len) in [(1, u32::MAX), (3, 1 << 31), (5, 4 * 1024 * 1024 + 1)] {
        peer.headers(stream, 0, &request("/test.Kit/Echo")).await;
        let prefix = [&[0][..], &len.to_be_bytes()].concat();
        peer.data(stream, 0, &prefix).await;
        let answer = peer.answer(stream).await;
        let text = answer.expect_status(code::RESOURCE_EXHAUSTED);
        assert!(text.contains(&len.to_string()), "it says what came: {text}");
        peer.expect_reset(stream, NO_ERROR).await;
    }
    assert_eq!(server.probe.counts().started, 0);
}

/// 250 streams that announce 4 MiB each.
async fn promise(peer: &mut Peer) {
    let promise = [
        &[0][..],
        &(4_u32 << 20).to_be_bytes(),
        b"and a few bytes of it",
    ]
    .concat();
    for stream in streams(250) {
        peer.headers(stream, 0, &request("/test.Kit/Join")).await;
        peer.data(stream, 0, &promise).await;
    }
    peer.ping().await;
}

#[tokio::test]
async fn five_hundred_promises_of_4_mib_hold_little() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peers = [server.peer(&[]).await, server.peer(&[]).await];
    let before = temaki_heap::watched();
    temaki_heap::take_peak();
    for peer in &mut peers {
        promise(peer).await;
    }
    server.probe.until_started(500).await;
    let held = temaki_heap::take_peak() - before;
    println!("500 promises of 4 MiB: {} KiB held", held / KIB);
    assert!(held < 8 * MIB, "{held} bytes");
    drop(peers);
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}

/// As the system sees it: memory that was only asked for, and not touched yet, is none of the heap's peak.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn five_hundred_promises_of_4_mib_ask_for_little() {
    let server = child::serve("true");
    let neighbour = Neighbour::at(server.addr).await;
    let (resident, virtually) = (server.resident(), server.virtually());
    let mut peers = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::client(connect(server.addr).await, &[]).await;
        promise(&mut peer).await;
        peers.push(peer);
    }
    let resident = server.resident() - resident;
    let virtually = server.virtually() - virtually;
    println!(
        "500 promises of 4 MiB: {} KiB resident, {} KiB asked for",
        resident / KIB,
        virtually / KIB
    );
    assert!(resident < 8 * MIB, "{resident} bytes");
    assert!(virtually < 32 * MIB, "{virtually} bytes");
    neighbour.stays_well().await;
}
