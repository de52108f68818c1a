//! `grpc-timeout`: how long the caller will wait, in at most nine bytes.
//!
//! ```text
//! Timeout      → "grpc-timeout" TimeoutValue TimeoutUnit
//! TimeoutValue → positive integer, at most 8 ASCII digits
//! TimeoutUnit  → H / M / S / m / u / n      hours, minutes, seconds, milli-, micro-, nanoseconds
//! ```
//!
//! **Which way to round?** Eight digits do not hold every duration, and then a coarser unit must do. The caller keeps
//! the true deadline on its own clock and cancels when it has passed; the value on the wire only tells the server
//! when work has become useless. Rounded down, the server would give up on a call that the caller still waits for.
//! Rounded up, it works at most one unit too long, under one part in a million or so, on a call that is cancelled anyway. So we
//! round up, and the caller's deadline, the only one that counts, does not move at all.
//!
//! **Which unit?** The coarsest that says the duration exactly (one second is `1S`, not `1000000u`), or else the
//! finest that fits. A value that no unit holds becomes `99999999H`, 11,000 years.
//!
//! This file knows no clock: when a timeout *starts*, and what an elapsed one means, is the deadline's matter.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests).

use std::fmt;
use std::time::Duration;

/// The most that eight digits say.
const MAX_VALUE: u128 = 99_999_999;
/// Eight digits and a unit.
const MAX_LEN: usize = 9;

/// The units, finest first, each with how many of it make one of the next.
const UNITS: [(u8, u128); 5] = [
    (b'n', 1000),
    (b'u', 1000),
    (b'm', 1000),
    (b'S', 60),
    (b'M', 60),
];

/// Writes a timeout, rounded up if eight digits cannot hold it.
///
/// The grammar has no zero: a timeout of nothing is written `1n`, which has elapsed by the time anybody reads it.
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
    let mut amount = timeout.as_nanos().max(1);
    for (unit, per_next) in UNITS {
        let fits = amount <= MAX_VALUE;
        if fits && amount % per_next != 0 {
            return TimeoutValue::new(amount, unit);
        }
        amount = amount.div_ceil(per_next);
    }
    TimeoutValue::new(amount.min(MAX_VALUE), b'H')
    // exercise(02): end
}

/// Reads a timeout. Any value that the grammar allows fits a [`Duration`]; zero is let through, as already elapsed.
///
/// # Errors
///
/// [`TimeoutError`] for anything else: no digit or more than eight, a sign, a space, an unknown unit. A server must
/// refuse such a call and not serve it without a deadline, for the caller believes that there is one.
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
    fn new(mut amount: u128, unit: u8) -> Self {
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
