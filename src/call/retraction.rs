//! Does the end of a request count?
//!
//! A client that cancels may end its requests first and reset the stream then; Node.js always does, in one
//! breath. `h2` keeps the end for whoever reads, and the reset for whoever answers: a reader would see a clean
//! end, and take what was sent of an upload for all of it. So whoever answers leaves the reset here, and whoever
//! reads looks here when the requests have ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::call::Side;
use crate::call::ending::{status_of, status_of_reset};
use crate::conn::counter::Counted;
use crate::status::Status;

/// Whether a request that has ended was taken back. Clones are of one call.
#[derive(Clone, Default)]
pub(crate) struct Retraction {
    shared: Arc<Shared>,
    /// The end has let others run.
    has_yielded: bool,
}

#[derive(Default)]
struct Shared {
    status: OnceLock<Status>,
    /// Counts a reader, who may outlive the call: until the last clone is dropped.
    _reader: Option<Counted>,
    /// The code that may read runs now, and all that came with the end of the requests has been looked at.
    is_settled: AtomicBool,
}

impl Retraction {
    /// For a request whose reader is counted as `reader`.
    pub(crate) fn new(reader: Counted) -> Self {
        let shared = Shared {
            _reader: Some(reader),
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
            has_yielded: false,
        }
    }

    /// The stream was reset, or its connection is gone.
    pub(crate) fn set(&self, reset: Result<h2::Reason, h2::Error>) {
        let status = match reset {
            Ok(reason) => status_of_reset(reason),
            Err(error) => status_of(error, Side::Server),
        };
        // The first reason counts.
        let _ = self.shared.status.set(status);
    }

    /// Polls the code that may read the requests. `is_settled`: what came with them has been read before, and
    /// looked at.
    pub(crate) fn reading<T>(&self, is_settled: bool, poll: impl FnOnce() -> T) -> T {
        self.shared.is_settled.store(is_settled, Ordering::Relaxed);
        let polled = poll();
        self.shared.is_settled.store(false, Ordering::Relaxed);
        polled
    }

    /// The requests have ended. `Ready` when it is known whether that counts.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        if let Some(status) = self.shared.status.get() {
            return Poll::Ready(Err(status.clone()));
        }
        // Whoever reads was woken by the end, and may be quicker than the reset behind it: in a task of the
        // user's always, and now and then on another thread.
        if !self.has_yielded && !self.shared.is_settled.load(Ordering::Relaxed) {
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}
