//! How did a connection end, and what is said of it?
//!
//! A connection ends in one of these ways; who serves it by itself is told an [`Error`](crate::Error), and an
//! observer a [`CloseReason`] beside it.

use std::io;

use super::observer::CloseReason;
use crate::conn::verdict::Verdict;

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Closed {
    /// By its peer, or at the end of a drain: in good order.
    Done,
    /// Something took too long; the text says what.
    TimedOut(&'static str),
    /// A drain ran out of time.
    Forced,
    /// The peer does not speak HTTP/2, or broke it.
    Protocol(h2::Error),
    /// The peer asked for too much of what costs it little.
    Guarded(Verdict),
    /// The peer speaks something else; the text says what.
    Foreign(&'static str),
    /// The socket failed.
    Io(io::Error),
    /// The handshake before HTTP/2 failed: TLS, for example.
    Handshake(Box<dyn std::error::Error + Send + Sync>),
    /// The IO or the handshake, which are code of the user's, panicked.
    Panicked,
    /// It made room for another.
    Crowded,
}

impl Closed {
    /// Why this side ends it, which the calls have not been told: they would hear of a broken pipe.
    pub(super) fn untold(&self) -> Option<String> {
        let what = match self {
            Self::TimedOut(what) => what,
            Self::Forced => "its drain is over",
            Self::Crowded => "there is no room for it",
            Self::Io(error) => return Some(error.to_string()),
            _ => return None,
        };
        Some(format!("this side closed the connection: {what}"))
    }
}

impl Closed {
    pub(super) fn reason(&self) -> CloseReason {
        match self {
            Self::Done => CloseReason::Done,
            Self::TimedOut(_) => CloseReason::TimedOut,
            Self::Forced => CloseReason::Forced,
            Self::Protocol(_) => CloseReason::Protocol,
            Self::Guarded(Verdict::HalfFrame) => CloseReason::TimedOut,
            Self::Guarded(_) => CloseReason::Protocol,
            Self::Foreign(_) => CloseReason::Foreign,
            Self::Io(_) => CloseReason::Io,
            Self::Handshake(_) => CloseReason::Handshake,
            Self::Panicked => CloseReason::Panicked,
            Self::Crowded => CloseReason::Crowded,
        }
    }

    pub(super) fn into_result(self) -> Result<(), crate::Error> {
        let error = |message: &str| crate::Error::new(crate::error::ErrorKind::Connection, message);
        match self {
            Self::Done => Ok(()),
            Self::TimedOut(what) => Err(error(what)),
            Self::Forced => Err(error("the connection was cut: the server stopped")),
            Self::Protocol(source) => Err(error("the peer broke HTTP/2").with_source(source)),
            Self::Guarded(verdict) => Err(error(&verdict.to_string())),
            Self::Foreign(what) => Err(error(what)),
            Self::Io(source) => Err(error("the connection was lost").with_source(source)),
            Self::Handshake(source) => {
                Err(error("the handshake before HTTP/2 failed").with_source(source))
            }
            Self::Panicked => Err(error("the connection's IO or its handshake panicked")),
            Self::Crowded => Err(error(
                "it made room for another: all connections of max_connections were open, or too many in their \
                 handshake, and this one did nothing",
            )),
        }
    }
}

impl From<h2::Error> for Closed {
    fn from(error: h2::Error) -> Self {
        if error.is_io() {
            return error.into_io().map_or(Closed::Done, Closed::Io);
        }
        Closed::Protocol(error)
    }
}

impl From<Result<(), h2::Error>> for Closed {
    fn from(end: Result<(), h2::Error>) -> Self {
        end.map_or_else(Closed::from, |()| Closed::Done)
    }
}

/// What a peer speaks that does not speak HTTP/2, by its first bytes.
pub(crate) fn diagnose(first: &[u8]) -> Option<&'static str> {
    match first {
        [0x16, 0x03, ..] => {
            Some("a TLS client spoke to a plaintext port; use http:// or serve TLS here")
        }
        [b'G', b'E', b'T', b' ', ..]
        | [b'P', b'O', b'S', b'T', ..]
        | [b'H', b'E', b'A', b'D', ..] => {
            Some("an HTTP/1.1 client spoke to a gRPC port; gRPC needs HTTP/2")
        }
        _ => None,
    }
}
