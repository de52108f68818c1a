//! An IO that buffers, as TLS does: it takes what is written, and hands it on when it is flushed.
//!
//! What a loop forgets to flush stays here for ever, which a plain pipe would never show.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `IO`, behind a buffer of so many bytes.
#[derive(Debug)]
pub struct Buffering<IO> {
    io: IO,
    held: BytesMut,
    room: usize,
}

impl<IO> Buffering<IO> {
    /// With the buffer that TLS libraries have: 64 KiB.
    pub fn new(io: IO) -> Self {
        Self::with_room(io, 64 * 1024)
    }

    /// With a buffer of `room` bytes.
    pub fn with_room(io: IO, room: usize) -> Self {
        let held = BytesMut::new();
        Self { io, held, room }
    }
}

impl<IO: AsyncWrite + Unpin> Buffering<IO> {
    fn poll_hand_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.held))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Buffering<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, dst)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Buffering<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        src: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() >= self.room {
            ready!(self.poll_hand_on(cx))?;
        }
        let n = src.len().min(self.room - self.held.len());
        self.held.extend_from_slice(&src[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
