//! A request that was sent, until its response has begun.
//!
//! Dropping it before gives the call up: the stream is reset, at once or, if the call has only just begun, when
//! [`Young`](super::young::Young) lets it go. A call with a deadline that expires here makes its connection ask whether the
//! peer is there (`doubt`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use h2::RecvStream;
use h2::client::ResponseFuture;

use super::doubt::Wait;
use super::places::Permit;
use crate::call::lane::SharedLane;
use crate::call::streaming::Claim;
use crate::conn::unread::Unread;
use crate::status::Status;

/// A request that was sent, until its answer has begun; then the call's place on its connection.
pub(super) struct Asked {
    /// `None` once it is known how the answer begins.
    response: Option<ResponseFuture>,
    /// `None` only when it was taken out.
    permit: Option<Permit>,
    /// Counts the DATA of the answer.
    pub(super) unread: Arc<Unread>,
    /// Where the call has a deadline, until its answer has begun.
    wait: Option<Box<Wait>>,
    /// The requests, if they are a stream: kept no longer once the answer has begun.
    lane: Option<SharedLane>,
}

impl Asked {
    pub(super) fn new(response: ResponseFuture, permit: Permit, until: Option<Instant>) -> Self {
        let wait = until.map(|until| Wait::new(until, &permit.connection.places.doubts));
        Self {
            wait,
            response: Some(response),
            unread: permit.connection.unread.clone(),
            permit: Some(permit),
            lane: None,
        }
    }

    /// The same, of requests that `lane` sends.
    pub(super) fn by(mut self, lane: &SharedLane) -> Self {
        self.lane = Some(lane.clone());
        self
    }

    /// The answer's headers.
    #[inline]
    pub(super) fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<http::Response<RecvStream>, h2::Error>> {
        let Some(response) = &mut self.response else {
            return Poll::Pending;
        };
        // Passed on where it lies: it is large.
        let polled = Pin::new(response).poll(cx);
        if let Poll::Ready(response) = &polled {
            self.response = None;
            // An error may be this side's own reset, at the deadline.
            if response.is_ok() {
                self.wait = None;
                self.answered();
            }
        }
        polled
    }

    #[inline]
    fn answered(&mut self) {
        if let Some(lane) = &self.lane {
            lane.commit();
        }
        if let Some(permit) = &mut self.permit {
            permit.heard();
        }
    }

    /// The call ended so.
    #[inline]
    pub(super) fn ended<T>(&mut self, end: Result<&T, &Status>) {
        if let Some(permit) = &mut self.permit {
            permit.ended(end);
        }
    }

    /// The call's place, for what comes after the headers.
    pub(super) fn into_claim(mut self) -> Option<Box<dyn Claim>> {
        self.permit.take().map(|permit| Box::new(permit) as _)
    }

    /// Nobody waits for the answer any more.
    #[cold]
    fn give_up(&mut self, response: ResponseFuture) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        // What came for it, and what may still come, was not and will not be read.
        self.unread.gone(response.stream_id().as_u32());
        if !permit.is_young() {
            return;
        }
        let connection = permit.connection.clone();
        // Dropped in this order, its stream is reset, and its place is free.
        if let Some(kept) = connection.places.young.keep((response, permit)) {
            drop(kept);
            return;
        }
        if let Some(lane) = &self.lane {
            // What it would reset at once is reset in its turn.
            lane.let_go();
        }
        // Nothing was reset that would wake it.
        connection.places.doubts.wake();
    }
}

impl Drop for Asked {
    #[inline]
    fn drop(&mut self) {
        if let (Some(wait), Some(permit)) = (&self.wait, &self.permit) {
            wait.is_given_up(&permit.connection.places.doubts);
        }
        if let Some(response) = self.response.take() {
            self.give_up(response);
        }
    }
}
