//! Which messages of a stream leave together, in one DATA frame?
//!
//! Those that are ready together, up to [`FRAME`] bytes. A DATA frame for each message was measured at a quarter of the
//! rate. No message waits for the next one: when the stream has nothing ready, what was gathered leaves.
//!
//! This file does not know where the messages come from, nor how the batch is sent.

use std::task::{Context, Poll};

use crate::call::size::FRAME;
use crate::call::turn::Turn;
use crate::call::writer::MessageWriter;
use crate::status::Status;

/// The buffer of a batch grows by doubling up to this size, in bytes. Then it is made as large as it will get: doubled
/// once more it could be of twice the size, and a peer that takes nothing would make this side hold that.
const SMALL_BATCH: usize = 2 * 1024;

/// What was gathered in the writer's buffer.
#[derive(Debug)]
pub(crate) enum Batch {
    /// Some messages, and the stream goes on.
    Some,
    /// The stream has ended. The batch may be empty.
    Last,
    /// The stream failed, or a message of it could not be written. The batch has the messages before the failure, and
    /// may be empty.
    Failed(Status),
}

/// Gathers the messages that are ready, up to a batch. `Pending` if none is.
///
/// `write_next` asks the stream for its next message and writes it; `None` is the end of the stream.
pub(crate) fn poll_batch(
    cx: &mut Context<'_>,
    writer: &mut MessageWriter,
    turn: &mut Turn,
    mut write_next: impl FnMut(&mut Context<'_>, &mut MessageWriter) -> Poll<Option<Result<(), Status>>>,
) -> Poll<Batch> {
    while writer.buffer().len() < FRAME {
        let before = writer.buffer().len();
        match write_next(cx, writer) {
            Poll::Ready(Some(Ok(()))) => {
                make_room(writer, before);
                if turn.made_one() {
                    // What there is of the batch stays: on a slow machine too, frames are as full as can be.
                    turn.pass_on(cx);
                    return Poll::Pending;
                }
            }
            Poll::Ready(Some(Err(status))) => return Poll::Ready(Batch::Failed(status)),
            Poll::Ready(None) => return Poll::Ready(Batch::Last),
            Poll::Pending => {
                turn.begin();
                if writer.buffer().is_empty() {
                    return Poll::Pending;
                }
                break;
            }
        }
    }
    Poll::Ready(Batch::Some)
}

/// Makes room for the rest of the batch, if its messages are as long as the one that was written at `before`.
#[inline]
fn make_room(writer: &mut MessageWriter, before: usize) {
    let batch = writer.buffer();
    if batch.capacity() < FRAME && batch.len() > SMALL_BATCH {
        let each = (batch.len() - before).max(1);
        let rest = FRAME.saturating_sub(batch.len());
        batch.reserve(rest.div_ceil(each) * each);
    }
}
