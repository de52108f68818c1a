//! Empty DATA flood (CVE-2019-9518): DATA frames of no length and without END_STREAM. They cost no window, so
//! flow control never stops them, and each takes time and a place in a queue.
//!
//! Guard: `h2` takes 100 in a connection's lifetime, then GOAWAY ENHANCE_YOUR_CALM. (Our own client never sends
//! one.)

use crate::*;

#[tokio::test]
async fn the_hundred_and_first_empty_data_frame_is_the_last() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    peer.headers(1, 0, &request("/test.Kit/Unread")).await;
    let empty = frame::encode(kind::DATA, 0, 1, &[]);
    cut(&mut peer, &empty.repeat(101), ENHANCE_YOUR_CALM).await;
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}
