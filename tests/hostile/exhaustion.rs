//! Descriptor exhaustion: more connections than the process may have descriptors. `accept` fails with EMFILE, the
//! connection stays in the queue, the listener stays ready; a loop that simply tries again takes a whole core
//! for nothing, and one that gives up is gone.
//!
//! Guard: `max_connections` follows the limit on descriptors; beyond it somebody makes room or the newcomer is hung up
//! on (`server/room.rs`). When descriptors run out first, the loop pauses 100 ms after each failure
//! (`server/accept.rs`), and one caller each time is accepted on a reserve descriptor and hung up on
//! (`server/incoming.rs`).
//!
//! The server runs in a process of its own with 64 descriptors (`child`), or on a listener in memory that says what
//! the system would say.

#![cfg(target_os = "linux")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::*;

const DESCRIPTORS: usize = 64;

#[tokio::test]
async fn a_server_without_descriptors_neither_spins_nor_dies() {
    let server = child::serve(&format!("ulimit -n {DESCRIPTORS}"));
    let held = Channel::connect(server.target()).await.unwrap();
    let neighbour = Neighbour::at(server.addr).await;
    // Three times as many as it can have. The kernel shakes hands with all of them.
    let mut sockets = Vec::new();
    for _ in 0..3 * DESCRIPTORS {
        sockets.push(connect(server.addr).await);
    }
    neighbour.stays_well().await;
    call(&held).await;
    // Processor time, of so much time as has passed: a loop that spins takes all it can get.
    let (before, began) = (server.ticks(), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ticks, passed) = (server.ticks() - before, began.elapsed());
    println!("without descriptors: {ticks} ticks of processor time in {passed:?}");
    let of_a_core = ticks as f64 / 100.0 / passed.as_secs_f64();
    assert!(
        of_a_core < 0.1,
        "{of_a_core} of a core while nothing happens"
    );
    call(&held).await;
    drop(sockets);
    let released = Instant::now();
    let channel = soon("a new connection", Channel::connect(server.target()));
    call(&channel.await.unwrap()).await;
    // Two seconds at most, where there is a machine to run on.
    println!("a new call {:?} after the release", released.elapsed());
    call(&held).await;
}

/// EMFILE, and its sister of the whole system, ENFILE: ten attempts a second, and the next one succeeds.
#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_asked_ten_times_a_second() {
    for code in [24, 23] {
        let attempts = Arc::new(AtomicU64::new(0));
        let (connect, mut connections) = mpsc::unbounded_channel::<DuplexStream>();
        let counted = attempts.clone();
        let incoming = futures_util::stream::poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(match connections.poll_recv(cx) {
                Poll::Ready(Some(io)) => Ok(io),
                _ => Err(io::Error::from_raw_os_error(code)),
            }))
        });
        let server = Server::builder().add_service(server::kit(&Probe::default()));
        let served = tokio::spawn(server.serve_with_incoming(incoming));
        tokio::time::sleep(Duration::from_secs(10)).await;
        let attempts = attempts.load(Ordering::Relaxed);
        assert!((99..=101).contains(&attempts), "{attempts} in ten seconds");
        // There are descriptors again.
        let released = tokio::time::Instant::now();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        connect.send(theirs).unwrap();
        let mut peer = Peer::client(ours, &[]).await;
        peer.call(1, &request("/test.Kit/Echo"), "hello").await;
        assert_eq!(peer.answer(1).await.expect_one(), "hello");
        let took = released.elapsed();
        assert!(took <= Duration::from_millis(101), "{took:?}");
        served.abort();
    }
}
