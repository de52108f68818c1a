//! When do bytes leave?
//!
//! `h2` flushes its transport after every turn, and for each DATA frame of 256 bytes or more. Under a
//! server with 64 calls in flight that is one `writev` for each response, and system calls are what a
//! small RPC costs most. So `h2` is given [`BatchedIo`]: it takes every write into one buffer and
//! calls a flush done; the connection's loop holds the [`Outlet`] of the same socket and drains it
//! once per turn, when `h2` has nothing more to say. Reads are batched too: the socket is read into a
//! buffer that grows to 64 KiB, and `h2`, which asks for a few KiB at a time, is served from there.
//!
//! ```text
//!   h2 ──write, write, flush──▶ BatchedIo ─┐
//!                                          ├─ one buffer ──one write──▶ socket
//!   connection loop ──poll_drain──▶ Outlet ┘
//! ```
//!
//! The hazard of this design is a byte left behind: a path that ends the loop without draining. Two
//! rules close it. Batching begins only when the loop does ([`Outlet::begin_batching`]), so that the
//! handshake flushes as usual; and `shutdown`, which `h2` calls at the end of every orderly way out,
//! GOAWAY included, drains before it closes.
//!
//! A byte can also be left behind in the IO itself: TLS takes bytes into a buffer of its own and hands them on when it
//! is flushed. So bytes have left when they were written *and* flushed. A flush that had to wait is asked for
//! again in each turn until it is done, and [`Outlet::is_empty`] says no until then; so does a shutdown.
//!
//! Neither half knows HTTP/2: what looks at the bytes is the [`FrameMeter`], in both directions. It has a few of
//! them held back until more come, and when it judges that the peer asks for too much, reads fail with that.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame_meter::FrameMeter;
#[cfg(feature = "server")]
pub(crate) use told::Leaving;
pub(crate) use told::Progress;

mod reading;
mod reasons;
mod told;

/// A batch this large is written without waiting for the end of the turn, and a single slice this
/// large skips the buffer. Larger batches gained nothing, and delay the first byte of a response.
const WRITE_BATCH: usize = 64 * 1024;

/// Reads start with this, which is a handful of small requests, …
const READ_MIN: usize = 4 * 1024;
/// … doubles each time a read fills it, and stops growing here.
const READ_MAX: usize = 64 * 1024;

/// Bytes kept of what a peer said first, to tell TLS and HTTP/1 from HTTP/2 when the handshake fails.
const FIRST_BYTES: usize = 64;

/// Makes the two halves of one socket: the transport for `h2`, and the outlet for its loop.
pub(crate) fn batched<IO>(io: IO, meter: FrameMeter) -> (BatchedIo<IO>, Outlet<IO>) {
    let shared = Arc::new(Mutex::new(Shared {
        io,
        unread: Vec::new(),
        taken: 0,
        ready: 0,
        read: 0,
        starved: false,
        in_turns: false,
        was_asked: false,
        reader: None,
        read_size: READ_MIN,
        pong_is_due: false,
        meter,
        first: Vec::new(),
        unsent: BytesMut::new(),
        unflushed: false,
        closing: false,
        written: 0,
        batching: false,
        reasons: reasons::Reasons::default(),
    }));
    (BatchedIo(shared.clone()), Outlet(shared))
}

/// The half that `h2` owns.
pub(crate) struct BatchedIo<IO>(Arc<Mutex<Shared<IO>>>);

/// The half that the connection's loop owns: it decides when bytes leave.
pub(crate) struct Outlet<IO>(Arc<Mutex<Shared<IO>>>);

/// Both halves live in one task, so the lock is never contended; it is what lets safe code reach the
/// socket from either side of `h2`.
struct Shared<IO> {
    io: IO,
    /// Read from the socket; of these bytes `h2` has taken the first `taken` and may take the first `ready`. The
    /// others wait for more. `0 <= taken <= ready <= unread.len()`.
    unread: Vec<u8>,
    taken: usize,
    ready: usize,
    /// Bytes read since the connection began; a keepalive timer asks whether this moved.
    read: u64,
    /// The socket had no more when it was asked last.
    starved: bool,
    /// A server's loop takes turns, and ends each by [`Outlet::poll_leave`].
    in_turns: bool,
    /// The socket was asked in this turn and had no more. It wakes the task when it has, so the next turn asks again:
    /// `h2` would several times in one turn.
    was_asked: bool,
    /// The task to wake when the socket has more, if that is not who `h2` is polled for.
    reader: Option<Waker>,
    /// How much the next read asks for: `READ_MIN <= read_size <= READ_MAX`.
    read_size: usize,
    /// `h2` is to hear the answer to a PING that the peer does not answer, between two frames.
    pong_is_due: bool,
    meter: FrameMeter,
    /// The first bytes of the peer, for a diagnosis; emptied once HTTP/2 is established.
    first: Vec<u8>,
    /// Written by `h2`, not yet taken by the socket.
    unsent: BytesMut,
    /// The socket has taken bytes since it was last flushed.
    unflushed: bool,
    /// A shutdown was asked for, and is not over.
    closing: bool,
    /// Bytes the socket has taken since the connection began.
    written: u64,
    /// Whether a flush by `h2` is put off until the loop drains.
    batching: bool,
    reasons: reasons::Reasons,
}

/// A lock that was poisoned by a panic elsewhere in this connection's task still holds sound bytes.
fn lock<IO>(shared: &Mutex<Shared<IO>>) -> MutexGuard<'_, Shared<IO>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Shared<IO> {
    /// The socket has taken `n` bytes, and may hold them back until it is flushed.
    fn has_written(&mut self, n: usize) {
        self.written += n as u64;
        self.unflushed = true;
    }

    /// Hands everything unsent to the socket, and has it flushed. `Ready` means that nothing is left here or there.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.unsent))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.has_written(n);
            self.unsent.advance(n);
        }
        self.unsent.clear();
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn has_left(&self) -> bool {
        self.unsent.is_empty() && !self.unflushed && !self.closing
    }

    /// Drains, and then shows the peer that nothing more will come.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closing = true;
        ready!(self.poll_drain(cx))?;
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        self.closing = false;
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A full batch leaves now. If the socket will not take it, `h2` must wait too: what a slow
        // reader can make us hold is one batch, not everything its streams have to say.
        if self.unsent.len() >= WRITE_BATCH || self.meter.is_alert() {
            ready!(self.poll_make_room(cx))?;
        }
        let total = slices.iter().map(|s| s.len()).sum();
        if self.unsent.is_empty() && total >= WRITE_BATCH {
            let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
            if written.is_pending() {
                self.meter.set_blocked(true);
            }
            let n = ready!(written)?;
            self.has_written(n);
            let mut left = n;
            for slice in slices {
                let taken = left.min(slice.len());
                self.meter.outgoing(&slice[..taken]);
                left -= taken;
            }
            return Poll::Ready(Ok(n));
        }
        // Room for the whole batch at once: growing by doubling would copy it several times.
        for slice in slices {
            self.unsent.extend_from_slice(slice);
            self.meter.outgoing(slice);
        }
        if self.meter.is_alert() {
            cx.waker().wake_by_ref(); // to read, and be told
        }
        Poll::Ready(Ok(total))
    }

    /// A batch is full: it leaves, or `h2` waits until it has.
    fn poll_make_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.len() >= WRITE_BATCH {
            let drained = self.poll_drain(cx);
            if drained.is_pending() {
                self.meter.set_blocked(true);
                return Poll::Pending;
            }
            ready!(drained)?;
        }
        self.meter.set_blocked(false);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for BatchedIo<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.0);
        shared.check()?;
        #[cfg(feature = "client")]
        let before = dst.filled().len();
        let read = ready!(shared.poll_read(cx, dst));
        #[cfg(feature = "client")]
        if read.is_err() || dst.filled().len() == before {
            return Poll::Ready(shared.explain(read));
        }
        Poll::Ready(read)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for BatchedIo<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        src: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(src)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.0);
        shared.check()?;
        shared.poll_write(cx, slices)
    }

    /// `h2` copies a payload into its own buffer unless vectored writes are to be had.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.0);
        shared.check()?;
        if shared.batching {
            Poll::Ready(Ok(()))
        } else {
            shared.poll_drain(cx)
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_shutdown(cx)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Outlet<IO> {
    /// Waits until the peer has said enough to be answered; an error is the socket's. Until then a connection
    /// costs its socket and a few bytes.
    #[cfg(feature = "server")]
    pub(crate) async fn hear(&self, is_enough: fn(&[u8]) -> bool) -> io::Result<()> {
        std::future::poll_fn(|cx| lock(&self.0).poll_hear(cx, is_enough)).await
    }

    /// From here on nothing leaves but by [`poll_drain`](Self::poll_drain), a full batch, or shutdown.
    pub(crate) fn begin_batching(&self) {
        let mut shared = lock(&self.0);
        shared.batching = true;
        shared.first = Vec::new();
    }

    /// Hands everything that `h2` wrote to the socket, and has it flushed. `Pending` means that the socket is full;
    /// the task is woken when it takes more, and must ask again. An error ends the connection.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_drain(cx)
    }

    /// Whether all that `h2` wrote has left, and whatever it asked for besides is done: the flush, the shutdown.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).has_left()
    }

    /// What the peer said before HTTP/2 was established, up to 64 bytes.
    pub(crate) fn first_bytes(&self) -> Vec<u8> {
        lock(&self.0).first.clone()
    }

    /// Gives the buffers' memory back, if nothing is in them: an idle connection holds none.
    pub(crate) fn release_buffers(&self) {
        let mut shared = lock(&self.0);
        if shared.taken == shared.unread.len() {
            (shared.unread, shared.taken, shared.ready) = (Vec::new(), 0, 0);
            shared.read_size = READ_MIN;
        }
        if shared.unsent.is_empty() {
            shared.unsent = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// Both halves over a pipe with room for `size` bytes each way, and the pipe's other end.
    fn piped(size: usize) -> (BatchedIo<DuplexStream>, Outlet<DuplexStream>, DuplexStream) {
        let (io, peer) = tokio::io::duplex(size);
        let (transport, outlet) = batched(io, FrameMeter::of_client(tokio::time::Instant::now));
        (transport, outlet, peer)
    }

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// What has arrived at the other end, without waiting.
    fn arrived(peer: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Poll::Ready(Ok(n)) =
            tokio_util::io::poll_read_buf(Pin::new(&mut *peer), &mut context(), &mut bytes)
        {
            if n == 0 {
                break;
            }
        }
        bytes
    }

    #[tokio::test]
    async fn the_handshake_is_flushed_and_after_it_nothing_leaves_before_the_drain() {
        let (mut transport, outlet, mut peer) = piped(1024);
        transport.write_all(b"SETTINGS").await.unwrap();
        transport.flush().await.unwrap();
        assert_eq!(arrived(&mut peer), b"SETTINGS");

        outlet.begin_batching();
        transport.write_all(b"one").await.unwrap();
        transport.flush().await.unwrap();
        transport.write_all(b"two").await.unwrap();
        transport.flush().await.unwrap();
        assert_eq!(arrived(&mut peer), b"");
        assert!(!outlet.is_empty());
        assert!(outlet.poll_drain(&mut context()).is_ready());
        assert!(outlet.is_empty());
        assert_eq!(arrived(&mut peer), b"onetwo");
        assert_eq!(outlet.progress().written, 14);
    }

    // Outside of a runtime, which would make a task that polls as often as this wait for its turn.
    #[test]
    fn a_slow_reader_makes_us_hold_one_batch_and_not_more() {
        let (mut transport, outlet, mut peer) = piped(1024);
        outlet.begin_batching();
        let chunk = [7; 1000];
        let mut written = 0;
        while let Poll::Ready(n) = Pin::new(&mut transport).poll_write(&mut context(), &chunk) {
            written += n.unwrap();
        }
        assert!(written <= WRITE_BATCH + 2 * chunk.len(), "{written}");
        assert!(outlet.poll_drain(&mut context()).is_pending());
        // Every byte comes when it is read, and then there is room again.
        let mut all = arrived(&mut peer);
        for _ in 0..100 {
            let _ = outlet.poll_drain(&mut context());
            all.extend(arrived(&mut peer));
        }
        assert_eq!(all, vec![7; written]);
        let write = Pin::new(&mut transport).poll_write(&mut context(), &chunk);
        assert!(write.is_ready());
    }

    #[tokio::test]
    async fn a_large_slice_skips_the_buffer() {
        let (mut transport, outlet, mut peer) = piped(1 << 20);
        outlet.begin_batching();
        let large = vec![1; WRITE_BATCH];
        transport.write_all(&large).await.unwrap();
        assert_eq!(arrived(&mut peer), large);
        assert!(!outlet.is_empty(), "it was not flushed");
        assert!(outlet.poll_drain(&mut context()).is_ready());
        assert!(outlet.is_empty());
        // Not when something is before it.
        transport.write_all(b"first").await.unwrap();
        transport.write_all(&large).await.unwrap();
        assert_eq!(arrived(&mut peer), b"");
        assert!(outlet.poll_drain(&mut context()).is_ready());
        assert_eq!(arrived(&mut peer), [b"first", &large[..]].concat());
    }

    #[tokio::test]
    async fn a_shutdown_drains_first() {
        let (mut transport, outlet, mut peer) = piped(16);
        outlet.begin_batching();
        transport
            .write_all(b"GOAWAY, after all of the answers")
            .await
            .unwrap();
        let mut all = Vec::new();
        let (end, read) = tokio::join!(transport.shutdown(), peer.read_to_end(&mut all));
        end.unwrap();
        read.unwrap();
        assert_eq!(all, b"GOAWAY, after all of the answers");
    }

    #[tokio::test]
    async fn a_peer_that_says_little_needs_no_buffer() {
        let (mut transport, outlet, mut peer) = piped(1 << 20);
        let mut dst = [0; 8192];
        for _ in 0..100 {
            peer.write_all(&[1; 200]).await.unwrap();
            assert_eq!(transport.read(&mut dst).await.unwrap(), 200);
        }
        assert_eq!(lock(&transport.0).unread.capacity(), 0);
        // What a short destination does not take is kept for the next read, and not lost when buffers are released.
        peer.write_all(b"HEADERS DATA").await.unwrap();
        assert_eq!(transport.read(&mut dst[..8]).await.unwrap(), 8);
        outlet.release_buffers();
        assert_eq!(transport.read(&mut dst[8..]).await.unwrap(), 4);
        assert_eq!(&dst[..12], b"HEADERS DATA");
        assert_eq!(outlet.progress().read, 100 * 200 + 12);
    }

    #[tokio::test]
    async fn reads_grow_with_what_comes_and_start_small_again() {
        let (mut transport, outlet, mut peer) = piped(1 << 20);
        let sent: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
        peer.write_all(&sent).await.unwrap();
        let mut all = Vec::new();
        let mut dst = [0; 5000];
        while all.len() < sent.len() {
            let n = transport.read(&mut dst).await.unwrap();
            all.extend_from_slice(&dst[..n]);
        }
        assert!(all == sent);
        assert_eq!(lock(&transport.0).read_size, READ_MAX);
        outlet.release_buffers();
        assert_eq!(lock(&transport.0).read_size, READ_MIN);
        assert_eq!(lock(&transport.0).unread.capacity(), 0);
    }

    #[tokio::test]
    async fn the_first_bytes_are_kept_until_http2_is_established() {
        let (mut transport, outlet, mut peer) = piped(1024);
        peer.write_all(&[b'G'; 100]).await.unwrap();
        let mut dst = [0; 1024];
        assert_eq!(transport.read(&mut dst).await.unwrap(), 100);
        assert_eq!(outlet.first_bytes(), [b'G'; FIRST_BYTES]);
        outlet.begin_batching();
        assert_eq!(outlet.first_bytes(), b"");
    }

    /// A socket that takes nothing, and says that this is fine.
    struct TakesNothing;

    impl AsyncRead for TakesNothing {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for TakesNothing {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(0))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_socket_that_takes_nothing_is_an_error_and_no_loop() {
        let (mut transport, outlet) = batched(
            TakesNothing,
            FrameMeter::of_client(tokio::time::Instant::now),
        );
        outlet.begin_batching();
        let write = Pin::new(&mut transport).poll_write(&mut context(), b"bytes");
        assert!(matches!(write, Poll::Ready(Ok(5))));
        let Poll::Ready(Err(error)) = outlet.poll_drain(&mut context()) else {
            panic!("it drained");
        };
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
