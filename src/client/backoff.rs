//! How long until the next attempt to connect?
//!
//! Spec: gRPC's connection-backoff.md. Five numbers keep a thousand clients from falling upon a server
//! in the moment it comes back: each waits a little longer than before, up to a limit, and none of them
//! exactly as long as its neighbour. Pure: it tells durations, and waits for nothing.

use std::time::Duration;

/// An attempt is given at least this long before it counts as failed.
pub(crate) const MIN_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The numbers, by the specification's names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Numbers {
    /// The first wait.
    pub(crate) initial: Duration,
    /// Each wait is this much longer than the one before, …
    pub(crate) multiplier: f64,
    /// … up to this, …
    pub(crate) max: Duration,
    /// … and longer or shorter by up to this share.
    pub(crate) jitter: f64,
}

impl Default for Numbers {
    fn default() -> Self {
        //= BACKOFF-NUMBERS  1 s, x1.6, jitter 0.2, max 120 s, 20 s connect floor
        Self {
            initial: Duration::from_secs(1),
            multiplier: 1.6,
            max: Duration::from_secs(120),
            jitter: 0.2,
        }
    }
}

/// The shortest wait, jitter left out: what asks for none would ask for all of a processor.
const LEAST: Duration = Duration::from_millis(10);

/// The waits between attempts to connect to one address.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The wait before the last failure, before jitter; `None` before the first.
    last: Option<Duration>,
}

impl Backoff {
    /// The wait after one more failure. `random` is from 0 to 1.
    pub(crate) fn after_failure(&mut self, numbers: &Numbers, random: f64) -> Duration {
        // exercise(11): begin
        let max = numbers.max.max(LEAST);
        let next = match self.last {
            None => numbers.initial,
            Some(last) => times(last, numbers.multiplier),
        };
        let next = next.clamp(LEAST, max);
        self.last = Some(next);
        times(next, 1.0 - numbers.jitter + 2.0 * numbers.jitter * random)
        // exercise(11): end
    }
}

/// Any two numbers may be told to an endpoint: what is no duration is the longest.
fn times(wait: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= BACKOFF-NUMBERS  type=test
    #[test]
    fn b86_waits_grow_by_the_table() {
        let numbers = Numbers::default();
        let mut backoff = Backoff::default();
        let expected = [1.0, 1.6, 2.56, 4.096, 6.5536];
        for seconds in expected {
            let wait = backoff.after_failure(&numbers, 0.5).as_secs_f64();
            assert!((wait - seconds).abs() < 1e-6, "{wait} for {seconds}");
        }
        for _ in 0..20 {
            backoff.after_failure(&numbers, 0.5);
        }
        assert_eq!(
            backoff.after_failure(&numbers, 0.5),
            numbers.max,
            "the longest wait"
        );
        let rows = [(0.0, 96.0, "20 % less"), (1.0, 144.0, "20 % more")];
        for (random, seconds, why) in rows {
            let wait = backoff.after_failure(&numbers, random).as_secs_f64();
            assert!((wait - seconds).abs() < 1e-6, "{why}");
        }
    }

    #[test]
    fn c24_odd_numbers_do_no_harm() {
        let row = |initial, multiplier, jitter, max| Numbers {
            initial,
            multiplier,
            jitter,
            max,
        };
        let (none, second, all) = (Duration::ZERO, Duration::from_secs(1), Duration::MAX);
        #[rustfmt::skip]
        let rows = [
            (row(none, 1.6, 0.0, none), LEAST, "no wait at all"),
            (row(second, 0.0, 0.0, second), LEAST, "waits that shrink"),
            (row(second, f64::INFINITY, 0.0, second), second, "waits that grow at once"),
            (row(second, f64::NAN, 0.0, second), second, "no number"),
            (row(all, 1e300, 0.2, all), all, "the longest of all"),
            (row(all, 1.6, 1.0, second), second, "the limit counts"),
        ];
        for (numbers, expected, why) in rows {
            let mut backoff = Backoff::default();
            backoff.after_failure(&numbers, 0.5);
            let second = backoff.after_failure(&numbers, 0.5);
            let near = second.as_secs_f64() / expected.as_secs_f64();
            assert!((0.99..1.01).contains(&near), "{why}: {second:?}");
            backoff.after_failure(&numbers, 1.0);
        }
    }
}
