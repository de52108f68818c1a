//! The outgoing lane: messages in, DATA frames out. Who makes a fast sender wait?
//!
//! Spec: PROTOCOL-HTTP2.md, "Length-Prefixed-Message"; RFC 9113 §5.2 (flow control), §6.9.
//!
//! Two rules of `h2` shape this file. Bytes given to it without granted capacity are buffered without
//! bound; and capacity that is granted to a stream is taken from the whole connection at once, so that
//! a stream which holds some without having bytes starves its neighbours. Hence: first the bytes, then
//! `reserve_capacity` for exactly those, then send what is granted, and wait for the rest.
//!
//! This file does not know what is sent, nor how a call ends.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::SendStream;

use crate::call::codec::Codec;
use crate::wire::length_prefixed::{self, PREFIX_LEN};
use crate::{Code, Origin, Status};

/// Appends one length-prefixed message to `buf`.
///
/// An error leaves `buf` as it was: RESOURCE_EXHAUSTED if the message is larger than `max_len`, or
/// what the codec says.
pub(crate) fn encode<C: Codec>(
    codec: &C,
    item: &C::Encode,
    max_len: usize,
    buf: &mut BytesMut,
) -> Result<(), Status> {
    let start = buf.len();
    buf.reserve(PREFIX_LEN + codec.encoded_len(item));
    buf.extend_from_slice(&[0; PREFIX_LEN]);
    let encoded = codec.encode(item, buf).and_then(|()| {
        let len = buf.len() - start - PREFIX_LEN;
        u32::try_from(len)
            .ok()
            .filter(|_| len <= max_len)
            .ok_or_else(|| too_long(len, max_len))
    });
    match encoded {
        Ok(len) => {
            //= GRPC-LPM-PREFIX  1 flag byte, 4 length bytes big-endian
            buf[start..start + PREFIX_LEN].copy_from_slice(&length_prefixed::prefix(false, len));
            Ok(())
        }
        Err(status) => {
            buf.truncate(start);
            Err(status)
        }
    }
}

fn too_long(len: usize, max: usize) -> Status {
    let message = format!(
        "the message to send is {len} bytes, more than the limit of {max}; raise max_encoding_message_size or send less"
    );
    Status::library(Code::ResourceExhausted, message, Origin::LocalLimit)
}

/// The stream was reset, or its connection is gone. Whoever reads it knows more.
#[derive(Debug)]
pub(crate) struct Gone;

/// Gives `bytes` to `h2` as the peer's window allows; `Ready(Ok)` when all are given.
///
/// Bytes that were given are gone from `bytes`: after `Pending`, call again with what is left.
pub(crate) fn poll_send(
    stream: &mut SendStream<Bytes>,
    cx: &mut Context<'_>,
    bytes: &mut Bytes,
) -> Poll<Result<(), Gone>> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let granted = stream.capacity().min(bytes.len());
        if granted > 0 {
            stream
                .send_data(bytes.split_to(granted), false)
                .map_err(|_| Gone)?;
            continue;
        }
        match stream.poll_capacity(cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Gone)),
            Poll::Ready(None) | Poll::Pending => {
                return stream.poll_reset(cx).map(|_| Err(Gone));
            }
        }
    }
    Poll::Ready(Ok(()))
}
