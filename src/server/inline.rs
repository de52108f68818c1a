//! Whose turn is it: this task's, or another's?
//!
//! A handler is first polled where its request arrived, in the connection's task. That spares a task, a
//! queue and a wake-up for every call that answers at once. It would be wrong for slow ones: while a
//! handler computes, its connection neither reads nor writes, and other cores stand idle. So a pass over
//! the waiting requests has a budget of time, after which the rest are spawned; and a connection whose
//! handlers keep overrunning it spawns them straight away, and only now and then tries again.

use std::time::{Duration, Instant};

/// How long one pass may poll handlers in place, by default. A spawned call costs about a microsecond
/// more; this is small beside the time a task may take, and large beside a handler that answers at once.
pub(crate) const PASS: Duration = Duration::from_micros(50);

/// The clock is read before every so many handlers, because a look at it costs too.
const STRIDE: u32 = 8;

/// After an overrun this many calls are spawned without trial; doubled for each overrun in a row.
const FIRST_PENALTY: u32 = 32;
const LAST_PENALTY: u32 = 1024;

/// Decides, request by request, whether a handler is polled in place.
#[derive(Debug)]
pub(crate) struct InlineBudget {
    /// How long one pass may take.
    pass: Duration,
    /// Handlers polled in this pass; 0 at its beginning.
    polled: u32,
    started: Option<Instant>,
    /// This pass has used up its time.
    spent: bool,
    /// Calls that are still to be spawned without trial.
    sentence: u32,
    /// The next sentence. `FIRST_PENALTY <= penalty <= LAST_PENALTY`.
    penalty: u32,
}

impl InlineBudget {
    pub(crate) fn new(pass: Duration) -> Self {
        Self {
            pass,
            polled: 0,
            started: None,
            spent: false,
            sentence: 0,
            penalty: FIRST_PENALTY,
        }
    }

    /// A new pass begins.
    pub(crate) fn begin_pass(&mut self) {
        self.polled = 0;
        self.spent = false;
    }

    /// May the next handler be polled in place? `now` is asked rarely.
    pub(crate) fn allows(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.sentence > 0 {
            self.sentence -= 1;
            return false;
        }
        if self.spent {
            return false;
        }
        if self.polled % STRIDE == 0 {
            let now = now();
            match self.started.filter(|_| self.polled > 0) {
                None => self.started = Some(now),
                Some(started) if now - started > self.pass => {
                    self.spent = true;
                    // Eight quick handlers and a pre-empted thread overrun the budget as well; that is
                    // one short sentence. Slow handlers overrun it every time, and are let be.
                    if now - started > self.pass * 2 {
                        self.sentence = self.penalty;
                        self.penalty = (self.penalty * 2).min(LAST_PENALTY);
                    }
                    return false;
                }
                Some(_) => self.penalty = FIRST_PENALTY,
            }
        }
        self.polled += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `passes` of 64 requests whose handlers take `each`; how many were polled in place?
    fn inline_share(passes: u32, each: Duration) -> f64 {
        let mut clock = Instant::now();
        let mut budget = InlineBudget::new(PASS);
        let mut inline = 0;
        for _ in 0..passes {
            budget.begin_pass();
            for _ in 0..64 {
                if budget.allows(|| clock) {
                    inline += 1;
                    clock += each;
                }
            }
        }
        f64::from(inline) / f64::from(passes * 64)
    }

    #[test]
    fn quick_handlers_stay_and_slow_ones_are_let_be() {
        assert_eq!(
            inline_share(100, Duration::from_nanos(300)),
            1.0,
            "64 take 19 µs: within the budget"
        );
        let some = inline_share(100, Duration::from_micros(2));
        assert!(
            (0.3..0.7).contains(&some),
            "64 take 128 µs: half of them are spawned ({some})"
        );
        let slow = inline_share(1000, Duration::from_micros(200));
        assert!(slow < 0.02, "nearly all are spawned ({slow})");
    }
}
