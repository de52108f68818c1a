//! Silence: connections that say nothing, or half of the preface, or the preface and no SETTINGS. Each holds a
//! descriptor and some memory, for as long as the server lets it, and costs its owner nothing.
//!
//! Guard: `handshake_timeout` (10 s) from the first byte to the peer's SETTINGS, on every connection
//! (`server/connection.rs`); no more than 1,024 connections in that state, the others wait in the kernel's queue
//! (`server/accept.rs`); and little memory each, since `h2`'s part of a connection is made for a peer that has greeted
//! (`conn/io.rs`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::*;

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_cut() {
    let half_settings = [&PREFACE[..], &[0, 0, 6, 4, 0]].concat();
    let rows: [(&[u8], &str); 5] = [
        (b"", "nothing"),
        (b"P", "a byte"),
        (&PREFACE[..12], "half the preface"),
        (PREFACE, "no SETTINGS"),
        (&half_settings, "half of SETTINGS"),
    ];
    for (bytes, what) in rows {
        let probe = Probe::default();
        let builder = Server::builder().handshake_timeout(Duration::from_secs(3));
        let (ours, served) = server::pipe(builder, &probe, 1024);
        let began = Instant::now();
        let mut peer = Peer::silent(ours);
        peer.raw(bytes).await;
        let end = soon(&format!("the end of {what}"), served).await.unwrap();
        let error = end.expect_err(what).to_string();
        assert!(error.contains("handshake_timeout"), "{what}: {error}");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(3), "{what}: {took:?}");
        assert!(took <= Duration::from_secs(4), "{what}: {took:?}");
        peer.expect_closed().await;
    }
}

/// The listener would give connections without end; none of them says a word.
#[tokio::test(start_paused = true)]
async fn no_more_than_1024_are_let_into_the_handshake() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let silent = {
        let (accepted, mut ends) = (accepted.clone(), Vec::new());
        futures_util::stream::poll_fn(move |_| {
            let (ours, theirs) = tokio::io::duplex(64);
            ends.push(ours);
            accepted.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok::<_, io::Error>(theirs)))
        })
    };
    let server = Server::builder().max_connections(100_000);
    let served = tokio::spawn(server.serve_with_incoming(silent));
    let before = Duration::from_secs(9);
    tokio::time::sleep(before).await;
    assert_eq!(accepted.load(Ordering::Relaxed), 1024);
    // When those are cut, at 10 s, it is the next ones' turn.
    tokio::time::sleep(before).await;
    assert_eq!(accepted.load(Ordering::Relaxed), 2048);
    served.abort();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_silent_connection_holds_little() {
    let _alone = alone().await;
    for bytes in [&b""[..], &PREFACE[..12], PREFACE] {
        let server = child::serve("ulimit -n 5000");
        let neighbour = Neighbour::at(server.addr).await;
        let before = server.resident();
        let mut peers = Vec::new();
        for _ in 0..500 {
            let socket = connect(server.addr).await;
            let mut peer = Peer::silent(socket);
            peer.raw(bytes).await;
            peers.push(peer);
        }
        // A connection is answered after all that came before it was accepted.
        call(&Channel::connect(server.target()).await.unwrap()).await;
        let each = (server.resident() - before) / 500;
        println!("{} bytes said, then silence: {each} bytes", bytes.len());
        assert!(each <= 8 * KIB, "{each} bytes");
        neighbour.stays_well().await;
    }
}
