//! Does a client reset what it has just begun?
//!
//! Rapid Reset (CVE-2023-44487): a stream that was reset no longer counts against the limit of streams, so a
//! client that resets at once makes a server begin work without bound. A reset is held against it only
//! if it is *premature*: no response headers have left, and the call's deadline, which a client enforces by
//! such a reset, is not near. Honest clients do that too, when a user turns a page, or for the slower of two hedged
//! calls; but they also have calls answered, and these pay.
//!
//! Counted where a call finds that it was reset, which is off the path of those that are answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::Instant as TokioInstant;

use crate::conn::budget::Budget;

/// The two ends of a call do not have the same clock: a reset may come so long before the deadline here.
const SKEW: Duration = Duration::from_millis(50);

/// So many at once are forgiven, fifteen pages of two hundred calls that are turned in one second, …
const AT_ONCE: u32 = 3000;
/// … then so many a second …
const PER_SECOND: u32 = 100;
/// … and so many for each call that was answered: gRPC's hedging has two or three attempts of one call under way.
const PER_ANSWER: u64 = 2;
/// What answers have earned is saved up to here.
const SAVED: u32 = 2000;
/// The budget is looked at each time that so many have come.
const STEP: u64 = 64;

/// Premature resets of one connection's calls, which run in many tasks.
#[derive(Debug, Default)]
pub(crate) struct Resets(AtomicU64);

impl Resets {
    /// A call was reset before its response headers left.
    #[cold]
    pub(crate) fn count(&self, deadline: Option<Instant>, now: Instant) {
        if deadline.is_none_or(|deadline| deadline.saturating_duration_since(now) > SKEW) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of them a connection forgives.
#[derive(Debug)]
pub(crate) struct ResetGuard {
    budget: Budget,
    /// Resets that the budget has paid for, and at which number it is asked again.
    paid: u64,
    next: u64,
}

impl ResetGuard {
    pub(crate) fn new(now: TokioInstant) -> Self {
        Self {
            budget: Budget::new(AT_ONCE, PER_SECOND, SAVED, now),
            paid: 0,
            next: STEP,
        }
    }

    /// Whether it has been too many by now. `begun` is how many calls were.
    #[inline(always)]
    pub(crate) fn is_over(&mut self, resets: &Resets, begun: u64) -> bool {
        let resets = resets.get();
        resets >= self.next && self.pay(resets, begun, TokioInstant::now)
    }

    #[cold]
    fn pay(&mut self, resets: u64, begun: u64, clock: fn() -> TokioInstant) -> bool {
        let new = u32::try_from(resets - self.paid).unwrap_or(u32::MAX);
        (self.paid, self.next) = (resets, resets + STEP);
        let answered = begun.saturating_sub(resets);
        let earned = PER_ANSWER * answered;
        self.budget.spend(new, earned, clock).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resets until the end, or 100,000 of them: each hundred comes with so many answers, and they come so many a
    /// second.
    fn forgiven(answers: u64, per_second: u64) -> u64 {
        thread_local!(static NOW: std::cell::Cell<Option<TokioInstant>> = const { std::cell::Cell::new(None) });
        let begin = TokioInstant::now();
        let mut guard = ResetGuard::new(begin);
        for hundreds in 1..=1000 {
            let resets = hundreds * 100;
            NOW.set(Some(
                begin + Duration::from_millis(resets * 1000 / per_second),
            ));
            if guard.pay(resets, resets + hundreds * answers, || NOW.get().unwrap()) {
                return resets;
            }
        }
        100_000
    }

    #[test]
    fn a_flood_of_resets_is_over_soon_and_cancels_among_answers_are_fine() {
        let rows = [
            (0, 20_000, 3000..3400, "nothing but resets"),
            (0, 4500, 3000..3400, "slower, still over within a second"),
            (0, 100, 100_000..100_001, "100 a second for ever"),
            (30, 20_000, 5000..8000, "an attack behind a few answers"),
            (
                100,
                5000,
                100_000..100_001,
                "hedges: one of two is answered",
            ),
            (50, 5000, 100_000..100_001, "one of three is"),
        ];
        for (answers, per_second, expected, why) in rows {
            let found = forgiven(answers, per_second);
            assert!(expected.contains(&found), "{why}: {found}");
        }
    }

    #[test]
    fn a_reset_at_the_deadline_is_not_premature() {
        let now = Instant::now();
        let rows = [
            (None, 1, "no deadline"),
            (Some(1000), 1, "far"),
            (Some(10), 0, "near"),
            (Some(0), 0, "now"),
        ];
        for (ahead, expected, why) in rows {
            let resets = Resets::default();
            resets.count(ahead.map(|ahead| now + Duration::from_millis(ahead)), now);
            assert_eq!(resets.get(), expected, "{why}");
        }
    }
}
