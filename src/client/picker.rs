//! Which connection does a call get, and how long does it wait for one?
//!
//! Spec: gRPC's wait-for-ready.md, connectivity-semantics-and-api.md.
//!
//! A call asks its channel's [`Picker`] and gets a [`Permit`]: a place on a connection, which leads to the subchannel that
//! the connection belongs to. The call asks nothing else, and knows no subchannel. Today a picker knows one. A balancer
//! would choose among several here; nothing that asks a picker would change.

use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::sync::watch;

use super::admission::Place;
use super::attempts;
use super::config::PerConnection;
use super::connect::Connector;
use super::connectivity::ConnectivityState;
use super::places::{Permit, Queue};
use super::subchannel::{State, Stopped, Subchannel};
use super::tasks::Tasks;
use crate::error::Error;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// Chooses the connections for the calls of a channel.
pub(super) struct Picker(Arc<Subchannel>);

/// A picker that does not keep its subchannel.
pub(super) struct WeakPicker(Weak<Subchannel>);

impl Picker {
    /// With one connection at a time, made by `connector`.
    pub(super) fn of_one(connector: Connector, config: PerConnection) -> Self {
        Self(Subchannel::new(connector, Arc::new(config)))
    }

    pub(super) fn downgrade(&self) -> WeakPicker {
        WeakPicker(Arc::downgrade(&self.0))
    }

    /// A place on a connection without waiting, if there is one and no other call waits.
    #[inline]
    pub(super) fn now(&self) -> Option<Permit> {
        self.0.ready_now()
    }

    /// A place on a connection for a call. Waits while an attempt is under way, and, with `wait_for_ready`, as
    /// long as it takes; then for its turn. Dropping the future stops the wait.
    ///
    /// The error is UNAVAILABLE, with the reason why the last attempt failed; or DEADLINE_EXCEEDED, if the turn
    /// comes too late for an answer.
    pub(super) async fn wait(
        &self,
        wait_for_ready: bool,
        deadline: Option<Instant>,
    ) -> Result<Permit, Status> {
        if let Some(permit) = self.now() {
            return Ok(permit);
        }
        let subchannel = &self.0;
        let place = Place::join(&subchannel.admission, deadline);
        let mut begun = 0;
        // Changes are watched from before the first look, so that none is missed between look and wait.
        let mut changes = subchannel.watch();
        loop {
            changes.mark_unchanged();
            let connection = subchannel.look(|state| match state {
                State::Ready(connection) => Ok(Some(connection.clone())),
                //= WAIT-FOR-READY  fail-fast in TRANSIENT_FAILURE only; IDLE and CONNECTING are waited for
                State::TransientFailure(error) if !wait_for_ready => Err(unavailable(error)),
                State::Idle(Some(stopped)) if !stopped.allows_after(begun) => {
                    Err(unavailable(&stopped.error))
                }
                State::Idle(_) => {
                    begun += 1;
                    Ok(None)
                }
                State::Connecting | State::TransientFailure(_) => Ok(None),
            })?;
            match connection {
                // For this call, which has just come, and for those that came while there was no connection.
                Some(connection) => subchannel.admission.fill(&connection),
                None => attempts::begin(subchannel)?,
            }
            if let Some(turn) = place.turn(&mut changes).await {
                return turn;
            }
        }
    }

    /// Waits for the first attempt to end.
    pub(super) async fn first_attempt(&self) -> Result<(), Error> {
        let mut changes = self.watch();
        attempts::begin(&self.0)?;
        loop {
            changes.mark_unchanged();
            let ended = self.0.look(|state| match state {
                // IDLE comes after READY: that was too short to be seen.
                State::Ready(_) | State::Idle(None) => Some(Ok(())),
                State::TransientFailure(error) | State::Idle(Some(Stopped { error, .. })) => {
                    Some(Err(Error::clone(error)))
                }
                State::Connecting => None,
            });
            if let Some(ended) = ended {
                return ended;
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// The state of the channel, as it is now.
    pub(super) fn state(&self) -> ConnectivityState {
        self.0.state()
    }

    /// The state, now and whenever it changes; SHUTDOWN is the last.
    pub(super) fn watch(&self) -> watch::Receiver<ConnectivityState> {
        self.0.watch()
    }

    /// Waits no longer before the next attempt to connect, and little after it.
    pub(super) fn reset_backoff(&self) {
        self.0.reset_backoff();
    }

    /// The runtimes that are known to it.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    /// What a call waits for that has no place yet.
    pub(super) fn what_calls_wait_for(&self) -> String {
        let subchannel = &*self.0;
        if let Some(scarcity) = subchannel.if_ready(|connection| connection.places.scarcity()) {
            return scarcity;
        }
        let name = subchannel.connector.name();
        let last = subchannel.last_error();
        let last = last.map_or(String::new(), |error| {
            format!("; last error: {}", cause(&error))
        });
        match subchannel.state() {
            ConnectivityState::TransientFailure => {
                format!("while waiting for READY of {name}{last}")
            }
            _ => format!("while connecting to {name}{last}"),
        }
    }
}

impl WeakPicker {
    pub(super) fn upgrade(&self) -> Option<Picker> {
        self.0.upgrade().map(Picker)
    }
}

fn unavailable(error: &Arc<Error>) -> Status {
    let mut status = Status::library(Code::Unavailable, error.to_string(), Origin::Transport);
    status.set_source(error.clone());
    status
}

/// What is at the bottom of an error: what was tried is known.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
