//! Whose turn is it: this task's, or another's?
//!
//! A handler is first polled where its request arrived, in the connection's task. That spares a task, a
//! queue and a wake-up for every call that returns at once. It would be wrong for slow ones: while a
//! handler computes, its connection neither reads nor writes, and other cores stand idle. So a turn has a budget of
//! time for its handlers, after which the rest are spawned; and a connection whose handlers keep overrunning it spawns
//! them straight away, and only now and then tries again.
//!
//! One handler that takes longer than the whole budget is an overrun. There is at most one in a turn: whenever another
//! request is there, the clock is looked at before its handler is polled. And the responses that are ready by then
//! leave before anything else is done, so that no response waits for two slow handlers of other calls.
//!
//! What counts is the time of the handlers, as far as it can be separated from what `h2` does for each request: that is done
//! here either way, and on a slow machine it alone would use up any budget worth its name. For the same reason
//! handlers that take no longer than their tasks would cost are not counted at all. A request that comes alone costs one
//! look at the clock, and each that comes with others one more.

use std::time::{Duration, Instant};

/// How long the handlers of one turn may take in place, by default: small beside the time a task may take,
/// and large beside a handler that returns at once.
pub(crate) const PASS: Duration = Duration::from_micros(50);

/// A poll that is over sooner is not worth a task, which with its queue, its wake-up and its cold caches costs
/// a few microseconds; sending the response alone takes one or two of them. In nanoseconds, as all that is reckoned here.
const QUICK: u64 = 5_000;

/// What `h2` takes, between two looks at the clock, to hand over the next request.
const H2: u64 = 5_000;

/// One handler of so many is looked at though no request waits behind it: slow ones that come one by one are found too.
const STRIDE: u32 = 8;

/// After an overrun this many calls are spawned without trial; doubled for each overrun in a row.
const FIRST_PENALTY: u32 = 32;
const LAST_PENALTY: u32 = 1024;

/// Decides, request by request, whether a handler is polled in place.
#[derive(Debug)]
pub(crate) struct InlineBudget {
    /// How long the handlers of one turn may take.
    pass: u64,
    /// The last look at the clock of this turn.
    looked: Option<Instant>,
    /// A handler has been polled since.
    is_unseen: bool,
    /// So many more are polled before one is looked at by itself. `0 <= unsampled < STRIDE`.
    unsampled: u32,
    /// What the handlers of this turn have taken, as far as it counts.
    taken: u64,
    /// One of them has overrun, and the responses before it have not left yet.
    has_overrun: bool,
    /// Calls that are still to be spawned without trial.
    sentence: u32,
    /// The next sentence. `FIRST_PENALTY <= penalty <= LAST_PENALTY`.
    penalty: u32,
}

impl InlineBudget {
    pub(crate) fn new(pass: Duration) -> Self {
        Self {
            pass: nanos(pass),
            looked: None,
            is_unseen: false,
            unsampled: 0,
            taken: 0,
            has_overrun: false,
            sentence: 0,
            penalty: FIRST_PENALTY,
        }
    }

    /// A new turn begins.
    pub(crate) fn begin_pass(&mut self) {
        self.looked = None;
        self.is_unseen = false;
        self.taken = 0;
    }

    /// May the next handler be polled in place? If so, [`polled`](Self::polled) is to be called afterwards.
    pub(crate) fn allows(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.sentence > 0 {
            self.sentence -= 1;
            return false;
        }
        if self.has_overrun {
            return false;
        }
        self.look(now());
        !self.has_overrun && self.taken <= self.pass
    }

    /// The handler that was allowed has been polled.
    pub(crate) fn polled(&mut self, now: impl FnOnce() -> Instant) {
        self.is_unseen = true;
        if self.unsampled > 0 {
            self.unsampled -= 1;
        } else {
            self.unsampled = STRIDE - 1;
            self.look(now());
        }
    }

    /// Has a handler overrun, so that what there is to be written should be written at once?
    pub(crate) fn has_overrun(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.is_unseen && !self.has_overrun {
            self.look(now());
        }
        self.has_overrun
    }

    /// It was written.
    pub(crate) fn written(&mut self) {
        self.has_overrun = false;
    }

    /// Judges the handler that was polled since the last look, if one was.
    #[inline]
    fn look(&mut self, now: Instant) {
        let Some(looked) = self.looked.replace(now) else {
            return;
        };
        if !std::mem::take(&mut self.is_unseen) {
            return;
        }
        let took = nanos(now.saturating_duration_since(looked));
        let took = took.saturating_sub(H2.min(self.pass));
        if took > QUICK.min(self.pass) {
            self.taken = self.taken.saturating_add(took);
        }
        if took > self.pass {
            self.overrun();
        } else {
            self.penalty = FIRST_PENALTY;
        }
    }

    /// A pre-empted thread makes a handler look slow as well; that is one short sentence. Handlers that are
    /// slow overrun the budget every time, and are let be.
    #[cold]
    fn overrun(&mut self) {
        self.has_overrun = true;
        self.sentence = self.penalty;
        self.penalty = (self.penalty * 2).min(LAST_PENALTY);
        self.unsampled = 0;
    }
}

/// In nanoseconds; five hundred years are as good as for ever.
#[inline]
fn nanos(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `h2` takes for a request, on a slow machine.
    const H2: Duration = Duration::from_micros(5);

    /// Runs `passes` of 64 requests, of which number `n` takes `each(n)`; how many were polled in place? At most one of
    /// each pass overruns.
    fn inline_share(passes: u32, each: impl Fn(u32) -> Duration) -> f64 {
        let mut clock = Instant::now();
        let mut budget = InlineBudget::new(PASS);
        let mut inline = 0;
        for pass in 0..passes {
            budget.begin_pass();
            let mut overruns = 0;
            for request in 0..64 {
                clock += H2;
                if budget.allows(|| clock) {
                    inline += 1;
                    let took = each(pass * 64 + request);
                    overruns += u32::from(took > 2 * PASS);
                    clock += took;
                    budget.polled(|| clock);
                }
            }
            assert!(overruns <= 1, "{overruns} in one turn");
            assert!(budget.has_overrun(|| clock) || overruns == 0);
            budget.written();
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

    #[test]
    fn slow_handlers_that_come_one_by_one_are_found_too() {
        let mut clock = Instant::now();
        let mut budget = InlineBudget::new(PASS);
        let mut inline = 0;
        for _ in 0..10_000 {
            budget.begin_pass();
            clock += Duration::from_millis(1);
            if budget.allows(|| clock) {
                inline += 1;
                clock += Duration::from_millis(1);
                budget.polled(|| clock);
            }
            budget.written();
        }
        assert!(inline < 100, "{inline} of 10,000");
    }

    #[test]
    fn s12_any_budget_is_borne() {
        let begun = Instant::now();
        for pass in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let mut budget = InlineBudget::new(pass);
            let mut inline = 0;
            for n in 0..1000 {
                if n % 10 == 0 {
                    budget.begin_pass();
                }
                if budget.allows(|| begun + Duration::from_secs(n)) {
                    inline += 1;
                    budget.polled(|| begun + Duration::from_secs(n + 1));
                }
                budget.written();
            }
            let expected = if pass == Duration::MAX {
                1000..=1000
            } else {
                1..=10
            };
            assert!(expected.contains(&inline), "{pass:?}: {inline}");
        }
    }
}
