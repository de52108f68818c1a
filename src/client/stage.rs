//! Where was a call when its deadline passed?
//!
//! "The deadline passed" helps nobody: was the server slow, was it there at all, had the call left? So
//! a call keeps a byte that says how far it came, and the sentence is made of it when it is needed.

use std::sync::atomic::{AtomicU8, Ordering};

use super::picker::Picker;
use crate::deadline;
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
    pub(super) fn expired(&self, picker: &Picker) -> Status {
        match self.0.load(Ordering::Relaxed) {
            BEGUN => deadline::exceeded("before the request was made"),
            WAITS => deadline::exceeded(&picker.what_calls_wait_for()),
            SENT => deadline::exceeded(deadline::IN_REQUEST),
            _ => deadline::exceeded(deadline::IN_ANSWER),
        }
    }
}
