//! Batched socket I/O under h2: many frames a system call.
//!
//! h2 flushes for each DATA frame of some size and at the end of every poll; with one task waking per answer that is one `writev` an RPC. Here its flushes do
//! nothing. What it writes is gathered, and leaves when the connection's task says so ([`Outbox::poll_drain`]) or when [`FULL`] bytes stand there. Reads go through one
//! buffer that takes all that the kernel has.
//!
//! Written apart from temaki's own `conn/io.rs` on purpose: the floor must not inherit what it is there to measure.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// With so many bytes gathered h2 has to wait until the kernel has taken them.
const FULL: usize = 64 << 10;

/// What h2 reads and writes.
pub struct BatchedIo {
    read: OwnedReadHalf,
    /// What the socket gave last.
    buffer: Box<[u8]>,
    /// The part of it that h2 has yet to read.
    unread: Range<usize>,
    outbox: Outbox,
}

/// The bytes on their way out, in the hands of both h2 and the connection's task, because h2 lends nobody its I/O object.
#[derive(Clone)]
pub struct Outbox(Arc<Mutex<Gathered>>);

struct Gathered {
    write: OwnedWriteHalf,
    bytes: Vec<u8>,
    /// `0 <= sent <= bytes.len()`; these the kernel has already taken.
    sent: usize,
}

impl BatchedIo {
    /// Puts the batch between `socket` and h2.
    pub fn new(socket: TcpStream) -> (BatchedIo, Outbox) {
        // Batches leave whole; Nagle's algorithm would only hold the last one back.
        let _ = socket.set_nodelay(true);
        let (read, write) = socket.into_split();
        let outbox = Outbox(Arc::new(Mutex::new(Gathered {
            write,
            bytes: Vec::with_capacity(FULL),
            sent: 0,
        })));
        (
            BatchedIo {
                read,
                buffer: vec![0; FULL].into(),
                unread: 0..0,
                outbox: outbox.clone(),
            },
            outbox,
        )
    }
}

impl Outbox {
    /// Ready when the kernel has taken every byte.
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gathered().poll_drain(cx)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.gathered().bytes.is_empty()
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Gathered {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let written =
                ready!(Pin::new(&mut self.write).poll_write(cx, &self.bytes[self.sent..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.bytes.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.bytes.len() >= FULL {
            self.poll_drain(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl AsyncRead for BatchedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.unread.is_empty() {
            if into.remaining() >= FULL {
                return Pin::new(&mut this.read).poll_read(cx, into);
            }
            let mut space = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.read).poll_read(cx, &mut space))?;
            this.unread = 0..space.filled().len();
        }
        let len = this.unread.len().min(into.remaining());
        into.put_slice(&this.buffer[this.unread.start..][..len]);
        this.unread.start += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BatchedIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = self.outbox.gathered();
        ready!(gathered.poll_room(cx))?;
        gathered.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathered = self.outbox.gathered();
        ready!(gathered.poll_room(cx))?;
        for slice in slices {
            gathered.bytes.extend_from_slice(slice);
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    /// h2's flush: not now.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.outbox.gathered();
        ready!(gathered.poll_drain(cx))?;
        Pin::new(&mut gathered.write).poll_shutdown(cx)
    }
}
