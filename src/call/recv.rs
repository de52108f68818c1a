//! The incoming lane: DATA frames in, whole messages out. Who makes a fast sender wait?
//!
//! Spec: PROTOCOL-HTTP2.md, "Length-Prefixed-Message" and "Data Frames"; RFC 9113 §5.2 (flow control).
//!
//! A DATA frame is taken from `h2` only while somebody waits for a message, and its credit is given
//! back in the same breath. So a reader that stops reading stops the sender: what it has not asked for
//! stays with `h2`, uncredited, and when that has filled the stream's window the peer must wait. And a
//! message larger than the window still arrives, because its own bytes are credited as they come; its
//! announced length was checked before the second byte of it was kept.
//!
//! This file does not know what a message is made of, nor how a stream of them ends for the caller.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;

use crate::call::Side;
use crate::call::ending::status_of;
use crate::call::meter::Meter;
use crate::wire::length_prefixed::{Decoder, LengthError};
use crate::{Code, Origin, Status};

/// Credit is given back in portions of at least this much. What is still owed at the end of a small call
/// `h2` gives back when the stream is dropped, which is one lock cheaper. Windows are never so small that
/// a peer would miss it.
const PORTION: usize = 4 * 1024;

/// Reads the messages of one stream.
#[derive(Debug)]
pub(crate) struct Receiver {
    stream: RecvStream,
    decoder: Decoder,
    side: Side,
    /// END_STREAM or trailers have come: there is no more DATA.
    ended: bool,
    /// The call's time is over: what is on its way may still be read, and no more.
    is_late: bool,
    /// Bytes that were taken, and whose credit was not given back. `0 <= owed < PORTION`, but where no more
    /// is given.
    owed: usize,
    /// Somebody watches the call.
    meter: Option<Arc<Meter>>,
}

impl Receiver {
    /// Reads messages of at most `max_len` bytes from `stream`, counted by `meter` if somebody watches.
    pub(crate) fn new(
        stream: RecvStream,
        max_len: usize,
        side: Side,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        Self {
            stream,
            decoder: Decoder::new(max_len),
            side,
            ended: false,
            is_late: false,
            owed: 0,
            meter,
        }
    }

    /// The next message's bytes; `None` once the peer has ended its DATA in good order.
    ///
    /// An error is final: a stream that broke in the middle of a message never ends with `None`.
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Status>> {
        loop {
            if let Some(payload) = self.decoder.next().map_err(status_of_length)? {
                if payload.compressed {
                    return Poll::Ready(Err(flag_without_encoding()));
                }
                return Poll::Ready(Ok(Some(payload.bytes)));
            }
            if self.ended {
                self.decoder.finish().map_err(status_of_length)?;
                return Poll::Ready(Ok(None));
            }
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    if let Some(meter) = &self.meter {
                        meter.count_received(chunk.len());
                    }
                    self.give_credit(chunk.len());
                    self.decoder.push(chunk);
                }
                Some(Err(error)) => return Poll::Ready(Err(status_of(error, self.side))),
                None => self.ended = true,
            }
        }
    }

    /// The trailers, once [`poll_message`](Self::poll_message) has said `None`; `None` if the peer sent none.
    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Status>> {
        let side = self.side;
        self.stream
            .poll_trailers(cx)
            .map_err(|error| status_of(error, side))
    }

    /// Whether the peer has sent all it will and all of it was read: no poll is needed to know. A frame
    /// that brought one message may hold another, or the beginning of one.
    pub(crate) fn is_finished(&self) -> bool {
        self.decoder.finish().is_ok() && self.stream.is_end_stream()
    }

    /// Memory of a message that was decoded, to be used for the next one that spans several frames.
    pub(crate) fn recycle(&mut self, spent: Bytes) {
        self.decoder.recycle(spent);
    }

    /// From here on the peer is given no more credit.
    pub(crate) fn give_no_more_credit(&mut self) {
        self.is_late = true;
    }

    /// Tells `h2` that `len` bytes were taken, so that the peer may send as many again.
    fn give_credit(&mut self, len: usize) {
        self.owed += len;
        if self.owed >= PORTION && !self.is_late {
            // It fails only if more is given back than was received, which this line cannot do.
            let _ = self.stream.flow_control().release_capacity(self.owed);
            self.owed = 0;
        }
    }
}

/// What a broken prefix or message means to the call. The same on both sides.
fn status_of_length(error: LengthError) -> Status {
    let (code, origin) = match error {
        //= CODE-TOO-LARGE  a message over the limit: RESOURCE_EXHAUSTED
        LengthError::TooLong { .. } => (Code::ResourceExhausted, Origin::LocalLimit),
        LengthError::Flag(_) | LengthError::Truncated { .. } => (Code::Internal, Origin::Protocol),
    };
    Status::library(code, error.to_string(), origin)
}

fn flag_without_encoding() -> Status {
    //= COMP-FLAG-NO-HEADER  flag without encoding: INTERNAL
    //= GRPC-LPM-NO-ENCODING  no grpc-encoding means flag 0
    Status::library(
        Code::Internal,
        "the message's compressed-flag is 1, but no grpc-encoding was announced; expected flag 0",
        Origin::Protocol,
    )
}
