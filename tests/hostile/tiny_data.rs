//! Tiny DATA frames: a window of 1 MiB in pieces of one byte is a million frames, each of which costs a queue
//! far more than its byte.
//!
//! Guard: `h2` charges an unread frame of under 256 bytes what it lacks of 256, to a budget; when that is gone,
//! GOAWAY ENHANCE_YOUR_CALM. By default the budget is so small that honest clients are cut, who send many small
//! messages one by one; ours lets some 16,000 wait, which take 4 MiB.

use crate::*;

#[tokio::test]
async fn a_flood_of_one_byte_frames_is_cut_and_holds_little() {
    let _alone = alone().await;
    let server = Apart::measured(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    peer.headers(1, 0, &request("/test.Kit/Unread")).await;
    server.probe.until_started(1).await;
    let before = temaki_heap::watched();
    temaki_heap::take_peak();
    let flood = frame::encode(kind::DATA, 0, 1, b"x").repeat(40_000);
    cut(&mut peer, &flood, ENHANCE_YOUR_CALM).await;
    let held = temaki_heap::take_peak() - before;
    println!("tiny DATA: {} KiB held at most", held / KIB);
    // The queue of h2 has room for 16,384 frames when 15,420 are in it; the rest are its buffers.
    assert!(held < 4 * MIB + 256 * KIB, "{held} bytes");
    neighbour.stays_well().await;
}
