//! Keepalive that is too hasty: each PING keeps a radio, a processor or a proxy awake, and thousands of clients that
//! ping each second are a load that no call explains.
//!
//! Guard: gRPC's (gRFC A8), as grpc-go has it. The third PING in a row that comes within five minutes of the one before
//! (two hours, with no call open) is answered with GOAWAY ENHANCE_YOUR_CALM and `too_many_pings`, which makes
//! gRPC clients double their interval.

use crate::*;

/// Pings at once until the end; how many there were, and that it was the right end.
async fn pings_until_cut(peer: &mut Peer) -> u32 {
    for n in 1..=20 {
        peer.frame(kind::PING, 0, 0, &[n as u8; 8]).await;
        let heard = peer
            .next_where(|frame| matches!(frame, Frame::Ping { .. } | Frame::GoAway { .. }))
            .await;
        match heard {
            Some(Frame::Ping { ack: true, .. }) => {}
            Some(Frame::GoAway { code, debug, .. }) => {
                assert_eq!(
                    (code, &debug[..]),
                    (ENHANCE_YOUR_CALM, &b"too_many_pings"[..])
                );
                peer.expect_closed().await;
                return n;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it was not cut");
}

//= KEEPALIVE-STRIKES  type=test
#[tokio::test]
async fn b81_the_fourth_ping_in_a_row_is_the_end() {
    let server = TestServer::start(Server::builder()).await;
    // Without a call; beside one that is open; after one.
    let mut peer = server.peer().await;
    assert_eq!(pings_until_cut(&mut peer).await, 4);
    let mut peer = server.peer().await;
    peer.headers(1, 0, &request("/test.Kit/Unread")).await;
    assert!((4..=5).contains(&pings_until_cut(&mut peer).await));
    let mut peer = server.peer().await;
    peer.call(1, &request("/test.Kit/Echo"), "hello").await;
    assert_eq!(peer.answer(1).await.expect_one(), "hello");
    assert!((4..=5).contains(&pings_until_cut(&mut peer).await));
    server.probe.until_idle().await;
}

/// The knobs, on a clock that jumps: seconds between pings, and which of them is the last.
#[tokio::test(start_paused = true)]
async fn b81_the_interval_is_as_configured() {
    let permit = |seconds, without_calls| {
        Server::builder()
            .http2_keepalive_permit_interval(Duration::from_secs(seconds))
            .http2_keepalive_permit_without_calls(without_calls)
    };
    let default = Server::builder;
    let rows: [(Server, bool, u64, Option<u32>, &str); 7] = [
        (default(), true, 299, Some(4), "a second too soon"),
        (default(), true, 300, None, "each five minutes"),
        (default(), false, 300, Some(4), "no call is open"),
        (default(), false, 7200, None, "each two hours"),
        (permit(10, false), true, 10, None, "each 10 s, as permitted"),
        (permit(10, true), false, 10, None, "and without calls"),
        (
            permit(10, true),
            false,
            9,
            Some(4),
            "a second too soon again",
        ),
    ];
    for (server, has_call, every, last, why) in rows {
        let probe = Probe::default();
        let (ours, _served) = support::server::pipe(server, &probe, 64 * 1024);
        let mut peer = Peer::client(ours, &[]).await;
        if has_call {
            peer.call(1, &request("/test.Kit/Hang"), "").await;
            probe.until_started(1).await;
        }
        let mut ended = None;
        for n in 1..=20 {
            tokio::time::sleep(Duration::from_secs(every)).await;
            if peer
                .try_raw(&frame::encode(kind::PING, 0, 0, &[n; 8]))
                .await
                .is_err()
            {
                break;
            }
            let heard =
                peer.next_where(|frame| matches!(frame, Frame::Ping { .. } | Frame::GoAway { .. }));
            if let Some(Frame::GoAway { .. }) = heard.await {
                ended = Some(u32::from(n));
                break;
            }
        }
        // The call itself is the first ping's reason.
        let expected = last.map(|last| last + u32::from(has_call));
        assert!(ended == last || ended == expected, "{why}: {ended:?}");
    }
}
