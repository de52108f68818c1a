//! What happens when the server dies? One address, and the connection to it.
//!
//! Spec: gRPC's connectivity-semantics-and-api.md, wait-for-ready.md, gRFC A62.
//!
//! ```text
//!           a call               SETTINGS came
//!   IDLE ───────────▶ CONNECTING ─────────────▶ READY
//!    ▲                     │                     ▲  │
//!    │                     │ failed              │  │ GOAWAY, or the connection ended
//!    │                     ▼                     │  │
//!    │            TRANSIENT_FAILURE ─────────────┘  │
//!    │               attempts go on                 │
//!    └──────────────────────────────────────────────┘     any ──no channel is left──▶ SHUTDOWN
//! ```
//!
//! TRANSIENT_FAILURE stays until an attempt has succeeded (gRFC A62): those that come after the first failure are
//! made meanwhile, and calls do not wait for them, unless they asked to.
//!
//! In READY, a call takes a handle of the connection and is gone: that is one short lock. In every other
//! state it waits for the next one, or fails with the reason: `picker` decides that. A subchannel knows one address and
//! no other. The attempts to connect are in `attempts`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::admission::Admission;
use super::backoff::Backoff;
use super::config::{PerConnection, PingPolicy};
use super::connect::{Connector, Made};
use super::connectivity::ConnectivityState;
use super::places::{Connection, Permit};
use super::plan::Plan;
use super::reports::Owner;
use super::tasks::{HomeId, NoRuntime, Place, Tasks};
use crate::conn::chance;
use crate::error::{Error, ErrorKind};

/// One address and the connection to it.
pub(super) struct Subchannel {
    pub(super) connector: Connector,
    config: Arc<PerConnection>,
    pub(super) tasks: Tasks,
    state: Mutex<State>,
    failures: Mutex<Failures>,
    /// The number of the last connection.
    last_id: AtomicU64,
    /// The keepalive interval was doubled so many times, because a peer asked for it.
    calmed: AtomicU32,
    /// The state's name, for all who wait for another.
    changed: watch::Sender<ConnectivityState>,
    /// Tells the attempt that waits its time to wait no longer.
    pub(super) hurry: Arc<Notify>,
    /// The calls that wait for a place on a connection.
    pub(super) admission: Arc<Admission>,
}

/// What went wrong since the last connection that a call could use.
#[derive(Default)]
struct Failures {
    backoff: Backoff,
    /// A connection was lost before any call could use it.
    stillborn: bool,
    /// The error of the last attempt.
    last: Option<Arc<Error>>,
}

pub(super) enum State {
    /// If attempts were given up, with the reason.
    Idle(Option<Stopped>),
    Connecting,
    Ready(Arc<Connection>),
    TransientFailure(Arc<Error>),
}

/// Attempts that did not come to an end of their own.
#[derive(Clone)]
pub(super) struct Stopped {
    pub(super) error: Arc<Error>,
    /// It was at home, which is now another: the next attempt may do better at once.
    again: bool,
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
    pub(super) fn new(connector: Connector, config: Arc<PerConnection>) -> Arc<Self> {
        Arc::new(Self {
            connector,
            config,
            tasks: Tasks::new(),
            state: Mutex::new(State::Idle(None)),
            failures: Mutex::new(Failures::default()),
            last_id: AtomicU64::new(0),
            calmed: AtomicU32::new(0),
            changed: watch::Sender::new(ConnectivityState::Idle),
            hurry: Arc::default(),
            admission: Admission::new(),
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

    /// Leaves IDLE, if it is there: then this is where the attempts to connect shall run.
    ///
    /// # Errors
    /// If there is no runtime to connect in.
    pub(super) fn leave_idle(&self) -> Result<Option<Place>, NoRuntime> {
        let mut state = self.lock();
        if !matches!(*state, State::Idle(_)) {
            return Ok(None);
        }
        let place = self.tasks.place()?;
        self.enter(&mut state, State::Connecting);
        Ok(Some(place))
    }

    /// By what, and for whom, the next connection is made.
    pub(super) fn plan(self: &Arc<Self>) -> Plan {
        let owner = Arc::downgrade(self);
        Plan {
            keepalive: self.keepalive(),
            config: self.config.clone(),
            owner,
            waiters: self.admission.waiters(),
        }
    }

    fn keepalive(&self) -> PingPolicy {
        let calmed = self.calmed.load(Ordering::Relaxed);
        self.config.keepalive.calmed(calmed)
    }

    /// A place on a connection for a call, now, if the state is READY and nobody waits.
    #[inline]
    pub(super) fn ready_now(&self) -> Option<Permit> {
        self.if_ready(|connection| self.admission.now(connection))?
    }

    #[inline]
    pub(super) fn if_ready<T>(&self, look: impl FnOnce(&Arc<Connection>) -> T) -> Option<T> {
        match &*self.lock() {
            State::Ready(connection) => Some(look(connection)),
            _ => None,
        }
    }

    /// Looks at the state, which stays as it is meanwhile.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// The error of the last attempt, if there was one since the last connection.
    pub(super) fn last_error(&self) -> Option<Arc<Error>> {
        self.failures().last.clone()
    }

    /// Waits no longer before the next attempt, and little after it.
    pub(super) fn reset_backoff(&self) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.backoff = Backoff::default();
        drop(failures);
        self.hurry.notify_waiters();
    }

    fn enter(&self, state: &mut MutexGuard<'_, State>, next: State) {
        let name = next.name();
        **state = next;
        self.changed.send_replace(name);
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for Subchannel {
    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The next call makes another.
    fn lost(&self, id: u64) {
        let mut state = self.lock();
        if let State::Ready(connection) = &*state {
            if connection.owner.id == id {
                connection.places.close();
                self.enter(&mut state, State::Idle(None));
            }
        }
    }

    fn too_many_pings(&self) {
        //= KEEPALIVE-DOUBLE  for all connections from now on
        self.calmed.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        tracing::warn!(
            keepalive_interval = ?self.keepalive().interval,
            "the server said too_many_pings: the keepalive interval is doubled; raise http2_keep_alive_interval"
        );
    }
}

impl Stopped {
    /// Whether a call that has begun attempts so many times may do so again.
    pub(super) fn allows_after(&self, begun: u32) -> bool {
        begun == 0 || (self.again && begun < 3)
    }
}

impl Drop for Subchannel {
    fn drop(&mut self) {
        self.changed.send_replace(ConnectivityState::Shutdown);
    }
}

/// What the attempts come to.
impl Subchannel {
    /// Takes the result of an attempt; tells how long to wait after a failure.
    pub(super) fn attempted(&self, result: Result<Made, Error>) -> Option<Duration> {
        let mut failures = self.failures();
        let mut state = self.lock();
        let error = match result {
            Ok(made) if !made.loss.is_lost() => {
                *failures = Failures::default();
                self.admission.begin();
                self.enter(&mut state, State::Ready(made.connection));
                return None;
            }
            // A server that is being restarted does that once. One that does it again and again is not to be
            // asked without a pause.
            Ok(_) if !std::mem::replace(&mut failures.stillborn, true) => {
                self.enter(&mut state, State::Idle(None));
                return None;
            }
            Ok(made) => {
                let mut what = "the server closes each connection as soon as it is made".to_owned();
                if let Some(said) = made.loss.said() {
                    what = format!("{what}, and says {said}");
                }
                Error::new(ErrorKind::Connect, what)
            }
            Err(error) => error,
        };
        //= STICKY-FAILURE  what the attempts after this one do is not shown
        let error = Arc::new(error);
        failures.last = Some(error.clone());
        self.enter(&mut state, State::TransientFailure(error));
        Some(
            failures
                .backoff
                .after_failure(&self.config.backoff, chance::random()),
        )
    }

    /// The attempts have stopped, and not by themselves: calls begin anew.
    pub(super) fn stopped(&self, error: Error, home: Option<HomeId>) {
        if let Some(home) = home {
            self.tasks.ended(home);
        }
        let mut state = self.lock();
        if matches!(*state, State::Connecting | State::TransientFailure(_)) {
            let stopped = Stopped {
                error: Arc::new(error),
                again: home.is_some(),
            };
            self.enter(&mut state, State::Idle(Some(stopped)));
        }
    }
}
