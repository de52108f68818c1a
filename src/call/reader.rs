//! The message reader: how do the bytes of DATA become messages, and who makes a fast sender wait?
//!
//! Spec: PROTOCOL-HTTP2.md, "Length-Prefixed-Message" and "Data Frames"; RFC 9113 §5.2 (flow control).
//!
//! A DATA frame is taken from its [`Source`] only while somebody waits for a message, and its credit is given
//! back in the same breath. So a reader that stops reading stops the sender: what it has not asked for
//! stays with `h2`, uncredited, and when that has filled the stream's window the peer must wait. And a
//! message larger than the window still arrives, because its own bytes are credited as they come; its
//! announced length was checked before the second byte of it was kept.
//!
//! A reader is made once per call, when the head of the stream was read, from the limit on a message's length and the coding.
//! The codec is the method's, and comes with each question. Every message that this library receives, on either end, goes
//! through [`MessageReader::poll_message`].
//!
//! ```text
//!   DATA ──▶ prefix + bytes ── coding, if the message is compressed ──▶ bytes ── codec ──▶ message
//! ```
//!
//! This file does not know what a message is made of, nor how a stream of them ends for the user.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;

use crate::call::buffered::Held;
use crate::call::codec::Codec;
use crate::call::coding;
use crate::call::meter::Meter;
use crate::call::size::{FRAME, status_of_length};
use crate::call::source::Source;
use crate::conn::buffers::Kept;
use crate::status::Status;
use crate::wire::length_prefixed::{Decoder, PREFIX_LEN, Spare};

/// The first chunk of a large message is at least so long, in bytes: peers send it as soon as they can, and not in crumbs.
const LARGE_CHUNK: usize = 4 * 1024;

/// The next message, and the length of the bytes that it was made from; `None` at the end.
pub(crate) type Read<T> = Result<Option<(T, usize)>, Status>;

/// Reads the messages of one stream.
#[derive(Debug)]
pub(crate) struct MessageReader {
    pub(crate) source: Source,
    decoder: Decoder,
    /// The longest message, in bytes: as it travels, and once it is decompressed.
    max_len: usize,
    /// What `grpc-encoding` names; `None` for `identity`.
    coding: Option<Box<coding::Read>>,
    /// What the decoder holds, where a server counts that.
    held: Option<Box<Held>>,
    /// The connection was asked for a buffer: the decoder's goes to the connection in the end.
    has_borrowed: bool,
    /// Somebody watches the call.
    meter: Option<Arc<Meter>>,
}

impl MessageReader {
    /// Reads messages of at most `max_len` bytes from `source`, counted by `meter` if somebody watches.
    pub(crate) fn new(source: Source, max_len: usize, meter: Option<Arc<Meter>>) -> Self {
        Self {
            source,
            decoder: Decoder::new(max_len),
            max_len,
            coding: None,
            held: None,
            has_borrowed: false,
            meter,
        }
    }

    /// The messages with the Compressed-Flag are in this coding.
    pub(crate) fn decompress(&mut self, coding: coding::Read) {
        self.coding = Some(Box::new(coding));
    }

    /// What is held of the messages counts against the server's limit, if it has one, unless the call is exempt.
    #[cfg(feature = "server")]
    pub(crate) fn hold_unless(&mut self, is_exempt: impl FnOnce() -> bool) {
        let buffered = self.source.unread.buffered.as_ref();
        self.held = buffered
            .filter(|_| !is_exempt())
            .map(|buffered| Box::new(Held::new(buffered.clone())));
    }

    /// The next message, and the length of the bytes that it was made from; `None` once the peer has ended its DATA in
    /// good order.
    ///
    /// # Errors
    /// See [`poll_bytes`](Self::poll_bytes); else the error of the codec. An error is final.
    #[inline]
    pub(crate) fn poll_message<C: Codec>(
        &mut self,
        codec: &C,
        cx: &mut Context<'_>,
    ) -> Poll<Read<C::Decode>> {
        let mut bytes = match self.whole_message() {
            Some(bytes) => bytes,
            None => match ready!(self.poll_bytes(cx))? {
                Some(bytes) => bytes,
                None => return Poll::Ready(Ok(None)),
            },
        };
        let len = bytes.len();
        let message = codec.decode(&mut bytes)?;
        Poll::Ready(Ok(Some((message, len))))
    }

    /// The next message, if it came whole in one chunk with others. Most messages of a stream do.
    #[inline]
    fn whole_message(&mut self) -> Option<Bytes> {
        if self.coding.is_some() {
            return None; // a message before it may still be inflated
        }
        let bytes = self.decoder.next_whole()?;
        if let Some(held) = &mut self.held {
            held.sub(PREFIX_LEN + bytes.len());
        }
        Some(bytes)
    }

    /// The next message's bytes, decompressed; `None` once the peer has ended its DATA in good order.
    ///
    /// A stream that broke in the middle of a message never ends with `None`.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if a message is longer than this side takes, as it travels or decompressed. INTERNAL if the
    /// bytes are not messages, or a message is compressed and no coding was announced, or is not in that coding. Else the status
    /// of what ended the stream. An error is final.
    pub(crate) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Status>> {
        if self.coding.as_ref().is_some_and(|coding| coding.is_busy()) {
            return self.poll_decompressed(None, cx);
        }
        loop {
            if let Some(payload) = self
                .decoder
                .next()
                .map_err(|it| status_of_length(it, self.source.side))?
            {
                if payload.compressed {
                    return self.poll_decompressed(Some(payload.bytes), cx);
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
            self.push(chunk);
        }
    }

    /// A large message in pieces is gathered in a buffer of the connection, if it has one.
    #[inline]
    fn push(&mut self, chunk: Bytes) {
        let is_large = chunk.len() >= LARGE_CHUNK;
        self.decoder.push(chunk);
        if is_large {
            self.borrow();
        }
    }

    #[cold]
    fn borrow(&mut self) {
        if self.has_borrowed {
            return;
        }
        if let Some(len) = self.decoder.will_gather().filter(|&len| len > FRAME) {
            self.has_borrowed = true;
            if let Some(Kept { buffer, size }) = self.source.unread.buffers.take(len) {
                self.decoder.lend(Spare { buffer, size });
            }
        }
    }

    /// The message that `payload` holds, or the one that was begun. Its payload is held until the message is there: it may
    /// wait for its turn.
    #[cold]
    fn poll_decompressed(
        &mut self,
        payload: Option<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Status>> {
        let (max_len, side) = (self.max_len, self.source.side);
        let coding = self
            .coding
            .as_mut()
            .ok_or_else(coding::flag_without_encoding)?;
        let polled = match payload {
            Some(payload) => coding.begin(payload, max_len, side, cx),
            None => coding.poll(max_len, side, cx),
        };
        let message = ready!(polled)?;
        let payload_len = coding.take_payload_len();
        if let Some(held) = &mut self.held {
            held.sub(PREFIX_LEN + payload_len);
        }
        Poll::Ready(Ok(Some(message)))
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
}

impl Drop for MessageReader {
    fn drop(&mut self) {
        if self.has_borrowed {
            if let Some(Spare { buffer, size }) = self.decoder.take_spare() {
                self.source.unread.buffers.give(Kept { buffer, size });
            }
        }
    }
}
