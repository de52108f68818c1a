//! The task that sends a call's requests.
//!
//! They go on while nobody reads the answers, and while their sender does something else: so each stream of
//! requests has a task of its own, for as long as it has something to say. It ends with its call, at the
//! deadline at the latest, and if it ends in any other way, so does the call.
//!
//! The stream, and the codec, are the user's, and run in this task and not in the caller's: they do not see its
//! task-locals, and of its tracing span only with the feature. If one of them panics, its call ends with INTERNAL.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::Stream;

use super::channel::Channel;
use super::picker::WeakPicker;
use super::within::within;
use crate::call::batch::{Batch, poll_batch};
use crate::call::carried::Carried;
use crate::call::caught::{caught, drop_caught};
use crate::call::codec::Codec;
use crate::call::lane::{Over, SharedLane};
use crate::call::turn::Turn;
use crate::call::writer::MessageWriter;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// Sends what is put into `lane`, in a task of its own.
pub(super) fn spawn(lane: &SharedLane, channel: &Channel, deadline: Option<Instant>) {
    let nothing = MessageWriter::new(0);
    start(lane, channel, deadline, nothing, |_, _| Poll::Pending);
}

/// Sends the user's stream of requests, in a task of its own. It is not asked for any before the call is open.
pub(super) fn spawn_stream<C: Codec, S>(
    lane: &SharedLane,
    channel: &Channel,
    deadline: Option<Instant>,
    writer: MessageWriter,
    codec: C,
    messages: S,
) where
    S: Stream<Item = C::Encode> + Send + 'static,
{
    let mut messages = Box::pin(messages);
    let span = Carried::current();
    let write_next = move |cx: &mut Context<'_>, writer: &mut MessageWriter| {
        span.run(|| {
            writer.forget_mark();
            let next = match caught(|| messages.as_mut().poll_next(cx)) {
                Ok(next) => ready!(next),
                Err(panicked) => {
                    let status = panicked.status("the stream of requests");
                    return Poll::Ready(Some(Err(status)));
                }
            };
            Poll::Ready(next.map(|message| write(writer, &codec, message)))
        })
    };
    start(lane, channel, deadline, writer, write_next);
}

/// Writes the user's message, and drops it.
fn write<C: Codec>(
    writer: &mut MessageWriter,
    codec: &C,
    message: C::Encode,
) -> Result<(), Status> {
    let written = caught(|| writer.write(codec, &message));
    let written = written.unwrap_or_else(|it| Err(it.status("the codec")));
    let dropped = drop_caught(message).map_err(|it| it.status("a message's Drop"));
    written.and(dropped)
}

fn start<W>(
    lane: &SharedLane,
    channel: &Channel,
    deadline: Option<Instant>,
    writer: MessageWriter,
    write_next: W,
) where
    W: FnMut(&mut Context<'_>, &mut MessageWriter) -> Poll<Option<Result<(), Status>>>
        + Send
        + 'static,
{
    match channel.tasks().of_call() {
        Ok(runtime) => {
            // The guard is made here: a runtime that stops may drop the task before its first poll.
            let guard = Guard(Some(lane.clone()));
            let picker = channel.picker().downgrade();
            runtime.spawn(run(guard, picker, deadline, writer, write_next));
        }
        Err(none) => {
            lane.fail(none.into());
        }
    }
}

/// Until all is sent, or the call is over.
async fn run<W>(
    guard: Guard,
    picker: WeakPicker,
    deadline: Option<Instant>,
    mut writer: MessageWriter,
    mut write_next: W,
) where
    W: FnMut(&mut Context<'_>, &mut MessageWriter) -> Poll<Option<Result<(), Status>>>,
{
    let Some(lane) = &guard.0 else { return };
    let mut ended = false;
    let mut turn = Turn::default();
    let mut step = |cx: &mut Context<'_>| {
        loop {
            if lane.poll_flush(cx).is_ready() {
                return Poll::Ready(());
            }
            if ended || !lane.wants_more() {
                turn.begin();
                return Poll::Pending;
            }
            match ready!(poll_batch(cx, &mut writer, &mut turn, &mut write_next)) {
                Batch::Some => {}
                Batch::Last => ended = true,
                Batch::Failed(status) => {
                    lane.fail(status);
                    return Poll::Ready(());
                }
            }
            lane.push(writer.buffer());
            if ended {
                let _ = lane.end();
            }
        }
    };
    // The call itself passes its deadline at the same moment; the first of the two says where it was.
    let expired = || {
        lane.expired(|| {
            let picker = picker.upgrade();
            picker.map_or_else(String::new, |picker| picker.what_calls_wait_for())
        })
    };
    let sent = {
        let work = pin!(async {
            poll_fn(&mut step).await;
            Ok::<(), Status>(())
        });
        within(None, deadline, work, expired).await
    };
    if let Err(status) = sent {
        lane.fail(status);
    }
    guard.defuse();
}

/// Ends the call if the pump does not come to its own end.
struct Guard(Option<SharedLane>);

impl Guard {
    fn defuse(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(lane) = self.0.take() else { return };
        let message = "the runtime that sent the requests has stopped";
        lane.fail(Status::library(Code::Unavailable, message, Origin::Library));
    }
}

/// A call's lane of requests, closed if the call's future is dropped.
pub(super) struct LaneGuard(Option<SharedLane>);

impl LaneGuard {
    pub(super) fn new(lane: &SharedLane) -> Self {
        Self(Some(lane.clone()))
    }

    /// The call has ended so.
    pub(super) fn end<T>(mut self, result: Result<T, Status>) -> Result<T, Status> {
        match self.0.take() {
            Some(lane) => lane.finish(result),
            None => result,
        }
    }

    /// From here on the stream of answers closes it.
    pub(super) fn pass_on(mut self) {
        self.0 = None;
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        if let Some(lane) = &self.0 {
            lane.close(Over::Cancelled);
        }
    }
}
