//! Why does a connection end? The IO carries the reason.
//!
//! `h2` gives each stream the error that it meets when it reads or writes, and where it meets none it says that a pipe
//! is broken. So what this side knows of an end is made that error: a peer that does not respond, and what
//! was said by a GOAWAY before the socket closed.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Outlet, Shared, lock};

/// What the two halves have to say of an end.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// Why this side has given the connection up: reads and writes fail with it.
    given_up: Option<String>,
    /// The end of reading is an error that says why.
    #[cfg(feature = "client")]
    explains_ends: bool,
    /// What reading failed with. `h2` keeps the kind and the text of an error, and not the error.
    #[cfg(feature = "client")]
    failure: Option<io::Error>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Shared<IO> {
    /// An error if the connection was given up.
    #[inline]
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.reasons.given_up {
            Some(why) => Err(io::Error::other(why.clone())),
            None => Ok(()),
        }
    }

    /// Reading has ended so.
    #[cfg(feature = "client")]
    #[cold]
    pub(super) fn explain(&mut self, end: io::Result<()>) -> io::Result<()> {
        let end = end.map_err(|error| self.keep(error));
        if !self.reasons.explains_ends || self.meter.verdict().is_some() {
            return end;
        }
        match self.meter.goaway() {
            Some(goaway) => Err(io::Error::other(goaway.closed())),
            None if self.batching => {
                end?;
                let what = "the other side closed it without a GOAWAY";
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
            }
            None => end,
        }
    }

    /// Keeps an error that says more than its kind, and returns one like it.
    #[cfg(feature = "client")]
    fn keep(&mut self, error: io::Error) -> io::Error {
        if error.get_ref().is_none() {
            return error;
        }
        let like_it = io::Error::new(error.kind(), error.to_string());
        self.reasons.failure = Some(error);
        like_it
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Outlet<IO> {
    /// From here on the end of reading is an error that says why; without it, it is the end of a stream of bytes.
    #[cfg(feature = "client")]
    pub(crate) fn explain_ends(&self) {
        lock(&self.0).reasons.explains_ends = true;
    }

    /// What the IO's own error was when reading failed, if there was one. It is given once.
    #[cfg(feature = "client")]
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        lock(&self.0).reasons.failure.take()
    }

    /// From here on reads and writes fail with this text: so `h2` gives it to all streams.
    pub(crate) fn give_up(&self, why: String) {
        lock(&self.0).reasons.given_up = Some(why);
    }
}
