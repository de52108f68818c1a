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
use crate::call::size::{LONGEST, askable, fits, too_long};
use crate::status::Status;
use crate::wire::length_prefixed::{self, PREFIX_LEN};

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
    // The codec may guess too much: for what may not be sent no room is made.
    let room = PREFIX_LEN + codec.encoded_len(item).min(max_len).min(LONGEST);
    if buf.capacity() == 0 {
        *buf = BytesMut::with_capacity(room); // cheaper than room in one that has none
    } else {
        buf.reserve(room);
    }
    buf.extend_from_slice(&[0; PREFIX_LEN]);
    let encoded = codec.encode(item, buf).and_then(|()| {
        let len = buf.len() - start - PREFIX_LEN;
        fits(len, max_len).ok_or_else(|| too_long(len, max_len))
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
        stream.reserve_capacity(askable(bytes.len()));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A codec whose guess is wild.
    #[derive(Clone, Default)]
    struct Boasts;

    impl Codec for Boasts {
        type Encode = ();
        type Decode = ();

        fn encoded_len(&self, (): &()) -> usize {
            usize::MAX
        }

        fn encode(&self, (): &(), buf: &mut BytesMut) -> Result<(), Status> {
            buf.extend_from_slice(b"hi");
            Ok(())
        }

        fn decode(&self, _: &mut Bytes) -> Result<(), Status> {
            Ok(())
        }
    }

    #[test]
    fn c23_a_guess_takes_no_more_than_may_be_sent() {
        let mut buf = BytesMut::new();
        encode(&Boasts, &(), 100, &mut buf).unwrap();
        assert_eq!(buf, b"\0\0\0\0\x02hi"[..]);
        assert!(buf.capacity() < 1000);
    }
}
