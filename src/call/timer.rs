//! A moment that may never come: the timer of a deadline.
//!
//! Most calls end long before their deadline, and most calls that have one are answered in the poll
//! that starts them. So the timer is made when somebody first has to *wait*, not when the call begins.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// Now, by the clock that tokio's tests can hold still.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Rings at a given moment, or never.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    at: Option<Instant>,
    /// Made at the first [`poll`](Self::poll) that has a moment to wait for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// A timer that rings at `at`; `None` is never.
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self { at, sleep: None }
    }

    /// When it rings.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether the moment has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.at.is_some_and(|at| at <= now())
    }

    /// Rings at another moment from now on.
    pub(crate) fn set(&mut self, at: Option<Instant>) {
        self.at = at;
        self.sleep = None;
    }

    /// `Ready` once the moment has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(at.into())));
        sleep.as_mut().poll(cx)
    }
}
