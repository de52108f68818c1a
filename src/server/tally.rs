//! What became of the calls that were in flight when a server stopped?
//!
//! The phase of the drain and the count of its calls, which the report is made of. Who moves the phase is in `drain.rs`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far a server has come with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It has not begun.
    Serving,
    /// No new calls; those in flight may end.
    Draining,
    /// What is left is cut.
    Forced,
}

/// What became of the calls that were in flight when a drain began.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The [`Phase`], where a call can see it for the price of a load.
    phase: AtomicU8,
    report: Mutex<DrainReport>,
}

impl Tally {
    /// The server is in this phase from now on.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Whether the server is in this phase. Costs a load.
    #[inline]
    pub(crate) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Counts one call of the method with this path.
    pub(crate) fn count(&self, path: &str, cut: bool) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let report = &mut *report;
        let method = report.methods.entry(path.to_owned()).or_default();
        for count in [&mut report.total, method] {
            *(if cut {
                &mut count.cut
            } else {
                &mut count.finished
            }) += 1;
        }
    }

    /// The report so far.
    pub(crate) fn report(&self) -> DrainReport {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What became of the calls that were in flight when a server was told to stop.
///
/// A call that its caller cancelled meanwhile counts as finished: nothing of it was lost by stopping. One whose
/// answer had not left when its connection was cut counts as cut, and so does one whose caller has not taken the answer
/// from the network in the time there was, as far as a server can know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// All calls together.
    pub total: DrainCount,
    /// By method, `/package.Service/Method`.
    pub methods: BTreeMap<String, DrainCount>,
}

/// How many calls ended by themselves during a drain, and how many were cut at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainCount {
    /// Ended by themselves.
    pub finished: u64,
    /// Still open when the time was up.
    pub cut: u64,
}

impl std::fmt::Display for DrainReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} calls finished, {} cut",
            self.total.finished, self.total.cut
        )
    }
}
