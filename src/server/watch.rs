//! What may end a call while the code of the user runs?
//!
//! Three things: the client resets the stream or goes away, the deadline passes, the code panics. All three are found
//! here. Whichever comes first, the code has been dropped before the call goes on.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::Reason;

use super::end::{Failure, panicked};
use super::in_place::is_in_place;
use super::reply::Reply;
use crate::call::caught::{clear_caught, poll_caught};
use crate::call::retraction::Retraction;
use crate::deadline;

impl Reply {
    /// Waits for `work`, which runs the user's code, or for what ends the call first.
    ///
    /// However it ends, `work` has been dropped then: its `Drop` is code of the user's too.
    pub(super) fn watch<W: Future>(
        &mut self,
        mut work: Pin<&mut Option<W>>,
    ) -> impl Future<Output = Result<W::Output, Failure>> {
        poll_fn(move |cx| {
            if let Poll::Ready(result) = poll_caught(work.as_mut(), cx) {
                return Poll::Ready(result.map_err(|_| panicked().into()));
            }
            let over = match self.poll_reset(cx) {
                Poll::Ready(_) => Failure::Gone,
                Poll::Pending => ready!(self.poll_deadline(cx)),
            };
            let _ = clear_caught(work.as_mut());
            Poll::Ready(Err(over))
        })
    }

    /// As [`watch`](Self::watch), for code that may read `requests`: it looks for a reset before the code
    /// does, who would take their end for a clean one, and lets it find the reset there.
    pub(super) fn watch_reading<W: Future>(
        &mut self,
        mut work: Pin<&mut Option<W>>,
        requests: &Retraction,
    ) -> impl Future<Output = Result<W::Output, Failure>> {
        poll_fn(move |cx| {
            let is_gone = self.poll_retraction(cx, requests).is_ready();
            // All that came with the request has been read there.
            let is_settled = is_in_place(cx);
            let polled = requests.reading(is_settled, || poll_caught(work.as_mut(), cx));
            if let Poll::Ready(result) = polled {
                return Poll::Ready(result.map_err(|_| panicked().into()));
            }
            let over = match is_gone {
                true => Failure::Gone,
                false => ready!(self.poll_deadline(cx)),
            };
            let _ = clear_caught(work.as_mut());
            Poll::Ready(Err(over))
        })
    }

    /// `Ready` when the stream is gone. The reason is stored in `requests`, where their reader finds it.
    pub(super) fn poll_retraction(
        &mut self,
        cx: &mut Context<'_>,
        requests: &Retraction,
    ) -> Poll<()> {
        self.poll_reset(cx).map(|reset| requests.set(reset))
    }

    /// `Ready` when the deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        //= GRPC-DEADLINE-SERVER  server drops the handler; DEADLINE_EXCEEDED trailers
        self.deadline
            .poll(cx)
            .map(|()| deadline::exceeded(deadline::IN_HANDLER).into())
    }

    /// `Ready` when the caller has reset the stream or the connection is gone.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reason, h2::Error>> {
        match &mut self.body {
            Some(body) => body.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        }
    }
}
