//! Descriptor exhaustion: more connections than the process may have descriptors. `accept` fails with EMFILE, the
//! connection stays in the queue, the listener stays ready; a loop that simply tries again takes a whole core
//! for nothing, and one that gives up is gone.
//!
//! Guard: at `max_connections` (10,000) the next ones wait in the kernel's queue. When descriptors run out first,
//! the loop pauses 100 ms after each failure (`server/accept.rs`), and one caller each time is accepted on a
//! reserve descriptor and hung up on (`server/incoming.rs`).
//!
//! The server runs in a process of its own with 64 descriptors (`child`).

#![cfg(target_os = "linux")]

use std::time::Duration;

use crate::*;

const DESCRIPTORS: usize = 64;

#[tokio::test]
async fn a_server_without_descriptors_neither_spins_nor_dies() {
    let server = child::serve(&format!("ulimit -n {DESCRIPTORS}"));
    let held = Channel::connect(server.target()).await.unwrap();
    call(&held).await;
    // Three times as many as it can have. The kernel shakes hands with all of them.
    let mut sockets = Vec::new();
    for _ in 0..3 * DESCRIPTORS {
        sockets.push(connect(server.addr).await);
    }
    call(&held).await;
    let before = server.ticks();
    let measured = Duration::from_secs(1);
    tokio::time::sleep(measured).await;
    let ticks = server.ticks() - before;
    // A loop that spins takes all it can get, a hundred ticks.
    assert!(ticks < 10, "{ticks} of 100 ticks while nothing happens");
    call(&held).await;
    drop(sockets);
    let channel = soon("a new connection", Channel::connect(server.target()));
    call(&channel.await.unwrap()).await;
    call(&held).await;
}
