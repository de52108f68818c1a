//! Messages of a stream that are ready together, in one DATA frame.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_core::Stream;

use crate::Status;
use crate::call::codec::Codec;
use crate::call::send;
use crate::call::turn::Turn;

/// Small messages that are ready together leave in one DATA frame of about this size. A DATA frame for
/// each message was measured at a quarter of the rate.
pub(crate) const BATCH: usize = 16 * 1024;

/// The buffer of a batch grows by doubling up to here, and is then made as large as it will get: doubled once
/// more it could be of twice the size, and a caller who takes nothing would have us hold that.
pub(crate) const SMALL_BATCH: usize = 2 * 1024;

/// Gathers the messages that are ready, up to a batch. `Ready` when there is something to send, or the
/// stream has ended: `Some` is how.
pub(crate) fn poll_batch<C: Codec, S: Stream<Item = Result<C::Encode, Status>>>(
    mut messages: Pin<&mut S>,
    cx: &mut Context<'_>,
    codec: &C,
    max_len: usize,
    batch: &mut BytesMut,
    turn: &mut Turn,
) -> Poll<Option<Result<(), Status>>> {
    while batch.len() < BATCH {
        match messages.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => {
                let before = batch.len();
                if let Err(status) = send::encode(codec, &message, max_len, batch) {
                    return Poll::Ready(Some(Err(status)));
                }
                if batch.capacity() < BATCH && batch.len() > SMALL_BATCH {
                    // If the others are as long as this one.
                    let each = batch.len() - before;
                    batch.reserve((BATCH - batch.len()).div_ceil(each) * each);
                }
                if turn.made_one() {
                    // What there is of the batch stays: on a slow machine too, frames are as full as can be.
                    turn.pass_on(cx);
                    return Poll::Pending;
                }
            }
            Poll::Ready(Some(Err(status))) => return Poll::Ready(Some(Err(status))),
            Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
            // What is ready leaves now; nothing waits for company.
            Poll::Pending => {
                turn.begin();
                if batch.is_empty() {
                    return Poll::Pending;
                }
                break;
            }
        }
    }
    Poll::Ready(None)
}
