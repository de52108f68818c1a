//! Silence: connections that say nothing, or half of the preface, or the preface and no SETTINGS. Each holds a
//! descriptor and some memory, for as long as the server lets it, and costs its owner nothing.
//!
//! Guard: `handshake_timeout` (10 s) from the first byte to the peer's SETTINGS, on every connection
//! (`server/connection.rs`); beyond 1,024 connections in that state a newcomer pushes out the longest silent, after two
//! seconds of silence (`server/room.rs`), so that nobody waits behind them; and little memory each, since `h2`'s part
//! of a connection is made for a peer that has greeted (`conn/io.rs`).

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

/// Many more than the server lets into the handshake for long; a caller who speaks does not wait behind them.
#[tokio::test(start_paused = true)]
async fn s14_nobody_waits_behind_those_who_say_nothing() {
    let server = Pipes::start(Server::builder().max_connections(10_000));
    let mut silent: Vec<_> = (0..2048).map(|_| server.pipe(64)).collect();
    for _ in 0..3 {
        let began = Instant::now();
        let mut peer = server.peer().await;
        peer.call(1, &request("/test.Kit/Hello"), "a").await;
        assert_eq!(peer.answer(1).await.expect_one(), "a");
        assert!(began.elapsed() < Duration::from_millis(1), "at once");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // After two seconds of silence, each newcomer costs one of them its place: the oldest.
    tokio::time::sleep(Duration::from_secs(1)).await;
    silent.extend((0..100).map(|_| server.pipe(64)));
    for gone in silent.drain(..100) {
        Peer::silent(gone).expect_closed().await;
    }
    let mut oldest = Peer::silent(silent.remove(0));
    let began = Instant::now();
    oldest.expect_closed().await;
    assert!(
        began.elapsed() > Duration::from_secs(5),
        "that is handshake_timeout"
    );
}

/// The listener would give connections without end; none of them says a word. It neither spins nor grows.
#[tokio::test(start_paused = true)]
async fn s14_a_flood_of_silence_is_bounded_by_the_connections_there_may_be() {
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
    let server = Server::builder().max_connections(3000);
    let served = tokio::spawn(server.serve_with_incoming(silent));
    tokio::time::sleep(Duration::from_millis(1950)).await;
    // Those that are served; a hundredth a second that made room; and those that were hung up on, ten times a second.
    let before = accepted.load(Ordering::Relaxed);
    assert!((3000..=3200).contains(&before), "{before}");
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
        // 8.5 KiB with the phase of the handshake, whose future is there until the peer has greeted.
        assert!(each <= 9 * KIB, "{each} bytes");
        neighbour.stays_well().await;
    }
}
