//! The last bytes of a connection, over real sockets: an answer that is in the kernel, for a caller who is slow to take
//! it, arrives although the server has nothing left to say.
//!
//! A TCP socket that is closed while its peer still speaks destroys what the peer has not read, and a caller who reads
//! gives credit for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use temaki::Server;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::support::*;

/// Windows that never close.
const WIDE: [(u16, u32); 1] = [(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)];

/// A socket that is read from at so many bytes a second.
struct Slow {
    io: TcpStream,
    rate: Arc<AtomicUsize>,
    /// What may be read until the next tick.
    left: usize,
    tick: Pin<Box<Sleep>>,
}

impl Slow {
    /// As fast as can be, until the rate is set.
    async fn connect(server: &TestServer) -> (Self, Arc<AtomicUsize>) {
        let rate = Arc::new(AtomicUsize::new(usize::MAX));
        let slow = Self {
            io: server.socket().await,
            rate: rate.clone(),
            left: 0,
            tick: Box::pin(sleep(Duration::ZERO)),
        };
        (slow, rate)
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let slow = &mut *self;
        if slow.left == 0 {
            ready!(slow.tick.as_mut().poll(cx));
            let rate = slow.rate.load(Ordering::Relaxed);
            // Fifty times in a second; the slowest, a byte in each second.
            let tick = Duration::from_millis(if rate < 50 { 1000 } else { 20 });
            slow.left = if rate < 50 { rate } else { rate / 50 };
            slow.tick.as_mut().reset(Instant::now() + tick);
        }
        let mut space = vec![0; slow.left.min(dst.remaining())];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut slow.io).poll_read(cx, &mut read))?;
        slow.left -= read.filled().len();
        dst.put_slice(read.filled());
        Poll::Ready(Ok(()))
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

/// A caller with wide windows, who is not slow yet.
async fn caller(server: &TestServer) -> (Peer, Arc<AtomicUsize>) {
    let (io, rate) = Slow::connect(server).await;
    let mut peer = Peer::client(io, &WIDE).await;
    peer.window_update(0, (1 << 31) - 1 - 65_535).await;
    peer.ping().await;
    (peer, rate)
}

/// A call whose answer, of `len` bytes, waits for the gate.
async fn begin(peer: &mut Peer, server: &TestServer, len: usize) {
    peer.headers(1, 0, &request("/test.Kit/Gate")).await;
    let upload = message(vec![b'u'; len]);
    peer.data_within_windows(1, END_STREAM, &upload).await;
    server.probe.until_started(1).await;
}

/// Hears both GOAWAYs: with the answer of the one call, the connection is at its end.
async fn expect_both(peer: &mut Peer) {
    assert_eq!(peer.expect_goaway(NO_ERROR).await, (1 << 31) - 1);
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 1);
}

#[tokio::test]
async fn s03_an_answer_in_the_kernel_arrives_though_the_server_drains() {
    for (rate, len) in [(3_000_000, 1_000_000), (64_000, 120_000)] {
        let mut server = TestServer::start(Server::builder()).await;
        let (mut peer, is) = caller(&server).await;
        begin(&mut peer, &server, len).await;
        server.begin_stop();
        expect_both(&mut peer).await;
        is.store(rate, Ordering::Relaxed);
        server.probe.open_gate(1);
        let answer = soon("the answer", peer.answer(1)).await;
        assert_eq!(answer.expect_one().len(), len, "at {rate} B/s");
        assert_eq!(answer.trailers.get("grpc-status"), Some("0"));
        peer.expect_closed().await;
        drop(peer);
        let report = server.stop().await.total;
        assert_eq!((report.finished, report.cut), (1, 0), "at {rate} B/s");
    }
}

#[tokio::test]
async fn s03_an_answer_in_the_kernel_arrives_though_its_connection_is_of_age() {
    let builder = Server::builder().max_connection_age(Duration::from_millis(300));
    let server = TestServer::start(builder).await;
    let (mut peer, rate) = caller(&server).await;
    begin(&mut peer, &server, 1_000_000).await;
    expect_both(&mut peer).await;
    rate.store(3_000_000, Ordering::Relaxed);
    server.probe.open_gate(1);
    let answer = soon("the answer", peer.answer(1)).await;
    assert_eq!(answer.expect_one().len(), 1_000_000);
    assert_eq!(answer.trailers.get("grpc-status"), Some("0"));
    peer.expect_closed().await;
}

/// A caller who takes a byte a second is not waited for beyond the drain's end, and its answer is not finished.
#[tokio::test]
async fn s03_an_answer_that_nobody_took_is_not_finished() {
    for stall_timeout in [1, 30].map(Duration::from_secs) {
        let builder = Server::builder()
            .drain_timeout(Duration::from_secs(3))
            .stall_timeout(stall_timeout);
        let mut server = TestServer::start(builder).await;
        let (mut peer, rate) = caller(&server).await;
        begin(&mut peer, &server, 200_000).await;
        server.begin_stop();
        peer.expect_goaway(NO_ERROR).await;
        rate.store(1, Ordering::Relaxed);
        server.probe.open_gate(1);
        let report = server.stop().await.total;
        assert_eq!((report.finished, report.cut), (0, 1), "{stall_timeout:?}");
    }
}
