//! The task that sends a call's requests.
//!
//! They go on while nobody reads the answers, and while their sender does something else: so each stream of
//! requests has a task of its own, for as long as it has something to say. It ends with its call, at the
//! deadline at the latest, and if it ends in any other way, so does the call.
//!
//! The stream, and the codec, are the user's, and run in this task and not in the caller's: they do not see its
//! task-locals, and of its tracing span only with the feature. If one of them panics, its call ends with INTERNAL.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use futures_core::Stream;

use super::call::within;
use super::channel::Channel;
use super::subchannel::Subchannel;
use crate::call::carried::Carried;
use crate::call::caught::{caught, drop_caught};
use crate::call::codec::Codec;
use crate::call::lane::{Over, SharedLane};
use crate::call::send;
use crate::call::turn::Turn;
use crate::{Code, Origin, Status};

/// Requests of a stream that are ready together leave in one DATA frame of about this size.
const BATCH: usize = 16 * 1024;

/// Sends what is put into `lane`, in a task of its own.
pub(super) fn spawn(lane: &SharedLane, channel: &Channel, deadline: Option<Instant>) {
    let gather = |_: &mut Context<'_>, _: &mut BytesMut, _: &mut Turn| Poll::Pending;
    start(lane, channel, deadline, gather);
}

/// Sends the user's stream of requests, in a task of its own. It is not asked for any before the call is open.
pub(super) fn spawn_stream<C: Codec, S>(
    lane: &SharedLane,
    channel: &Channel,
    deadline: Option<Instant>,
    codec: C,
    messages: S,
) where
    S: Stream<Item = C::Encode> + Send + 'static,
{
    let max_len = channel.max_encoding_message_size;
    let mut messages = Box::pin(messages);
    let span = Carried::current();
    let gather = move |cx: &mut Context<'_>, batch: &mut BytesMut, turn: &mut Turn| {
        span.run(|| poll_batch(messages.as_mut(), cx, &codec, max_len, batch, turn))
    };
    start(lane, channel, deadline, gather);
}

fn start<G>(lane: &SharedLane, channel: &Channel, deadline: Option<Instant>, gather: G)
where
    G: FnMut(&mut Context<'_>, &mut BytesMut, &mut Turn) -> Poll<Gathered> + Send + 'static,
{
    match channel.tasks().of_call() {
        Ok(runtime) => {
            // The guard is made here: a runtime that stops may drop the task before its first poll.
            let guard = Guard(Some(lane.clone()));
            let subchannel = Arc::downgrade(channel.subchannel());
            runtime.spawn(run(guard, subchannel, deadline, gather));
        }
        Err(none) => {
            lane.fail(none.into());
        }
    }
}

/// Until all is sent, or the call is over.
async fn run<G>(
    guard: Guard,
    subchannel: Weak<Subchannel>,
    deadline: Option<Instant>,
    mut gather: G,
) where
    G: FnMut(&mut Context<'_>, &mut BytesMut, &mut Turn) -> Poll<Gathered>,
{
    let Some(lane) = &guard.0 else { return };
    let mut batch = BytesMut::new();
    let mut ended = false;
    let mut turn = Turn::default();
    let mut step = |cx: &mut Context<'_>| {
        loop {
            if lane.poll_flush(cx).is_ready() {
                return Poll::Ready(Step::Over);
            }
            if ended || !lane.wants_more() {
                turn.begin();
                return Poll::Pending;
            }
            if turn.is_over() {
                turn.begin();
                return Poll::Ready(Step::Yield);
            }
            match std::task::ready!(gather(cx, &mut batch, &mut turn)) {
                Gathered::More => {}
                Gathered::Ended => ended = true,
                Gathered::Failed(status) => {
                    lane.fail(status);
                    return Poll::Ready(Step::Over);
                }
            }
            lane.push(&mut batch);
            if ended {
                let _ = lane.end();
            }
        }
    };
    // The call itself passes its deadline at the same moment; the first of the two says where it was.
    let expired = || {
        lane.expired(|| {
            let subchannel = subchannel.upgrade();
            subchannel.map_or_else(String::new, |subchannel| subchannel.what_calls_wait_for())
        })
    };
    let sent = {
        let work = pin!(async {
            while let Step::Yield = poll_fn(&mut step).await {
                tokio::task::yield_now().await;
            }
            Ok::<(), Status>(())
        });
        within(None, deadline, work, expired).await
    };
    if let Err(status) = sent {
        lane.fail(status);
    }
    guard.defuse();
}

/// How far sending has come.
enum Step {
    /// To the end of the call.
    Over,
    /// To where others have their turn.
    Yield,
}

/// What was found among the user's messages.
enum Gathered {
    /// A batch, and the stream goes on.
    More,
    /// The stream ended; the batch may be empty.
    Ended,
    /// A message could not be encoded.
    Failed(Status),
}

/// Gathers the messages that are ready, up to a batch.
fn poll_batch<C: Codec, S: Stream<Item = C::Encode>>(
    mut messages: Pin<&mut S>,
    cx: &mut Context<'_>,
    codec: &C,
    max_len: usize,
    batch: &mut BytesMut,
    turn: &mut Turn,
) -> Poll<Gathered> {
    while batch.len() < BATCH {
        let next = match caught(|| messages.as_mut().poll_next(cx)) {
            Ok(next) => next,
            Err(panicked) => {
                return Poll::Ready(Gathered::Failed(panicked.status("the stream of requests")));
            }
        };
        match next {
            Poll::Ready(Some(message)) => {
                let encoded = caught(|| send::encode(codec, &message, max_len, batch));
                let encoded = encoded.unwrap_or_else(|it| Err(it.status("the codec")));
                let dropped = drop_caught(message).map_err(|it| it.status("a message's Drop"));
                if let Err(status) = encoded.and(dropped) {
                    return Poll::Ready(Gathered::Failed(status));
                }
                if turn.made_one() {
                    break;
                }
            }
            Poll::Ready(None) => return Poll::Ready(Gathered::Ended),
            Poll::Pending => {
                turn.begin();
                if batch.is_empty() {
                    return Poll::Pending;
                }
                break;
            }
        }
    }
    Poll::Ready(Gathered::More)
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
