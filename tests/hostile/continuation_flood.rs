//! CONTINUATION flood (CVE-2024-27316): a header block that never ends. Each frame is small, END_HEADERS never
//! comes, and whoever gathers the block before it looks at its size fills its memory.
//!
//! Guard: `h2` counts the frames of a block, five at least and else what `max_header_list_size` (16 KiB; its own
//! default is 16 MiB) can need; then GOAWAY ENHANCE_YOUR_CALM.

use crate::*;

#[tokio::test]
async fn a_header_block_without_end_is_cut_within_ten_frames() {
    for len in [0, 1, 16_000] {
        let server = Apart::start(Server::builder());
        let neighbour = Neighbour::at(server.addr).await;
        let mut peer = server.peer(&[]).await;
        let block = hpack::encode(&request("/test.Kit/Echo"));
        let mut flood = frame::encode(kind::HEADERS, 0, 1, &block);
        // A name without indexing, whose value is longer than all that comes.
        let mut open = vec![0, 1, b'x'];
        hpack::integer(1 << 20, &mut open);
        flood.extend(frame::encode(kind::CONTINUATION, 0, 1, &open));
        for _ in 0..8 {
            flood.extend(frame::encode(kind::CONTINUATION, 0, 1, &vec![b'v'; len]));
        }
        cut(&mut peer, &flood, ENHANCE_YOUR_CALM).await;
        assert_eq!(server.probe.counts().started, 0);
        neighbour.stays_well().await;
    }
}
