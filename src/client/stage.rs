//! Where was a call when its deadline passed?
//!
//! "The deadline passed" helps nobody: was the server slow, was it there at all, had the call left? So
//! a call keeps a byte that says how far it came, and the sentence is made of it when it is needed.

use std::sync::atomic::{AtomicU8, Ordering};

use super::connectivity::ConnectivityState;
use super::subchannel::Subchannel;
use crate::deadline;
use crate::error::Error;
use crate::status::Status;

/// How far a call has come. It is written and read in one task at a time.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

/// It waits for an interceptor.
const BEGUN: u8 = 0;
/// It waits for a connection, or for a place on it.
const WAITS: u8 = 1;
/// Its request headers are on their way.
const SENT: u8 = 2;
/// The answer has begun.
const ANSWERED: u8 = 3;

impl Stage {
    pub(super) fn waits(&self) {
        self.0.store(WAITS, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn sent(&self) {
        self.0.store(SENT, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn answered(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    /// DEADLINE_EXCEEDED, and where the call was.
    #[cold]
    pub(super) fn expired(&self, subchannel: &Subchannel) -> Status {
        match self.0.load(Ordering::Relaxed) {
            BEGUN => deadline::exceeded("before the request was made"),
            WAITS => deadline::exceeded(&subchannel.what_calls_wait_for()),
            SENT => deadline::exceeded(deadline::IN_REQUEST),
            _ => deadline::exceeded(deadline::IN_ANSWER),
        }
    }
}

impl Subchannel {
    /// What a call waits for that has no place yet.
    pub(super) fn what_calls_wait_for(&self) -> String {
        if let Some(scarcity) = self.if_ready(|connection| connection.places.scarcity()) {
            return scarcity;
        }
        let name = self.connector.name();
        let last = self.last_error();
        let last = last.map_or(String::new(), |error| {
            format!("; last error: {}", cause(&error))
        });
        match self.state() {
            ConnectivityState::TransientFailure => {
                format!("while waiting for READY of {name}{last}")
            }
            _ => format!("while connecting to {name}{last}"),
        }
    }
}

/// What is at the bottom of an error: what was tried is known.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
