//! The life of one RPC, from the caller.
//!
//! There is no dispatcher and no channel between tasks: a call takes a handle of the connection, opens its
//! stream, and reads the answer in its caller's own task. What the caller drops is cancelled.
//!
//! ```text
//!   interceptors ─▶ connection ─▶ HEADERS, DATA ─▶ response headers ─▶ messages ─▶ trailers
//!        │              │  ▲            │                │                │           │
//!        │              │  └─ again, if no handler saw it┘                │           │
//!        └──────────────┴─────────── a Status, and who made it ◀──────────┴───────────┘
//! ```
//!
//! The steps, each in a file of its own: `outgoing` prepares the request and opens a stream; `shown` is what
//! interceptors see; `pump` and `uploading` send; `response` reads; `retry` decides about another attempt; `within`
//! ends all of it at the deadline. The future below is dropped then, and with it both lanes of the stream: `h2` sends
//! `RST_STREAM(CANCEL)`. A stream of responses goes on after the attempt that brought it; from there on its
//! [`Streaming`](crate::Streaming) judges the deadline, whenever it is polled.
//!
//! Here is what all kinds of call have in common, the loop of attempts. The kinds are `shapes` and `held`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::asked::Asked;
use super::channel::Channel;
use super::outgoing::Outgoing;
use super::retry::Failed;
use crate::call::lane::SharedLane;
use crate::status::Status;

/// Makes attempts until one succeeds or has failed for good, or the deadline passes. `$attempt` is evaluated for each;
/// `$again` prepares what is sent for another one, and is `false` if that cannot be sent again.
///
/// A macro, and not only the function below: around a call of one request and one response a function would be one more
/// future, which each of these calls would pay for.
macro_rules! attempts {
    ($call:expr, $channel:expr, $attempt:expr, $again:expr) => {{
        let mut retry = $crate::client::retry::RetryPolicy::default();
        loop {
            let attempt = ::std::pin::pin!($attempt);
            let expired = || $crate::client::retry::Failed::here($call.expired($channel));
            let tasks = Some($channel.tasks());
            match $crate::client::within::within(tasks, $call.deadline, attempt, expired).await {
                Ok(answer) => break Ok(answer),
                Err(failed) if retry.allows(&failed) && $again => {}
                Err(failed) => break Err($call.settle($channel, failed.status)),
            }
        }
    }};
}
pub(super) use attempts;

impl Outgoing {
    /// The loop of attempts as a function.
    pub(super) async fn attempts<T, A>(
        &self,
        channel: &Channel,
        mut attempt: impl FnMut() -> A,
        again: impl Fn() -> bool,
    ) -> Result<T, Status>
    where
        A: Future<Output = Result<T, Failed>>,
    {
        attempts!(self, channel, attempt(), again())
    }

    /// The same, where the requests are sent by `lane`, and kept by it.
    pub(super) async fn attempts_of_stream<T, F, A>(
        &self,
        channel: &Channel,
        lane: &SharedLane,
        attempt: F,
    ) -> Result<T, Status>
    where
        F: Fn(Asked) -> A,
        A: Future<Output = Result<T, Failed>>,
    {
        let attempt = &attempt;
        let one = || async move {
            let opened = self.open(channel).await?;
            lane.attach(opened.stream).map_err(Failed::here)?;
            unless_cancelled(lane, attempt(opened.asked.by(lane))).await
        };
        self.attempts(channel, one, || lane.rewind()).await
    }
}

/// What waits for an answer, until `lane` is cancelled: a failure of its own, or an end that was dropped.
pub(super) async fn unless_cancelled<T>(
    lane: &SharedLane,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Pending => lane
            .poll_cancelled(cx)
            .map(|()| Err(Failed::here(lane.told()))),
        ready => ready,
    })
    .await
}
