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

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::attempts;
use super::backoff::Backoff;
use super::connect::{Connection, Connector};
use super::endpoint::Config;
use crate::conn::chance;
use crate::{Code, Error, ErrorKind, Origin, Status};

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
    pub(super) connector: Connector,
    pub(super) config: Arc<Config>,
    state: Mutex<State>,
    failures: Mutex<Failures>,
    /// Tells each connection from those before it.
    pub(super) last_id: AtomicU64,
    /// No call may start on this connection, nor on those before it. It may be told of one that has not yet
    /// been handed over: SETTINGS and GOAWAY can arrive together.
    lost_id: AtomicU64,
    /// The keepalive interval was doubled so many times, because a peer asked for it.
    pub(super) calmed: AtomicU32,
    /// The state's name, for all who wait for another.
    changed: watch::Sender<ConnectivityState>,
    /// Calls that wait for READY; while there are any, attempts go on.
    waiting: AtomicUsize,
}

/// What went wrong since the last connection that a call could use.
#[derive(Default)]
struct Failures {
    backoff: Backoff,
    /// A connection was lost before any call could use it.
    stillborn: bool,
}

enum State {
    /// With the error of the last attempt, if it failed.
    Idle(Option<Arc<Error>>),
    Connecting,
    Ready(Connection),
    TransientFailure(Arc<Error>),
}

impl State {
    fn name(&self) -> ConnectivityState {
        match self {
            Self::Idle(_) => ConnectivityState::Idle,
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
            state: Mutex::new(State::Idle(None)),
            failures: Mutex::new(Failures::default()),
            last_id: AtomicU64::new(0),
            lost_id: AtomicU64::new(0),
            calmed: AtomicU32::new(0),
            changed: watch::Sender::new(ConnectivityState::Idle),
            waiting: AtomicUsize::new(0),
        })
    }

    /// The state as it is now.
    pub(super) fn state(&self) -> ConnectivityState {
        *self.changed.borrow()
    }

    /// The state, now and whenever it changes; SHUTDOWN is the last.
    pub(super) fn watch(&self) -> watch::Receiver<ConnectivityState> {
        self.changed.subscribe()
    }

    /// Leaves IDLE, as a call would.
    pub(super) fn connect(self: &Arc<Self>) {
        let mut state = self.lock();
        if matches!(*state, State::Idle(_)) {
            self.enter(&mut state, State::Connecting);
            tokio::spawn(attempts::keep_trying(Arc::downgrade(self)));
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
                State::Idle(_) | State::Connecting | State::TransientFailure(_) => {}
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
            changes.mark_unchanged();
            match &*self.lock() {
                // IDLE comes after the end of an attempt: other states were too short to be seen.
                State::Ready(_) | State::Idle(None) => return Ok(()),
                State::TransientFailure(error) | State::Idle(Some(error)) => {
                    return Err(error.clone());
                }
                State::Connecting => {}
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// No more calls on connection `id`: the next one makes another.
    pub(super) fn lost(&self, id: u64) {
        let mut state = self.lock();
        self.lost_id.fetch_max(id, Ordering::Relaxed);
        if matches!(&*state, State::Ready(connection) if connection.id == id) {
            self.enter(&mut state, State::Idle(None));
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

impl Drop for Subchannel {
    fn drop(&mut self) {
        self.changed.send_replace(ConnectivityState::Shutdown);
    }
}

/// What the attempts come to.
impl Subchannel {
    /// Takes the result of an attempt; tells how long to wait after a failure.
    pub(super) fn attempted(&self, result: Result<Connection, Error>) -> Option<Duration> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let error = match result {
            Ok(connection) if connection.id > self.lost_id.load(Ordering::Relaxed) => {
                *failures = Failures::default();
                self.enter(&mut state, State::Ready(connection));
                return None;
            }
            // A server that is being restarted does that once. One that does it again and again is not to be
            // asked without a pause.
            Ok(_) if !std::mem::replace(&mut failures.stillborn, true) => {
                self.enter(&mut state, State::Idle(None));
                return None;
            }
            Ok(_) => {
                let what = "the server closes each connection as soon as it is made";
                Error::new(ErrorKind::Connect, what)
            }
            Err(error) => error,
        };
        self.enter(&mut state, State::TransientFailure(Arc::new(error)));
        Some(failures.backoff.after_failure(chance::random()))
    }

    /// The wait is over: does anybody still want a connection?
    pub(super) fn try_again(&self) -> bool {
        let mut state = self.lock();
        let wanted = self.waiting.load(Ordering::SeqCst) > 0;
        let next = match &*state {
            State::TransientFailure(error) if !wanted => State::Idle(Some(error.clone())),
            _ => State::Connecting,
        };
        self.enter(&mut state, next);
        wanted
    }

    /// The attempts have stopped, and not by themselves: calls begin anew.
    pub(super) fn stopped(&self, error: Error) {
        let mut state = self.lock();
        if matches!(*state, State::Connecting | State::TransientFailure(_)) {
            self.enter(&mut state, State::Idle(Some(Arc::new(error))));
        }
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
