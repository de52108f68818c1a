//! How long until the next attempt to connect?
//!
//! Spec: gRPC's connection-backoff.md. Five numbers keep a thousand clients from falling upon a server
//! in the moment it comes back: each waits a little longer than before, up to a limit, and none of them
//! exactly as long as its neighbour. Pure: it tells durations, and waits for nothing.

use std::time::Duration;

//= BACKOFF-NUMBERS  1 s, x1.6, jitter 0.2, max 120 s, 20 s connect floor
/// The first wait.
const BASE: Duration = Duration::from_secs(1);
/// Each wait is this much longer than the one before, …
const FACTOR: f64 = 1.6;
/// … up to this, …
const MAX: Duration = Duration::from_secs(120);
/// … and longer or shorter by up to this share.
const JITTER: f64 = 0.2;
/// An attempt is given at least this long before it counts as failed.
pub(crate) const MIN_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The waits between attempts to connect to one address.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// The next wait, before jitter. `BASE <= next <= MAX`.
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: BASE }
    }
}

impl Backoff {
    /// The wait after one more failure. `random` is from 0 to 1.
    pub(crate) fn after_failure(&mut self, random: f64) -> Duration {
        // exercise(11): begin
        let wait = self.next.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
        self.next = self.next.mul_f64(FACTOR).min(MAX);
        wait
        // exercise(11): end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= BACKOFF-NUMBERS  type=test
    #[test]
    fn b86_waits_grow_by_the_table() {
        let mut backoff = Backoff::default();
        let expected = [1.0, 1.6, 2.56, 4.096, 6.5536];
        for seconds in expected {
            let wait = backoff.after_failure(0.5).as_secs_f64();
            assert!((wait - seconds).abs() < 1e-6, "{wait} for {seconds}");
        }
        for _ in 0..20 {
            backoff.after_failure(0.5);
        }
        assert_eq!(backoff.after_failure(0.5), MAX, "the longest wait");
        let rows = [(0.0, 96.0, "20 % less"), (1.0, 144.0, "20 % more")];
        for (random, seconds, why) in rows {
            assert!(
                (backoff.after_failure(random).as_secs_f64() - seconds).abs() < 1e-6,
                "{why}"
            );
        }
    }
}
