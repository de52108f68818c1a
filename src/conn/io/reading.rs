//! How bytes come in: read from the socket in portions that fit the peer, shown to the meter, handed to `h2`.

use std::io;
use std::pin::Pin;
#[cfg(feature = "server")]
use std::task::Waker;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{FIRST_BYTES, READ_MAX, READ_MIN, Shared};
#[cfg(feature = "server")]
use super::{Outlet, lock};

/// Bytes that are read at once to be thrown away.
#[cfg(feature = "server")]
const DISCARDED: usize = 2 * 1024;

/// The acknowledgement of the PING that `h2` sends with GOAWAY: its payload is `h2`'s own constant.
const PONG: &[u8; 17] = &[
    0, 0, 8, 6, 1, 0, 0, 0, 0, // PING, ACK, 8 bytes
    0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54,
];

#[cfg(feature = "server")]
impl<IO: AsyncRead + AsyncWrite + Unpin> Outlet<IO> {
    /// The socket wakes `task` from now on when it has more to read, whatever `h2` is polled with.
    pub(crate) fn read_for(&self, task: Waker) {
        lock(&self.0).reader = Some(task);
    }

    /// Reads what comes and throws it away; `Ready(Ok(0))` when the peer has closed.
    pub(crate) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; DISCARDED];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut lock(&self.0).io).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Makes `h2` believe that the peer has acknowledged the PING behind GOAWAY: it sends its last GOAWAY then, and there is
    /// no other way to have it sent while calls are open.
    pub(crate) fn answer_for_peer(&self) {
        lock(&self.0).pong_is_due = true;
    }

    /// How many PINGs the peer has acknowledged.
    pub(crate) fn pongs(&self) -> u64 {
        lock(&self.0).meter.pongs()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Shared<IO> {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.taken == self.ready {
            if self.meter.is_alert() {
                ready!(self.poll_refuse())?;
            }
            // All that was read is with `h2`: so what the books say can be taken from there.
            if self.batching && self.meter.is_full() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !self.unread.is_empty() {
                self.unread.drain(..self.ready);
                (self.taken, self.ready) = (0, 0);
            }
            if self.pong_is_due && !self.meter.is_in_frame() {
                self.pong_is_due = false;
                self.unread.splice(..0, *PONG);
                self.ready = PONG.len();
                break;
            }
            let held = self.unread.len();
            if self.was_asked {
                return Poll::Pending;
            }
            self.starved = true;
            // A peer that says little at a time is read straight into `h2`'s own buffer, so that a
            // connection which waits for such a peer, as most do, has none here.
            if held == 0 && self.read_size == READ_MIN && dst.remaining() >= READ_MIN {
                let before = dst.filled().len();
                let cx = &mut Context::from_waker(self.reader.as_ref().unwrap_or(cx.waker()));
                let read = Pin::new(&mut self.io).poll_read(cx, dst);
                self.was_asked = self.in_turns && read.is_pending();
                ready!(read)?;
                self.starved = false;
                self.has_read(&dst.filled()[before..]);
                let read = &mut dst.filled_mut()[before..];
                let walked = self.meter.incoming(read);
                if walked.pass == read.len() {
                    return Poll::Ready(Ok(()));
                }
                self.unread.extend_from_slice(&read[walked.held..]);
                dst.set_filled(before + walked.pass);
                if walked.pass > 0 {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            self.unread.reserve(self.read_size);
            let io = Pin::new(&mut self.io);
            let cx = &mut Context::from_waker(self.reader.as_ref().unwrap_or(cx.waker()));
            let read = tokio_util::io::poll_read_buf(io, cx, &mut self.unread);
            self.was_asked = self.in_turns && read.is_pending();
            let n = ready!(read)?;
            self.starved = false;
            if n == 0 {
                // The end: `h2` shall see that it came in the middle of something.
                self.ready = self.unread.len();
                break;
            }
            let unread = std::mem::take(&mut self.unread);
            self.has_read(&unread[held..]);
            self.unread = unread;
            self.walk();
        }
        let rest = &self.unread[self.taken..self.ready];
        let n = rest.len().min(dst.remaining());
        dst.put_slice(&rest[..n]);
        self.taken += n;
        Poll::Ready(Ok(()))
    }

    /// Lets the meter look at what is there and was not handed on.
    fn walk(&mut self) {
        let walked = self.meter.incoming(&mut self.unread);
        if walked.pass < walked.held {
            self.unread.drain(walked.pass..walked.held);
        }
        self.ready = walked.pass;
    }

    /// `Ready` with an error if the meter has judged: all calls of the connection end with that. `Pending` while
    /// what is read could only wait for a socket that takes nothing; the task that writes is woken.
    #[cold]
    fn poll_refuse(&self) -> Poll<io::Result<()>> {
        match self.meter.verdict() {
            Some(verdict) => Poll::Ready(Err(io::Error::other(verdict))),
            None if self.meter.holds_reads() => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }

    /// Reads the peer's first words, a few at a time, until `is_enough` of them or there are no more. `h2`
    /// gets them afterwards.
    #[cfg(feature = "server")]
    pub(super) fn poll_hear(
        &mut self,
        cx: &mut Context<'_>,
        is_enough: fn(&[u8]) -> bool,
    ) -> Poll<io::Result<()>> {
        while !is_enough(&self.unread) {
            let mut space = [0; FIRST_BYTES];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                break;
            }
            self.has_read(read.filled());
            self.unread.extend_from_slice(read.filled());
        }
        self.walk();
        Poll::Ready(Ok(()))
    }

    /// Looks at what was just read. A read that was full asks for more the next time.
    fn has_read(&mut self, read: &[u8]) {
        self.read += read.len() as u64;
        if !self.batching && self.first.len() < FIRST_BYTES {
            let more = read.len().min(FIRST_BYTES - self.first.len());
            self.first.extend_from_slice(&read[..more]);
        }
        if read.len() >= self.read_size {
            self.read_size = (self.read_size * 2).min(READ_MAX);
        }
    }
}
