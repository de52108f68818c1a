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
use super::retry::{Failed, RetryPolicy};
use super::within::within;
use crate::call::lane::SharedLane;
use crate::status::Status;

impl Outgoing {
    /// Makes attempts until one succeeds or has failed for good, or the deadline passes. `again` prepares what is sent
    /// for another one; it returns `false` if that cannot be sent again.
    pub(super) async fn attempts<T, A>(
        &self,
        channel: &Channel,
        mut attempt: impl FnMut() -> A,
        again: impl Fn() -> bool,
    ) -> Result<T, Status>
    where
        A: Future<Output = Result<T, Failed>>,
    {
        let work = pin!(async {
            let mut retry = RetryPolicy::default();
            loop {
                match attempt().await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) if retry.allows(&failed) && again() => {}
                    Err(failed) => return Err(failed.status),
                }
            }
        });
        within(Some(channel.tasks()), self.deadline, work, || {
            self.expired(channel)
        })
        .await
        .map_err(|status| self.settle(channel, status))
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
