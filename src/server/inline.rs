//! Whose turn is it: this task's, or another's?
//!
//! A handler is first polled where its request arrived, in the connection's task. That spares a task, a
//! queue and a wake-up for every call that answers at once. It would be wrong for slow ones: while a
//! handler computes, its connection neither reads nor writes, and other cores stand idle. So a pass over
//! the waiting requests has a budget of time, after which the rest are spawned; and a connection whose
//! handlers keep overrunning it spawns them straight away, and only now and then tries again.
//!
//! What counts is the time of the handlers, not of the pass: what `h2` does for each request is done here
//! either way, and on a slow machine that alone would use up any budget worth its name. For the same reason
//! handlers that take no longer than their tasks would cost are not counted at all.

use std::time::{Duration, Instant};

/// How long the handlers of one pass may take in place, by default: small beside the time a task may take,
/// and large beside a handler that answers at once.
pub(crate) const PASS: Duration = Duration::from_micros(50);

/// A poll that is over sooner is not worth a task, which with its queue, its wake-up and its cold caches costs
/// a few microseconds; sending the answer alone takes one or two of them.
const QUICK: Duration = Duration::from_micros(5);

/// One handler of so many is timed, and stands for the others, because a look at the clock costs too.
const STRIDE: u32 = 8;

/// The whole pass may take this many times the handlers' budget: slow handlers that slip between two that
/// are timed are found at the next one.
const WHOLE_PASS: u32 = 40;

/// After an overrun this many calls are spawned without trial; doubled for each overrun in a row.
const FIRST_PENALTY: u32 = 32;
const LAST_PENALTY: u32 = 1024;

/// Decides, request by request, whether a handler is polled in place.
#[derive(Debug)]
pub(crate) struct InlineBudget {
    /// How long the handlers of one pass may take.
    pass: Duration,
    /// So many more are polled before one is timed. `0 <= untimed < STRIDE`.
    untimed: u32,
    /// When the one that is being timed was polled; `None` between two.
    timed: Option<Instant>,
    /// No handler of this pass has been looked at; what the next two say is of the one before.
    is_new: bool,
    /// When the first one of this pass that was timed was polled.
    began: Option<Instant>,
    /// What the handlers of this pass have taken, as far as is known and counts.
    taken: Duration,
    /// Calls that are still to be spawned without trial.
    sentence: u32,
    /// The next sentence. `FIRST_PENALTY <= penalty <= LAST_PENALTY`.
    penalty: u32,
}

impl InlineBudget {
    pub(crate) fn new(pass: Duration) -> Self {
        Self {
            pass,
            untimed: 0,
            timed: None,
            is_new: true,
            began: None,
            taken: Duration::ZERO,
            sentence: 0,
            penalty: FIRST_PENALTY,
        }
    }

    /// A new pass begins.
    pub(crate) fn begin_pass(&mut self) {
        self.is_new = true;
    }

    /// May the next handler be polled in place? If so, [`polled`](Self::polled) is told afterwards. `now` is
    /// asked rarely.
    pub(crate) fn allows(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.sentence > 0 {
            self.sentence -= 1;
            return false;
        }
        if std::mem::take(&mut self.is_new) {
            self.began = None;
            self.taken = Duration::ZERO;
        }
        if self.taken > self.pass {
            return false;
        }
        if self.untimed > 0 {
            self.untimed -= 1;
            return true;
        }
        let now = now();
        let began = *self.began.get_or_insert(now);
        if now - began > self.pass * WHOLE_PASS {
            self.overrun();
            return false;
        }
        self.untimed = STRIDE - 1;
        self.timed = Some(now);
        true
    }

    /// The handler that was allowed has been polled.
    pub(crate) fn polled(&mut self, now: impl FnOnce() -> Instant) {
        let Some(timed) = self.timed.take() else {
            return;
        };
        let took = now() - timed;
        if took > QUICK.min(self.pass) {
            self.taken += took * STRIDE;
        }
        if took > self.pass {
            self.overrun();
        } else {
            self.penalty = FIRST_PENALTY;
        }
    }

    /// A pre-empted thread makes a handler look slow as well; that is one short sentence. Handlers that are
    /// slow overrun the budget every time, and are let be. The first one after that is timed.
    fn overrun(&mut self) {
        self.sentence = self.penalty;
        self.penalty = (self.penalty * 2).min(LAST_PENALTY);
        self.untimed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `h2` takes for a request, on a slow machine.
    const H2: Duration = Duration::from_micros(5);

    /// Runs `passes` of 64 requests, of which number `n` takes `each(n)`; how many were polled in place?
    fn inline_share(passes: u32, each: impl Fn(u32) -> Duration) -> f64 {
        let mut clock = Instant::now();
        let mut budget = InlineBudget::new(PASS);
        let mut inline = 0;
        for pass in 0..passes {
            budget.begin_pass();
            for request in 0..64 {
                clock += H2;
                if budget.allows(|| clock) {
                    inline += 1;
                    clock += each(pass * 64 + request);
                    budget.polled(|| clock);
                }
            }
        }
        f64::from(inline) / f64::from(passes * 64)
    }

    #[test]
    fn quick_handlers_stay_and_slow_ones_are_let_be() {
        let micros = Duration::from_micros;
        let rows: [(u64, f64, f64, &str); 4] = [
            (0, 1.0, 1.0, "answers at once"),
            (4, 1.0, 1.0, "a task would take as long"),
            (20, 0.02, 0.2, "some, until the budget is used up"),
            (200, 0.0, 0.02, "nearly all are spawned"),
        ];
        for (took, least, most, why) in rows {
            let share = inline_share(1000, |_| micros(took));
            assert!((least..=most).contains(&share), "{took} µs, {why}: {share}");
        }
        let rare = |n: u32| micros(if n % 10 == 3 { 5_000 } else { 1 });
        let share = inline_share(1000, rare);
        assert!(share < 0.25, "a slow one among quick ones: {share}");
    }
}
