//! The incoming lane: DATA frames in, whole messages out. Who makes a fast sender wait?
//!
//! Spec: PROTOCOL-HTTP2.md, "Length-Prefixed-Message" and "Data Frames"; RFC 9113 §5.2 (flow control).
//!
//! A DATA frame is taken from its [`Source`] only while somebody waits for a message, and its credit is given
//! back in the same breath. So a reader that stops reading stops the sender: what it has not asked for
//! stays with `h2`, uncredited, and when that has filled the stream's window the peer must wait. And a
//! message larger than the window still arrives, because its own bytes are credited as they come; its
//! announced length was checked before the second byte of it was kept.
//!
//! This file does not know what a message is made of, nor how a stream of them ends for the caller.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;

use crate::call::buffered::Held;
use crate::call::meter::Meter;
use crate::call::size::status_of_length;
use crate::call::source::Source;
use crate::status::{Origin, Status};
use crate::wire::code::Code;
use crate::wire::length_prefixed::{Decoder, PREFIX_LEN};

/// Reads the messages of one stream.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) source: Source,
    decoder: Decoder,
    /// What the decoder holds, where a server counts that.
    held: Option<Box<Held>>,
    /// Somebody watches the call.
    meter: Option<Arc<Meter>>,
}

impl Receiver {
    /// Reads messages of at most `max_len` bytes from `source`, counted by `meter` if somebody watches.
    pub(crate) fn new(source: Source, max_len: usize, meter: Option<Arc<Meter>>) -> Self {
        Self {
            source,
            decoder: Decoder::new(max_len),
            held: None,
            meter,
        }
    }

    /// What is held of the messages counts against the server's limit, if it has one, unless the call is exempt.
    #[cfg(feature = "server")]
    pub(crate) fn hold_unless(&mut self, is_exempt: impl FnOnce() -> bool) {
        let buffered = self.source.unread.buffered.as_ref();
        self.held = buffered
            .filter(|_| !is_exempt())
            .map(|buffered| Box::new(Held::new(buffered.clone())));
    }

    /// The next message's bytes; `None` once the peer has ended its DATA in good order.
    ///
    /// An error is final: a stream that broke in the middle of a message never ends with `None`.
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Status>> {
        loop {
            if let Some(payload) = self
                .decoder
                .next()
                .map_err(|it| status_of_length(it, self.source.side))?
            {
                if payload.compressed {
                    return Poll::Ready(Err(flag_without_encoding()));
                }
                if let Some(held) = &mut self.held {
                    held.sub(PREFIX_LEN + payload.bytes.len());
                }
                return Poll::Ready(Ok(Some(payload.bytes)));
            }
            let Some(chunk) = ready!(self.source.poll_data(cx))? else {
                self.decoder
                    .finish()
                    .map_err(|it| status_of_length(it, self.source.side))?;
                return Poll::Ready(Ok(None));
            };
            if let Some(meter) = &self.meter {
                meter.count_received(chunk.len());
            }
            if let Some(held) = &mut self.held {
                held.add(chunk.len())?;
            }
            self.decoder.push(chunk);
        }
    }

    /// The trailers, once [`poll_message`](Self::poll_message) has said `None`; `None` if the peer sent none.
    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Status>> {
        self.source.poll_trailers(cx)
    }

    /// The trailers, if the last message was read and they are here. `None` says nothing: then ask
    /// [`poll_message`](Self::poll_message).
    #[cfg(feature = "client")]
    pub(crate) fn trailers_now(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<Result<Option<HeaderMap>, Status>> {
        // Else there is more of a message, or another.
        self.decoder.finish().ok()?;
        self.source.trailers_now(cx)
    }

    /// Whether the peer has sent all it will and all of it was read: no poll is needed to know. A frame
    /// that brought one message may hold another, or the beginning of one.
    pub(crate) fn is_finished(&mut self) -> bool {
        self.decoder.finish().is_ok() && self.source.is_finished()
    }

    /// Memory of a message that was decoded, to be used for the next one that spans several frames.
    pub(crate) fn recycle(&mut self, spent: Bytes) {
        self.decoder.recycle(spent);
    }
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
