//! FLOOR 2. One call's two lanes: messages out ([`writer`], [`send`]), messages in ([`reader`]), and the public
//! streams made of them. The only floor that does flow control. Knows `h2` streams, not sockets,
//! and not which endpoint it works for beyond [`Side`].

pub(crate) mod batch;
pub(crate) mod buffered;
pub(crate) mod carried;
pub(crate) mod caught;
pub mod codec;
pub(crate) mod coding;
pub(crate) mod ending;
pub(crate) mod exclusive;
pub(crate) mod lane;
pub(crate) mod meter;
pub(crate) mod reader;
pub(crate) mod replay;
pub(crate) mod response_stream;
pub(crate) mod retraction;
pub(crate) mod send;
pub(crate) mod size;
pub(crate) mod source;
pub(crate) mod streaming;
pub(crate) mod timer;
pub(crate) mod turn;
pub(crate) mod writer;

/// Which end of the call this is. The same event means different things to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Receives requests. A lost connection reads as CANCELLED: nobody waits for the answer any more.
    Server,
    /// Receives responses. A lost connection reads as UNAVAILABLE: somebody else may serve the call.
    Client,
}
