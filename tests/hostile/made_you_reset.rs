//! MadeYouReset (CVE-2025-8671): Rapid Reset by proxy. The peer breaks the protocol on a stream, so that the
//! *server* resets it; a limit on the peer's own resets never sees that, and the stream no longer counts.
//!
//! Guard: the frame meter reads the RST_STREAM frames that leave, and takes 1,024 at once of those that nobody asked
//! for, then 10 a second; after that, GOAWAY ENHANCE_YOUR_CALM. (`h2` counts them for a connection's lifetime, and
//! with them what comes late for streams that the server itself has ended; tonic does not count.)

use crate::*;

#[tokio::test]
async fn streams_that_we_must_reset_are_cut_after_a_thousand() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let mut resets = 0;
    for stream in streams(1200) {
        // More window than there is, 2^31 - 1 and then some: FLOW_CONTROL_ERROR.
        let overflow = frame::encode(
            kind::WINDOW_UPDATE,
            0,
            stream,
            &0x7fff_ffff_u32.to_be_bytes(),
        );
        let frames = [headers(stream, 0, "Unread"), overflow].concat();
        if peer.try_raw(&frames).await.is_err() {
            break;
        }
        match peer
            .next_where(|frame| matches!(frame, Frame::Reset { .. } | Frame::GoAway { .. }))
            .await
        {
            Some(Frame::Reset { code, .. }) => {
                assert_eq!(code, FLOW_CONTROL_ERROR);
                resets += 1;
            }
            Some(Frame::GoAway { code, .. }) => {
                assert_eq!(code, ENHANCE_YOUR_CALM);
                break;
            }
            _ => break,
        }
    }
    assert!((1000..=1200).contains(&resets), "{resets}");
    peer.expect_closed().await;
    server.probe.until_idle().await;
    neighbour.stays_well().await;
}
