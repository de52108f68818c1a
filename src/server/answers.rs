//! Which answers have left?
//!
//! A call is not finished when its handler has ended, but when its answer has left: until then it may still be cut, and
//! counts as cut if it is. So while a server drains, each connection keeps the calls that end, until it is over, and
//! with each how much had been written when its answer had left. While the server serves, nothing is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::Outcome;
use super::drain::{Phase, Tally};
use super::router::Entry;

/// The calls of one connection that end in a drain.
pub(crate) struct Answers {
    tally: Arc<Tally>,
    ended: Mutex<Ended>,
}

#[derive(Default)]
struct Ended {
    answers: Vec<(Arc<Entry>, Option<u64>)>,
    /// The connection is over: nothing leaves any more.
    is_over: bool,
    /// It was this side that ended it, with calls open.
    is_cut: bool,
}

impl Answers {
    pub(crate) fn new(tally: Arc<Tally>) -> Self {
        Self {
            tally,
            ended: Mutex::default(),
        }
    }

    /// Whether the server drains. Costs a load.
    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        !self.tally.is_in(Phase::Serving)
    }

    /// A call has ended.
    #[inline]
    pub(crate) fn ended(&self, entry: &Arc<Entry>, outcome: Outcome) {
        if self.is_draining() {
            self.ended_in_drain(entry, outcome);
        }
    }

    #[cold]
    fn ended_in_drain(&self, entry: &Arc<Entry>, outcome: Outcome) {
        let mut ended = self.lock();
        if outcome == Outcome::Cut {
            let is_forced = self.tally.is_in(Phase::Forced);
            self.tally.count(entry, is_forced || ended.is_cut);
        } else if ended.is_over {
            self.tally.count(entry, ended.is_cut);
        } else {
            ended.answers.push((entry.clone(), None));
        }
    }

    /// How many have ended so far. `h2` has all that they said.
    pub(crate) fn count(&self) -> usize {
        self.lock().answers.len()
    }

    /// The first `count` have left; `written` is how much the connection has written by now.
    pub(crate) fn have_left(&self, count: usize, written: u64) {
        // The newest are last.
        let mut ended = self.lock();
        let answers = ended.answers[..count].iter_mut().rev();
        for (_, left) in answers.take_while(|(_, left)| left.is_none()) {
            *left = Some(written);
        }
    }

    /// The connection is over, for its calls: by this side's doing, if `is_cut`.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.lock().is_cut = is_cut;
    }

    /// The connection is over. Its peer has taken `taken` bytes of what was written, as far as is known.
    pub(crate) fn over(&self, taken: u64) {
        let mut ended = self.lock();
        ended.is_over = true;
        for (entry, left) in std::mem::take(&mut ended.answers) {
            let has_left = left.is_some_and(|written| written <= taken);
            self.tally.count(&entry, !has_left);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
