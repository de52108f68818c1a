//! The outgoing lane: bytes in, DATA frames out. Who makes a fast sender wait?
//!
//! Spec: PROTOCOL-HTTP2.md, "Data Frames"; RFC 9113 §5.2 (flow control), §6.9.
//!
//! Two rules of `h2` shape this file. Bytes given to it without granted capacity are buffered without
//! bound; and capacity that is granted to a stream is taken from the whole connection at once, so that
//! a stream which holds some without having bytes starves its neighbours. Hence: first the bytes, then
//! `reserve_capacity` for exactly those, then send what is granted, and wait for the rest.
//!
//! This file does not know what is sent, nor how a call ends.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;

use crate::call::size::askable;

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
