//! A moment that may never come: the timer of a deadline.
//!
//! Most calls end long before their deadline, and most calls that have one are answered in the poll
//! that starts them. So the timer is made when somebody first has to *wait*, not when the call begins.
//!
//! tokio makes timers only inside a runtime. A call may be polled outside of any, by an executor of another kind;
//! then the timer is one of another runtime's, whose name the owner knows.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};

/// Now, by the clock that tokio's tests can hold still.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Rings at a given moment, or never.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    at: Option<Instant>,
    sleep: Sleeping,
}

/// Made at the first [`poll`](Timer::poll) that has a moment to wait for.
#[derive(Debug, Default)]
enum Sleeping {
    #[default]
    NotYet,
    /// The same; and if it will be polled outside of any runtime, this one's timers serve.
    NotYetAtHome(Box<Handle>),
    Until(Pin<Box<Sleep>>),
}

impl Timer {
    /// A timer that rings at `at`; `None` is never.
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self {
            at,
            sleep: Sleeping::NotYet,
        }
    }

    /// The same, for one that may be polled outside of any runtime: then `home` has the timer.
    #[cfg(feature = "client")]
    pub(crate) fn at_home(at: Option<Instant>, home: impl FnOnce() -> Option<Handle>) -> Self {
        let home = at.and_then(|_| home());
        let sleep = home.map_or(Sleeping::NotYet, |home| {
            Sleeping::NotYetAtHome(Box::new(home))
        });
        Self { at, sleep }
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
        self.sleep = Sleeping::NotYet;
    }

    /// `Ready` once the moment has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_at(cx, || None)
    }

    /// The same; outside of any runtime, `home` tells whose timers to use. Without any the timer rings at once:
    /// nobody could keep the moment.
    pub(crate) fn poll_at(
        &mut self,
        cx: &mut Context<'_>,
        home: impl FnOnce() -> Option<Handle>,
    ) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        if let Sleeping::Until(sleep) = &mut self.sleep {
            return sleep.as_mut().poll(cx);
        }
        let known = match std::mem::take(&mut self.sleep) {
            Sleeping::NotYetAtHome(home) => Some(*home),
            Sleeping::NotYet | Sleeping::Until(_) => None,
        };
        let outside = match Handle::try_current() {
            Ok(_) => None,
            Err(_) => match known.or_else(home) {
                Some(home) => Some(home),
                None => return Poll::Ready(()),
            },
        };
        let inside = outside.as_ref().map(Handle::enter);
        let mut sleep = Box::pin(sleep_until(at.into()));
        drop(inside);
        let ready = sleep.as_mut().poll(cx);
        self.sleep = Sleeping::Until(sleep);
        ready
    }
}
