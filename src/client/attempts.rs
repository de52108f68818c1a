//! Who tries to connect?
//!
//! A subchannel that leaves IDLE sets one task to work, which attempts to connect until that succeeds: no call that
//! gives up ends an attempt that others, or later calls, may use. Neither it nor a connection holds the subchannel:
//! when the last channel is dropped, it is gone, and its attempt is dropped in the same moment, with what sockets it
//! has. Which state follows from what happened, the subchannel decides.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::connect::Made;
use super::connectivity::ConnectivityState;
use super::subchannel::Subchannel;
use super::tasks::{HomeId, NoRuntime};
use crate::call::caught::drop_caught;
use crate::error::{Error, ErrorKind};

/// The attempts of a subchannel. If they are dropped before their end, their runtime has stopped; calls from
/// another one begin anew.
struct Attempts {
    subchannel: Weak<Subchannel>,
    /// Where they run, if at home.
    home: Option<HomeId>,
    states: watch::Receiver<ConnectivityState>,
    hurry: Arc<Notify>,
    /// They came to their end by themselves.
    ended: bool,
}

/// Has `subchannel` leave IDLE, as a call would.
///
/// # Errors
/// If there is no runtime to connect in.
pub(super) fn begin(subchannel: &Arc<Subchannel>) -> Result<(), NoRuntime> {
    if let Some(place) = subchannel.leave_idle()? {
        // A runtime that has ended drops the task at once, and that changes the state again.
        let attempts = Attempts::new(subchannel, place.home);
        drop(place.runtime.spawn(attempts.run()));
    }
    Ok(())
}

impl Attempts {
    /// Made before the task that they are the argument of: a runtime that stops may drop it before its first poll.
    fn new(subchannel: &Arc<Subchannel>, home: Option<HomeId>) -> Self {
        Self {
            subchannel: Arc::downgrade(subchannel),
            home,
            states: subchannel.watch(),
            hurry: subchannel.hurry.clone(),
            ended: false,
        }
    }

    /// Attempts to connect until one succeeds, or the last channel is dropped.
    async fn run(mut self) {
        let mut states = self.states.clone();
        let mut over = pin!(states.wait_for(|state| *state == ConnectivityState::Shutdown));
        let mut work = pin!(self.keep_trying());
        poll_fn(|cx| match over.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => work.as_mut().poll(cx),
        })
        .await;
    }

    async fn keep_trying(&mut self) {
        // At once, and not by the panic of each wait.
        if let Err(error) = caught(|| tokio::time::sleep(Duration::ZERO)) {
            if let Some(this) = self.subchannel.upgrade() {
                this.stopped(error, self.home);
            }
            self.ended = true;
            return;
        }
        while let Some(result) = self.attempt().await {
            // Before the wait is decided on, so that no call to hurry is missed.
            let mut hurry = pin!(self.hurry.notified());
            hurry.as_mut().enable();
            let wait = self.subchannel.upgrade().map(|this| this.attempted(result));
            let Some(Some(wait)) = wait else { break };
            let mut wait = pin!(tokio::time::sleep(wait));
            poll_fn(|cx| match hurry.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => wait.as_mut().poll(cx),
            })
            .await;
        }
        self.ended = true;
    }

    /// One attempt; `None` if no channel is left.
    async fn attempt(&self) -> Option<Result<Made, Error>> {
        let this = self.subchannel.upgrade()?;
        let (connector, plan) = (this.connector.clone(), this.plan());
        drop(this);
        // A connector that panics is an attempt that failed.
        let mut attempt = Box::pin(connector.connect(&plan));
        let result = poll_fn(|cx| {
            caught(|| attempt.as_mut().poll(cx)).unwrap_or_else(|error| Poll::Ready(Err(error)))
        });
        let result = result.await;
        let _ = drop_caught(attempt);
        Some(result)
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        let (false, Some(this)) = (self.ended, self.subchannel.upgrade()) else {
            return;
        };
        let what = "cannot connect: the attempt was cancelled, since its runtime has stopped";
        this.stopped(Error::new(ErrorKind::Connect, what), self.home);
    }
}

/// What `code` gives, or that it panicked. What a panic says stays in this process, where the panic hook has told it;
/// tokio's own two are told again, since each names a knob.
fn caught<T>(code: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "",
        };
        let why = if text.contains("enable_time") {
            "the runtime has no timers; call enable_time, or enable_all, on its builder"
        } else if text.contains("enable_io") {
            "the runtime has no sockets; call enable_io, or enable_all, on its builder"
        } else {
            "the connector panicked"
        };
        let _ = drop_caught(panic);
        Error::new(ErrorKind::Connect, format!("cannot connect: {why}"))
    })
}
