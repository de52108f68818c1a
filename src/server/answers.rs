//! Which answers have left?
//!
//! A call is not finished when its handler has ended, but when its answer has left: until then it may still be cut, and
//! counts as cut if it is. So while a server drains, each connection keeps the calls that end, until it is over, and
//! with each how much had been written when its answer had left. While the server serves, nothing is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::end::Outcome;
use super::tally::{Phase, Tally};

/// The calls of one connection that end in a drain.
pub(crate) struct Answers {
    tally: Arc<Tally>,
    ended: Mutex<Ended>,
}

#[derive(Default)]
struct Ended {
    answers: Vec<(Arc<str>, Option<u64>)>,
    /// The connection is over: nothing leaves any more.
    is_over: bool,
    /// It has had its last turn: was it this side that ended it, with calls open?
    is_cut: Option<bool>,
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

    /// A call of the method with this path has ended.
    #[inline]
    pub(crate) fn ended(&self, path: &Arc<str>, outcome: Outcome) {
        if self.is_draining() {
            self.ended_in_drain(path, outcome);
        }
    }

    #[cold]
    fn ended_in_drain(&self, path: &Arc<str>, outcome: Outcome) {
        let mut ended = self.lock();
        if outcome == Outcome::Cut {
            let is_forced = self.tally.is_in(Phase::Forced);
            self.tally
                .count(path, is_forced || ended.is_cut == Some(true));
        } else {
            match ended.is_cut {
                // A handler says that it has ended after `h2` has its answer, which may leave before, with the last turn.
                Some(false) => self.tally.count(path, false),
                Some(true) if ended.is_over => self.tally.count(path, true),
                _ => ended.answers.push((path.clone(), None)),
            }
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

    /// The connection has its last turn: by this side's doing, if `is_cut`.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.lock().is_cut = Some(is_cut);
    }

    /// The connection is over. Its peer has taken `taken` bytes of what was written, as far as is known.
    pub(crate) fn over(&self, taken: u64) {
        let mut ended = self.lock();
        ended.is_over = true;
        for (path, left) in std::mem::take(&mut ended.answers) {
            let has_left = left.is_some_and(|written| written <= taken);
            self.tally.count(&path, !has_left);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::drain::Drain;
    use crate::wire::code::Code;

    /// The handler's task says that it has ended after `h2` has the answer: on another thread that may be after the
    /// connection's last turn.
    #[test]
    fn s20_an_answer_that_left_with_the_last_turn_is_finished_however_late_its_handler_says_so() {
        let rows = [
            (None, 1, "before the last turn: it was not seen to leave"),
            (Some(false), 0, "the connection has ended by itself"),
            (Some(true), 1, "this side has ended it"),
        ];
        for (is_cut, cut, why) in rows {
            let drain = Drain::new();
            drain.enter(Phase::Draining);
            let answers = Answers::new(drain.tally());
            if let Some(is_cut) = is_cut {
                answers.cut(is_cut);
            }
            answers.ended(&"/test.Kit/Echo".into(), Outcome::Ended(Code::Ok));
            answers.over(u64::MAX);
            let total = drain.tally().report().total;
            assert_eq!((total.finished, total.cut), (1 - cut, cut), "{why}");
        }
    }
}
