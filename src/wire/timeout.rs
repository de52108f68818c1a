//! `grpc-timeout`: how long the caller will wait, in at most nine bytes.
//!
//! ```text
//! Timeout      → "grpc-timeout" TimeoutValue TimeoutUnit
//! TimeoutValue → positive integer, at most 8 ASCII digits
//! TimeoutUnit  → H / M / S / m / u / n      hours, minutes, seconds, milli-, micro-, nanoseconds
//! ```
//!
//! **Which way to round?** Eight digits do not hold every duration, and then a coarser unit must
//! do. The caller keeps the true deadline on its own clock and cancels when it has passed; the
//! value on the wire only tells the server when work has become useless. Rounded down, the server
//! would give up on a call that the caller still waits for. Rounded up, it works at most one part
//! in 100,000 too long, on a call that is being cancelled anyway. So we round up, and the deadline
//! that counts, the caller's own, neither grows nor shrinks.
//!
//! **Which unit?** The coarsest that says the duration exactly (one second is `1S`, not
//! `1000000u`), or else the finest that fits. A value that no unit holds becomes `99999999H`,
//! 11,000 years.
//!
//! This file knows no clock: when a timeout *starts*, and what an elapsed one means, is the
//! deadline's matter.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests).

use std::fmt;
use std::time::Duration;

/// The most that eight digits say.
const MAX_VALUE: u64 = 99_999_999;
/// Eight digits and a unit.
const MAX_LEN: usize = 9;

/// The units but the last, finest first, each with how many of it make one of the next.
const UNITS: [(u8, u64); 5] = [
    (b'n', 1000),
    (b'u', 1000),
    (b'm', 1000),
    (b'S', 60),
    (b'M', 60),
];
/// Where `UNITS` goes on from seconds.
const SECONDS: usize = 3;

/// Writes a timeout, rounded up if eight digits cannot hold it.
///
/// The grammar has no zero: a timeout of nothing is written `1n`, which has elapsed by the time
/// anybody reads it.
///
/// ```
/// use std::time::Duration;
/// use temaki::wire::timeout::encode;
///
/// assert_eq!(encode(Duration::from_secs(5)).as_str(), "5S");
/// assert_eq!(encode(Duration::from_millis(1500)).as_str(), "1500m");
/// assert_eq!(encode(Duration::from_nanos(100_000_001)).as_str(), "100001u"); // up, never down
/// ```
pub fn encode(timeout: Duration) -> TimeoutValue {
    // exercise(02): begin
    //= GRPC-TIMEOUT-DIGITS  a positive integer of at most 8 digits
    let (mut amount, units) = match u64::try_from(timeout.as_nanos()) {
        Ok(nanos) => (nanos.max(1), &UNITS[..]),
        // 584 years and more: seconds are fine enough, and fit.
        Err(_) => {
            let begun = u64::from(timeout.subsec_nanos() > 0);
            (timeout.as_secs().saturating_add(begun), &UNITS[SECONDS..])
        }
    };
    for &(unit, per_next) in units {
        if amount <= MAX_VALUE && amount % per_next != 0 {
            return TimeoutValue::new(amount, unit);
        }
        amount = amount.div_ceil(per_next);
    }
    TimeoutValue::new(amount.min(MAX_VALUE), b'H')
    // exercise(02): end
}

/// Reads a timeout. Any value that the grammar allows fits a [`Duration`]; zero is let through, as
/// already elapsed.
///
/// # Errors
///
/// [`TimeoutError`] for anything else: no digit or more than eight, a sign, a space, an unknown
/// unit. A server must refuse such a call and not serve it without a deadline, for the caller
/// believes that there is one.
pub fn decode(value: &[u8]) -> Result<Duration, TimeoutError> {
    let Some((&unit, digits)) = value.split_last() else {
        return Err(TimeoutError::Empty);
    };
    //= GRPC-TIMEOUT-UNITS  H M S m u n, case-sensitive
    let scale: fn(u64) -> Duration = match unit {
        b'H' => |n| Duration::from_secs(n * 3600),
        b'M' => |n| Duration::from_secs(n * 60),
        b'S' => Duration::from_secs,
        b'm' => Duration::from_millis,
        b'u' => Duration::from_micros,
        b'n' => Duration::from_nanos,
        other => return Err(TimeoutError::Unit(other)),
    };
    //= GRPC-TIMEOUT-DIGITS  at most 8 digits, no sign
    if digits.is_empty() || digits.len() >= MAX_LEN {
        return Err(TimeoutError::Digits(digits.len()));
    }
    // Not `str::parse`, which takes a sign.
    let mut amount = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(TimeoutError::NotADigit(digit));
        }
        amount = amount * 10 + u64::from(digit - b'0');
    }
    Ok(scale(amount))
}

/// A header value for `grpc-timeout`, such as `1500m`; lives on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeoutValue {
    /// The value stands right-aligned: `text[start..]`, all ASCII.
    text: [u8; MAX_LEN],
    /// `0 ..= MAX_LEN - 2`
    start: usize,
}

impl TimeoutValue {
    /// `amount` is at most `MAX_VALUE`.
    fn new(mut amount: u64, unit: u8) -> Self {
        let mut text = [b'0'; MAX_LEN];
        let mut start = MAX_LEN - 1;
        text[start] = unit;
        while amount > 0 && start > 0 {
            start -= 1;
            text[start] = b'0' + (amount % 10) as u8;
            amount /= 10;
        }
        TimeoutValue { text, start }
    }

    /// The value as it goes into the header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        // Only digits and a unit letter were ever put in.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for TimeoutValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TimeoutValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a `grpc-timeout` could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutError {
    /// The header was there, its value empty.
    Empty,
    /// Not 1 to 8 digits before the unit, but this many.
    Digits(usize),
    /// A sign, a space, a point, or something else where a digit belongs.
    NotADigit(u8),
    /// The last byte is not one of `H M S m u n`.
    Unit(u8),
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeoutError::Empty => f.write_str("grpc-timeout is empty")?,
            TimeoutError::Digits(n) => write!(f, "grpc-timeout has {n} digits")?,
            TimeoutError::NotADigit(byte) => write!(
                f,
                "grpc-timeout has '{}' among its digits",
                byte.escape_ascii()
            )?,
            TimeoutError::Unit(byte) => write!(
                f,
                "grpc-timeout ends in '{}', not in a unit",
                byte.escape_ascii()
            )?,
        }
        f.write_str(", expected 1 to 8 digits and one of H M S m u n, such as 1500m")
    }
}

impl std::error::Error for TimeoutError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    //= GRPC-TIMEOUT-DIGITS  type=test
    //= GRPC-TIMEOUT-UNITS  type=test
    #[test]
    fn b09_writes_at_most_eight_digits_and_rounds_up() {
        #[rustfmt::skip]
        let rows = [
            (Duration::ZERO, "1n", "the grammar has no zero"),
            (Duration::from_nanos(1), "1n", "the least there is"),
            (Duration::from_nanos(99_999_999), "99999999n", "the most that nanoseconds say"),
            (Duration::from_nanos(100_000_000), "100m", "one more, which milliseconds say exactly"),
            (Duration::from_nanos(100_000_001), "100001u", "and which nothing says exactly: up"),
            (Duration::from_nanos(99_999_999_001), "100S", "up, and the result is exact in a coarser unit"),
            (Duration::from_micros(99_999_999), "99999999u", "the most that microseconds say"),
            (Duration::from_micros(100_000_001), "100001m", "up"),
            (Duration::from_millis(99_999_999), "99999999m", "the most that milliseconds say"),
            (Duration::from_millis(100_000_001), "100001S", "up"),
            (99_999_999 * SECOND, "99999999S", "the most that seconds say"),
            (100_000_001 * SECOND, "1666667M", "up: a minute is 60 seconds, not 1000"),
            (Duration::from_secs(99_999_999 * 60), "99999999M", "the most that minutes say"),
            (Duration::from_secs(99_999_999 * 60 + 1), "1666667H", "up"),
            (Duration::from_nanos(u64::MAX), "5124096H", "the most that 64 bits of nanoseconds say"),
            (Duration::from_nanos(u64::MAX) + Duration::from_nanos(1), "5124096H", "beyond that, by seconds"),
            (Duration::from_secs(5_124_096 * 3600), "5124096H", "whole ones are not rounded"),
            (Duration::new(5_124_096 * 3600, 1), "5124097H", "begun ones are"),
            (Duration::from_secs(99_999_999 * 3600), "99999999H", "the most that hours say"),
            (Duration::from_secs(99_999_999 * 3600 + 1), "99999999H", "more is as good as that"),
            (Duration::MAX, "99999999H", "the most that there is"),
            (SECOND, "1S", "as short as can be"),
            (90 * SECOND, "90S", "no unit between"),
            (Duration::from_secs(7200), "2H", "all the way up"),
            (Duration::from_millis(1500), "1500m", "the coarsest exact unit"),
        ];
        for (timeout, expected, why) in rows {
            assert_eq!(encode(timeout).as_str(), expected, "{why}");
        }
    }

    //= GRPC-TIMEOUT-DIGITS  type=test
    //= GRPC-TIMEOUT-UNITS  type=test
    #[test]
    fn b08_reads_the_grammar_and_nothing_else() {
        use TimeoutError::{Digits, Empty, NotADigit, Unit};
        #[rustfmt::skip]
        let rows: [(&str, _, &str); 26] = [
            ("", Err(Empty), "no value at all"),
            ("S", Err(Digits(0)), "a unit of nothing"),
            ("5", Err(Unit(b'5')), "no unit"),
            ("99999999S", Ok(99_999_999 * SECOND), "eight digits"),
            ("100000000S", Err(Digits(9)), "nine"),
            ("000000001S", Err(Digits(9)), "nine, though a small number"),
            ("00000001S", Ok(SECOND), "eight; the grammar does not forbid leading zeros here"),
            ("0n", Ok(Duration::ZERO), "elapsed already, yet readable"),
            ("99999999H", Ok(Duration::from_secs(359_999_996_400)), "the longest: fits"),
            ("1H", Ok(3600 * SECOND), "hours"),
            ("1M", Ok(60 * SECOND), "minutes"),
            ("1S", Ok(SECOND), "seconds"),
            ("1m", Ok(Duration::from_millis(1)), "case tells milliseconds from minutes"),
            ("1u", Ok(Duration::from_micros(1)), "microseconds"),
            ("1n", Ok(Duration::from_nanos(1)), "nanoseconds"),
            ("1s", Err(Unit(b's')), "seconds are a capital S"),
            ("1h", Err(Unit(b'h')), "hours are a capital H"),
            ("1ms", Err(Unit(b's')), "not what people write"),
            ("+5S", Err(NotADigit(b'+')), "a sign, which str::parse would take"),
            ("-5S", Err(NotADigit(b'-')), "a sign"),
            ("1.5S", Err(NotADigit(b'.')), "a fraction"),
            ("1_0S", Err(NotADigit(b'_')), "a Rust literal"),
            (" 5S", Err(NotADigit(b' ')), "a space before"),
            ("5 S", Err(NotADigit(b' ')), "a space between"),
            ("5S ", Err(Unit(b' ')), "a space behind"),
            ("٥S", Err(NotADigit(0xd9)), "a digit, but not ASCII's"),
        ];
        for (value, expected, why) in rows {
            assert_eq!(decode(value.as_bytes()), expected, "{value:?}: {why}");
        }
    }

    #[test]
    fn errors_show_the_grammar_and_no_raw_bytes() {
        assert_eq!(
            decode(b"5\x1b").unwrap_err().to_string(),
            r"grpc-timeout ends in '\x1b', not in a unit, expected 1 to 8 digits and one of H M S m u n, such as 1500m"
        );
    }

    proptest! {
        #[test]
        fn a_timeout_never_shrinks_and_grows_by_one_part_in_100_000(secs in 0..99_999_999u64 * 3600, nanos in 0..1_000_000_000u32, small in 0..64u32) {
            let timeout = Duration::new(secs >> (small % 40), nanos >> (small % 30)).max(Duration::from_nanos(1));
            let read = decode(encode(timeout).as_bytes()).unwrap();
            prop_assert!(read >= timeout);
            prop_assert!(read - timeout <= timeout / 100_000, "{timeout:?} became {read:?}");
        }

        #[test]
        fn what_was_read_is_written_the_same_length_or_shorter(digits in "[0-9]{1,8}", unit in "[HMSmun]") {
            let value = digits + &unit;
            let read = decode(value.as_bytes()).unwrap();
            let written = encode(read);
            prop_assert!(written.as_bytes().len() <= value.len());
            if !read.is_zero() {
                prop_assert_eq!(decode(written.as_bytes()), Ok(read));
            }
        }

        #[test]
        fn any_bytes_are_survived(value in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = decode(&value);
        }
    }
}
