//! How much of a thing may come: so many at once, so many a second, and so many for each useful thing.
//!
//! A count for a connection's whole life, which is what `h2` has for such things, kills a connection that is
//! merely old. A budget is spent one by one and looks at the clock only when it is used up; then it gets what the
//! time since pays, never more than a burst, and what was earned since, as far as that may be saved up.

use std::time::Duration;

use tokio::time::Instant;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Budget {
    /// May still be spent before the next look at the clock. `0 <= left <= 2 * burst + savings`.
    left: u32,
    burst: u32,
    per_second: u32,
    savings: u32,
    /// When it was filled last, and what had been earned by then.
    filled: Instant,
    earned: u64,
}

/// More was spent than there is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overdrawn;

impl Budget {
    /// A full one. Of what is earned, `savings` are kept at most.
    pub(crate) fn new(burst: u32, per_second: u32, savings: u32, now: Instant) -> Self {
        Self {
            left: burst,
            burst,
            per_second,
            savings,
            filled: now,
            earned: 0,
        }
    }

    /// Spends `cost`. `earned` is how much useful things have paid in since the beginning.
    pub(crate) fn spend(
        &mut self,
        cost: u32,
        earned: u64,
        clock: fn() -> Instant,
    ) -> Result<(), Overdrawn> {
        if let Some(left) = self.left.checked_sub(cost) {
            self.left = left;
            return Ok(());
        }
        self.fill(earned, clock());
        self.left = self.left.checked_sub(cost).ok_or(Overdrawn)?;
        Ok(())
    }

    #[cold]
    fn fill(&mut self, earned: u64, now: Instant) {
        let waited: Duration = now.saturating_duration_since(self.filled);
        let by_time = waited.as_millis().min(u128::from(u32::MAX)) as u64;
        let by_time = by_time * u64::from(self.per_second) / 1000;
        let by_time = by_time.min(u64::from(self.burst)) as u32;
        let earned_since = earned.saturating_sub(self.earned);
        let savings = earned_since.min(u64::from(self.savings)) as u32;
        self.left = self.left.saturating_add(by_time).saturating_add(savings);
        (self.filled, self.earned) = (now, earned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spends one by one, so many a second, and earns `pay` for each; how many it were at the end of each second.
    fn spent(each_second: u64, seconds: u64, pay: u64) -> u64 {
        thread_local!(static NOW: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) });
        let begin = Instant::now();
        let mut budget = Budget::new(1000, 100, 1000, begin);
        for n in 0..each_second * seconds {
            NOW.set(Some(
                begin + Duration::from_micros(n * 1_000_000 / each_second),
            ));
            if budget.spend(1, n * pay, || NOW.get().unwrap()).is_err() {
                return n;
            }
        }
        each_second * seconds
    }

    #[test]
    fn a_flood_is_over_after_a_burst_and_what_is_slow_is_never_over() {
        assert_eq!(spent(1_000_000, 1, 0), 1000, "a million a second");
        let soon = spent(2000, 10, 0);
        assert!(
            (1000..1200).contains(&soon),
            "two thousand a second: {soon}"
        );
        assert_eq!(
            spent(100, 3600, 0),
            360_000,
            "a hundred a second for an hour"
        );
        assert_eq!(spent(10_000, 10, 1), 100_000, "each pays for itself");
    }

    #[test]
    fn what_was_not_spent_is_not_saved_up_without_end() {
        let begin = Instant::now();
        let mut budget = Budget::new(10, 1, 20, begin);
        assert_eq!(budget.spend(10, 0, Instant::now), Ok(()));
        // A million was earned meanwhile.
        assert_eq!(budget.spend(4, 1_000_000, Instant::now), Ok(()));
        assert_eq!(budget.spend(16, 1_000_000, Instant::now), Ok(()));
        assert_eq!(budget.spend(1, 1_000_000, Instant::now), Err(Overdrawn));
        assert_eq!(budget.spend(5, 1_000_005, Instant::now), Ok(()));
        assert_eq!(budget.spend(1, 1_000_005, Instant::now), Err(Overdrawn));
    }
}
