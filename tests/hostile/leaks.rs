//! Cancellation leak: callers that reset, hang up or vanish, and handlers that go on working for them.
//!
//! Guard: a handler's future is dropped when its stream is reset, or its connection ends, or the server is told
//! to stop and the time is up (`Reply::watch`).

use std::time::Duration;

use crate::*;

const CALLS: u32 = 100;

/// Calls of three kinds, a hundred of each peer.
async fn begin_calls(peers: &mut [Peer], probe: &Probe) {
    for peer in peers.iter_mut() {
        for stream in streams(CALLS) {
            let method =
                ["/test.Kit/Hang", "/test.Kit/Stay", "/test.Kit/Join"][stream as usize % 3];
            if method == "/test.Kit/Join" {
                peer.headers(stream, 0, &request(method)).await;
            } else {
                peer.call(stream, &request(method), "").await;
            }
        }
    }
    let calls = peers.len() as u64 * u64::from(CALLS);
    let all = |counts: &server::Counts| counts.live == calls;
    probe.until("all handlers", all).await;
}

/// How callers go.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Reset,
    HangUp,
    Vanish,
}

impl Leave {
    const ALL: [Self; 3] = [Self::Reset, Self::HangUp, Self::Vanish];

    /// Gives the peers that are still there.
    async fn leave(self, mut peers: Vec<Peer>) -> Vec<Peer> {
        for peer in &mut peers {
            match self {
                Self::Reset => {
                    for stream in streams(CALLS) {
                        peer.reset(stream, CANCEL).await;
                    }
                }
                Self::HangUp => peer.shutdown().await,
                Self::Vanish => {}
            }
        }
        if let Self::Vanish = self {
            peers.clear();
        }
        peers
    }
}

#[tokio::test]
async fn no_handler_is_left_when_its_caller_is_gone() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    for leave in Leave::ALL {
        let mut peers = Vec::new();
        for _ in 0..3 {
            peers.push(server.peer(&[]).await);
        }
        begin_calls(&mut peers, &server.probe).await;
        let rest = leave.leave(peers).await;
        server.probe.until_idle().await;
        drop(rest);
    }
    neighbour.stays_well().await;
}

/// And it takes no time but that of the work: not 0.7 s, by a clock that only waiting moves.
#[tokio::test(start_paused = true)]
async fn no_handler_waits_for_a_timer_to_be_dropped() {
    let server = Pipes::start(Server::builder());
    for leave in Leave::ALL {
        let mut peers = [
            server.peer().await,
            server.peer().await,
            server.peer().await,
        ];
        begin_calls(&mut peers, &server.probe).await;
        let left = tokio::time::Instant::now();
        let rest = leave.leave(peers.into()).await;
        server.probe.until_idle().await;
        assert!(left.elapsed() <= Duration::from_millis(700), "{leave:?}");
        drop(rest);
    }
}

#[tokio::test]
async fn no_handler_is_left_when_the_server_has_stopped() {
    let limit = Duration::from_millis(200);
    let server = TestServer::start(Server::builder().drain_timeout(limit)).await;
    let probe = server.probe.clone();
    let mut peers = [
        server.peer().await,
        server.peer().await,
        server.peer().await,
    ];
    begin_calls(&mut peers, &probe).await;
    let report = server.stop().await;
    assert_eq!(probe.counts().live, 0, "none, by the time it says so");
    assert_eq!(report.total.cut, 300);
    drop(peers);
}
