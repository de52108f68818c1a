//! What happens when the server dies? One address, and the connection to it.
//!
//! Spec: gRPC's connectivity-semantics-and-api.md, wait-for-ready.md.
//!
//! ```text
//!            a call              SETTINGS came
//!   IDLE ───────────▶ CONNECTING ────────────▶ READY
//!    ▲ ▲                 │  ▲                    │
//!    │ │          failed │  │ somebody waits     │ GOAWAY, or the connection ended
//!    │ │                 ▼  │                    │
//!    │ └─ backoff over ─ TRANSIENT_FAILURE       │
//!    └───────────────────────────────────────────┘            any ──no channel is left──▶ SHUTDOWN
//! ```
//!
//! In READY, a call takes a handle of the connection and is gone: that is one short lock. In every other
//! state it waits for the next one, or is told why it need not. One of several subchannels, some day: it
//! knows one address and no other.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::backoff::Backoff;
use super::connect::{Connection, Connector};
use super::endpoint::Config;
use crate::conn::chance;
use crate::{Code, Error, Origin, Status};

/// The state of a channel's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectivityState {
    /// There is no connection, and nobody needs one. A call will make one.
    Idle,
    /// An attempt is under way. Calls wait for it.
    Connecting,
    /// Calls go through.
    Ready,
    /// The last attempt failed, and the next one waits its time. Calls fail, unless they wait for ready.
    TransientFailure,
    /// The channel is closed.
    Shutdown,
}

/// One address and the connection to it.
pub(super) struct Subchannel {
    connector: Connector,
    config: Arc<Config>,
    state: Mutex<State>,
    /// Begins anew after each success.
    backoff: Mutex<Backoff>,
    /// Tells each connection from all others.
    next_id: AtomicU64,
    /// The state's name, for all who wait for another.
    changed: watch::Sender<ConnectivityState>,
    /// Calls that wait for READY; while there are any, attempts go on.
    waiting: AtomicUsize,
}

enum State {
    Idle,
    Connecting,
    Ready(Connection),
    TransientFailure(Arc<Error>),
}

impl State {
    fn name(&self) -> ConnectivityState {
        match self {
            Self::Idle => ConnectivityState::Idle,
            Self::Connecting => ConnectivityState::Connecting,
            Self::Ready(_) => ConnectivityState::Ready,
            Self::TransientFailure(_) => ConnectivityState::TransientFailure,
        }
    }
}

impl Subchannel {
    pub(super) fn new(connector: Connector, config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self {
            connector,
            config,
            state: Mutex::new(State::Idle),
            backoff: Mutex::new(Backoff::new()),
            next_id: AtomicU64::new(0),
            changed: watch::Sender::new(ConnectivityState::Idle),
            waiting: AtomicUsize::new(0),
        })
    }

    /// The state as it is now.
    pub(super) fn state(&self) -> ConnectivityState {
        *self.changed.borrow()
    }

    /// The state, now and whenever it changes. It says SHUTDOWN by ending.
    pub(super) fn watch(&self) -> watch::Receiver<ConnectivityState> {
        self.changed.subscribe()
    }

    /// Leaves IDLE, as a call would.
    pub(super) fn connect(self: &Arc<Self>) {
        let mut state = self.lock();
        if matches!(*state, State::Idle) {
            self.enter(&mut state, State::Connecting);
            tokio::spawn(keep_trying(Arc::downgrade(self)));
        }
    }

    /// A connection to make a call on, now, if the state is READY.
    pub(super) fn ready_now(&self) -> Option<Connection> {
        match &*self.lock() {
            State::Ready(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// A connection to make a call on. Waits while an attempt is under way, and, with `wait_for_ready`, as
    /// long as it takes. Dropping the future stops the wait.
    ///
    /// The error is UNAVAILABLE, with the reason why the last attempt failed.
    pub(super) async fn ready(
        self: &Arc<Self>,
        wait_for_ready: bool,
    ) -> Result<Connection, Status> {
        if let Some(connection) = self.ready_now() {
            return Ok(connection);
        }
        let _waiting = Waiting::new(self);
        // Changes are watched from before the first look, so that none is missed between look and wait.
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            match &*self.lock() {
                State::Ready(connection) => return Ok(connection.clone()),
                //= WAIT-FOR-READY  fail-fast in TRANSIENT_FAILURE only; IDLE and CONNECTING are waited for
                State::TransientFailure(error) if !wait_for_ready => {
                    return Err(unavailable(error));
                }
                State::Idle | State::Connecting | State::TransientFailure(_) => {}
            }
            self.connect();
            if changes.changed().await.is_err() {
                return Err(Status::library(
                    Code::Unavailable,
                    "the channel is closed",
                    Origin::Transport,
                ));
            }
        }
    }

    /// Waits for the first attempt to end.
    pub(super) async fn first_attempt(self: &Arc<Self>) -> Result<(), Arc<Error>> {
        let mut changes = self.changed.subscribe();
        self.connect();
        loop {
            match &*self.lock() {
                State::Ready(_) => return Ok(()),
                State::TransientFailure(error) => return Err(error.clone()),
                State::Idle | State::Connecting => {}
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// No more calls on connection `id`: the next one makes another.
    pub(super) fn lost(&self, id: u64) {
        let mut state = self.lock();
        if matches!(&*state, State::Ready(connection) if connection.id == id) {
            self.enter(&mut state, State::Idle);
        }
    }

    fn enter(&self, state: &mut MutexGuard<'_, State>, next: State) {
        let name = next.name();
        **state = next;
        self.changed.send_replace(name);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(error: &Arc<Error>) -> Status {
    let mut status = Status::library(Code::Unavailable, error.to_string(), Origin::Transport);
    status.set_source(error.clone());
    status
}

/// Attempts to connect until one succeeds, or nobody needs it any more.
///
/// Holds the subchannel only weakly: when the last channel is dropped, so are the attempts.
async fn keep_trying(subchannel: Weak<Subchannel>) {
    loop {
        let Some(this) = subchannel.upgrade() else {
            return;
        };
        let id = this.next_id.fetch_add(1, Ordering::Relaxed);
        let weak = subchannel.clone();
        let unusable = Box::new(move || {
            if let Some(this) = weak.upgrade() {
                this.lost(id);
            }
        });
        let (connector, config) = (this.connector.clone(), this.config.clone());
        drop(this);
        let result = connector.connect(&config, id, unusable).await;

        let Some(this) = subchannel.upgrade() else {
            return;
        };
        let wait = match this.attempted(result) {
            Some(wait) => wait,
            None => return,
        };
        drop(this);
        tokio::time::sleep(wait).await;

        let Some(this) = subchannel.upgrade() else {
            return;
        };
        if !this.try_again() {
            return;
        }
    }
}

impl Subchannel {
    /// Takes the result of an attempt; tells how long to wait after a failure.
    fn attempted(&self, result: Result<Connection, Error>) -> Option<Duration> {
        let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        match result {
            Ok(connection) => {
                *backoff = Backoff::new();
                self.enter(&mut state, State::Ready(connection));
                None
            }
            Err(error) => {
                self.enter(&mut state, State::TransientFailure(Arc::new(error)));
                Some(backoff.after_failure(chance::random()))
            }
        }
    }

    /// The wait is over: does anybody still want a connection?
    fn try_again(&self) -> bool {
        let mut state = self.lock();
        let wanted = self.waiting.load(Ordering::SeqCst) > 0;
        self.enter(
            &mut state,
            if wanted {
                State::Connecting
            } else {
                State::Idle
            },
        );
        wanted
    }
}

/// One call that waits for READY, counted until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(subchannel: &'a Subchannel) -> Self {
        subchannel.waiting.fetch_add(1, Ordering::SeqCst);
        Self(&subchannel.waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
