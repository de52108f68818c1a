//! The IO that carries HTTP/2 in TLS, at either end.
//!
//! It is the stream of `tokio-rustls` with errors that say what to do. What is written at once fills as few records as it
//! can (16 KiB each): `conn/io.rs` writes a whole batch at once, so a turn's frames share a record. A shutdown sends
//! `close_notify` first, and a peer that closes without it is an error ([`TlsErrorKind::Truncated`](super::TlsErrorKind::Truncated)).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::{Side, Stage, sort_io};

/// A connection in TLS: what a handshake makes of a socket.
#[derive(Debug)]
pub struct TlsStream<IO> {
    /// In a box: it is a kilobyte, and a handshake moves it several times.
    inner: Box<tokio_rustls::TlsStream<IO>>,
}

impl<IO> TlsStream<IO> {
    pub(super) fn new(inner: impl Into<tokio_rustls::TlsStream<IO>>) -> Self {
        let inner = Box::new(inner.into());
        Self { inner }
    }

    /// The socket, and what is known of the TLS connection.
    pub fn get_ref(&self) -> (&IO, &tokio_rustls::rustls::CommonState) {
        self.inner.get_ref()
    }

    fn side(&self) -> Side {
        match &*self.inner {
            tokio_rustls::TlsStream::Client(_) => Side::Client,
            tokio_rustls::TlsStream::Server(_) => Side::Server,
        }
    }

    #[cold]
    fn explain(&self, error: io::Error) -> io::Error {
        sort_io(error, self.side(), Stage::Established)
    }

    fn check<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.explain(error))),
            other => other,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.inner).poll_read(cx, buf);
        self.check(polled)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.inner).poll_write(cx, buf);
        self.check(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.inner).poll_write_vectored(cx, bufs);
        self.check(polled)
    }

    /// So that the head of a frame and its payload are in one record.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.inner).poll_flush(cx);
        self.check(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.inner).poll_shutdown(cx);
        self.check(polled)
    }
}
