//! A handshake over a slow network, while others open connections to say nothing.
//!
//! Guard: beyond 1,024 connections in their handshake, each newcomer pushes out the one that was silent for longest,
//! if that was two seconds or more (`server/room.rs`). TLS inside of an IO says nothing that the server could see before
//! it is through: 0.9 s on a network with 300 ms a round trip.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use temaki::{ConnectInfo, Connected};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

use crate::*;

/// An IO that is busy with a handshake of its own before it hands over a byte.
struct Slow {
    io: DuplexStream,
    handshake: Pin<Box<Sleep>>,
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.handshake.is_elapsed() {
            ready!(self.handshake.as_mut().poll(cx));
        }
        Pin::new(&mut self.io).poll_read(cx, dst)
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        src: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, src)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connected for Slow {
    fn connect_info(&self) -> ConnectInfo {
        ConnectInfo::default()
    }
}

#[tokio::test(start_paused = true)]
async fn s14_a_slow_handshake_gets_through_while_silent_peers_come_and_go() {
    let (connect, mut connections) = mpsc::unbounded_channel::<Slow>();
    let incoming = futures_util::stream::poll_fn(move |cx| {
        let next = connections.poll_recv(cx);
        next.map(|io| io.map(Ok::<Slow, io::Error>))
    });
    let server = Server::builder()
        .max_connections(20_000)
        .add_service(server::kit(&server::Probe::default()));
    let served = tokio::spawn(server.serve_with_incoming(incoming));
    let open = |millis| {
        let (ours, io) = tokio::io::duplex(1024);
        let handshake = Box::pin(sleep(Duration::from_millis(millis)));
        assert!(connect.send(Slow { io, handshake }).is_ok());
        ours
    };
    let mut silent: Vec<_> = (0..2000).map(|_| open(0)).collect();
    let began = Instant::now();
    let slow = tokio::spawn(Peer::client(open(900), &[]));
    // A thousand more each second, for as long as it takes.
    while !slow.is_finished() {
        silent.push(open(0));
        sleep(Duration::from_millis(1)).await;
        assert!(began.elapsed() < Duration::from_secs(2), "it is served");
    }
    let mut slow = slow.await.expect("a handshake");
    slow.call(1, &request("/test.Kit/Hello"), "a").await;
    assert_eq!(slow.answer(1).await.expect_one(), "a");
    served.abort();
}
