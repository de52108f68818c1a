//! Who tries to connect, and what do connections tell?
//!
//! A subchannel that leaves IDLE sets one task to work, which attempts to connect until that succeeds: no call that
//! gives up ends an attempt that others, or later calls, may use. Neither it nor a connection holds the subchannel:
//! when the last channel is dropped, it is gone, and its attempt is dropped in the same moment, with what sockets it
//! has. Which state follows from what happened, the subchannel decides.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::admission::Admission;
use super::connect::{Made, Plan};
use super::connectivity::ConnectivityState;
use super::subchannel::Subchannel;
use super::tasks::HomeId;
use crate::call::caught::drop_caught;
use crate::conn::announced::GoAway;
use crate::error::{Error, ErrorKind};

/// The attempts of a subchannel. If they are dropped before their end, their runtime has stopped; calls from
/// another one begin anew.
pub(super) struct Attempts {
    subchannel: Weak<Subchannel>,
    /// Where they run, if at home.
    home: Option<HomeId>,
    states: watch::Receiver<ConnectivityState>,
    hurry: Arc<Notify>,
    /// They came to their end by themselves.
    ended: bool,
}

impl Attempts {
    /// Made before the task that they are the argument of: a runtime that stops may drop it before its first poll.
    pub(super) fn new(subchannel: &Arc<Subchannel>, home: Option<HomeId>) -> Self {
        Self {
            subchannel: Arc::downgrade(subchannel),
            home,
            states: subchannel.watch(),
            hurry: subchannel.hurry.clone(),
            ended: false,
        }
    }

    /// Attempts to connect until one succeeds, or the last channel is dropped.
    pub(super) async fn run(mut self) {
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
        let (connector, plan) = (this.connector.clone(), next_plan(&this));
        drop(this);
        // A connector that panics is an attempt that failed.
        let mut attempt = Box::pin(connector.connect(&plan, &self.subchannel));
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

/// What the next connection is made by.
fn next_plan(subchannel: &Subchannel) -> Plan {
    let config = subchannel.config.clone();
    let calmed = subchannel.calmed.load(Ordering::Relaxed);
    Plan {
        keepalive: config.keepalive.calmed(calmed),
        config,
    }
}

/// What a connection tells the subchannel that it was made for. Dropping it tells that it is over.
pub(super) struct Reports {
    subchannel: Weak<Subchannel>,
    pub(super) id: u64,
    pub(super) loss: Arc<Loss>,
}

/// Whether no more calls may start on a connection. It may be told of one that has not yet been handed over: SETTINGS
/// and GOAWAY can arrive together.
#[derive(Debug, Default)]
pub(super) struct Loss {
    lost: AtomicBool,
    /// What the peer said, if it did.
    said: OnceLock<String>,
}

impl Loss {
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn said(&self) -> Option<&str> {
        self.said.get().map(String::as_str)
    }
}

impl Reports {
    /// For one more connection.
    pub(super) fn new(subchannel: &Weak<Subchannel>) -> Self {
        let last = subchannel
            .upgrade()
            .map(|this| this.last_id.fetch_add(1, Ordering::Relaxed));
        Self {
            subchannel: subchannel.clone(),
            id: last.unwrap_or_default() + 1,
            loss: Arc::default(),
        }
    }

    /// Where calls wait for a place on the connection.
    pub(super) fn admission(&self) -> Arc<Admission> {
        let subchannel = self.subchannel.upgrade();
        subchannel.map_or_else(Admission::new, |subchannel| subchannel.admission.clone())
    }

    /// No more calls may start on the connection.
    pub(super) fn lost(&self) {
        self.loss.lost.store(true, Ordering::Relaxed);
        if let Some(subchannel) = self.subchannel.upgrade() {
            subchannel.lost(self.id);
        }
    }

    /// The same, by the peer's GOAWAY.
    pub(super) fn turned_away(&self, goaway: &GoAway) {
        let _ = self.loss.said.set(goaway.to_string());
        self.lost();
    }

    /// The peer finds that it is asked too often whether it is there.
    pub(super) fn too_many_pings(&self) {
        if let Some(subchannel) = self.subchannel.upgrade() {
            //= KEEPALIVE-DOUBLE  for all connections from now on
            subchannel.calmed.fetch_add(1, Ordering::Relaxed);
            #[cfg(feature = "tracing")]
            tracing::warn!(
                keepalive_interval = ?next_plan(&subchannel).keepalive.interval,
                "the server said too_many_pings: the keepalive interval is doubled; raise http2_keep_alive_interval"
            );
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.lost();
    }
}
