//! Empty DATA flood (CVE-2019-9518): DATA frames of no length and without END_STREAM. They cost no window, so
//! flow control never stops them, and each takes time and a place in a queue.
//!
//! Guard: the frame meter drops them before `h2` sees them, which would take 100 in a connection's lifetime, and
//! counts them with other frames that cost nothing: 1,000 at once, then 100 a second; after that, GOAWAY
//! ENHANCE_YOUR_CALM. (Our own client never sends one.)

use crate::*;

#[tokio::test]
async fn c26_a_flood_of_empty_data_is_cut() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    peer.headers(1, 0, &request("/test.Kit/Unread")).await;
    let empty = frame::encode(kind::DATA, 0, 1, &[]);
    cut(&mut peer, &empty.repeat(100_000), ENHANCE_YOUR_CALM).await;
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}
