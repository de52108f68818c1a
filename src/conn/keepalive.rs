//! Is the peer still there?
//!
//! Spec: gRFC A8; RFC 9113 §6.7 (PING).
//!
//! A connection can die without a word. After a time without a byte from the peer a PING asks, and if
//! then still nothing comes, neither its acknowledgement nor anything else, the connection is dead. The time runs from
//! the last byte *read*: a busy peer is never asked. [`Clock`] decides, and knows no connection;
//! [`Keepalive`] asks.
//!
//! A client asks for one more reason, with keepalive or without: a call has expired, and nothing came while it
//! waited. Else all calls of a connection whose peer has vanished would expire, for as long as TCP takes to
//! notice, which may be a quarter of an hour. For one such PING the peer must have sent something since the last:
//! servers count those that come without (gRFC A8, "ping strikes").

use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How long at most until the next look: no moment is too far for the clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The keepalive of one connection.
pub(crate) struct Keepalive {
    pings: h2::PingPong,
    /// A PING was sent, and its acknowledgement has not been taken. `h2` lets no other go until then.
    unanswered: bool,
    clock: Clock,
}

/// The peer did not acknowledge in time.
#[derive(Debug, PartialEq)]
pub(crate) struct Dead {
    pub(crate) waited: Duration,
}

impl Keepalive {
    /// Asks after `interval` of silence, and waits `timeout` for the acknowledgement.
    pub(crate) fn new(
        pings: h2::PingPong,
        interval: Duration,
        timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            pings,
            unanswered: false,
            clock: Clock::new(interval, timeout, now),
        }
    }

    /// Asks now, unless an acknowledgement is waited for.
    #[cfg(feature = "client")]
    pub(crate) fn ask(&mut self, now: Instant) {
        self.take_answer();
        if self.clock.ask(now) && !self.unanswered {
            self.unanswered = self.pings.send_ping(h2::Ping::opaque()).is_ok();
        }
    }

    /// Whether an acknowledgement is waited for, or anything else in its place.
    #[cfg(feature = "client")]
    pub(crate) fn waits(&self) -> bool {
        self.clock.asked_at.is_some()
    }

    /// So many bytes have been read so far: reported in each turn of the connection, so that the time runs from
    /// the byte and not from the next look. The clock is read only if one has come.
    pub(crate) fn heard(&mut self, read: u64) {
        self.clock.heard(Instant::now, read);
    }

    /// Looks at the clock, after [`heard`](Self::heard); gives the moment to look again.
    pub(crate) fn look(&mut self, now: Instant) -> Result<Instant, Dead> {
        self.take_answer();
        let (wait, ask) = self.clock.look(now)?;
        // A peer that still owes an acknowledgement has been asked; one whose connection is closed cannot be.
        if ask && !self.unanswered {
            self.unanswered = self.pings.send_ping(h2::Ping::opaque()).is_ok();
        }
        Ok(now + wait)
    }

    /// Other bytes may come before the acknowledgement, and be taken for one: it is looked for each time.
    fn take_answer(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        if self.unanswered && self.pings.poll_pong(cx).is_ready() {
            self.unanswered = false;
        }
    }
}

/// When to ask, and when to give up.
#[derive(Debug)]
struct Clock {
    interval: Duration,
    timeout: Duration,
    /// Bytes read so far, and when the last of them came.
    read: u64,
    read_at: Instant,
    /// Since when an acknowledgement is waited for.
    asked_at: Option<Instant>,
}

impl Clock {
    fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            interval,
            timeout,
            read: 0,
            read_at: now,
            asked_at: None,
        }
    }

    fn heard(&mut self, now: impl FnOnce() -> Instant, read: u64) {
        if read != self.read {
            self.read = read;
            self.asked_at = None;
            // Where no PING asks after silence, the moment is of no interest, and to know it costs something.
            if self.interval != Duration::MAX {
                self.read_at = now();
            }
        }
    }

    /// Asks before the interval is over. `false` if an acknowledgement is waited for already.
    #[cfg(feature = "client")]
    fn ask(&mut self, now: Instant) -> bool {
        let ask = self.asked_at.is_none();
        self.asked_at.get_or_insert(now);
        ask
    }

    /// How long until the next look, and whether to ask now.
    fn look(&mut self, now: Instant) -> Result<(Duration, bool), Dead> {
        let silence = now.saturating_duration_since(self.read_at);
        let ask = self.asked_at.is_none() && silence >= self.interval;
        if ask {
            self.asked_at = Some(now);
        }
        let wait = match self.asked_at {
            None => self.interval - silence,
            Some(asked) => {
                let left = self
                    .timeout
                    .saturating_sub(now.saturating_duration_since(asked));
                if left.is_zero() && !ask {
                    return Err(Dead {
                        waited: self.timeout,
                    });
                }
                // The acknowledgement begins a new interval, which may be the shorter one.
                left.min(self.interval)
            }
        };
        Ok((wait.min(LONGEST), ask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= KEEPALIVE-CLIENT  type=test
    #[test]
    fn b80_the_time_runs_from_the_last_byte_read() {
        let (interval, timeout) = (Duration::from_secs(10), Duration::from_secs(20));
        let begin = Instant::now();
        #[rustfmt::skip]
        let rows: [(u64, u64, Result<bool, Dead>, &str); 12] = [
            // second, bytes read by then, whether it asks, why this row
            (0, 0, Ok(false), "a new connection"),
            (9, 0, Ok(false), "not yet"),
            (10, 100, Ok(false), "a byte just in time"),
            (19, 100, Ok(false), "counted from that byte"),
            (20, 100, Ok(true), "silence: it asks"),
            (39, 100, Ok(false), "it waits for the answer, and asks no second time"),
            (39, 117, Ok(false), "the answer, or anything else"),
            (48, 117, Ok(false), "counted from there"),
            (49, 117, Ok(true), "silence again: it asks again"),
            (60, 118, Ok(false), "one byte is a sign of life"),
            (70, 118, Ok(true), "and asks once more"),
            (90, 118, Err(Dead { waited: timeout }), "nothing at all for the whole timeout"),
        ];
        let mut clock = Clock::new(interval, timeout, begin);
        for (second, read, expected, why) in rows {
            let now = begin + Duration::from_secs(second);
            clock.heard(|| now, read);
            let looked = clock.look(now);
            assert_eq!(looked.map(|(_, ask)| ask), expected, "{second} s: {why}");
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn c25_it_asks_when_it_is_told_to_and_not_twice() {
        let s = Duration::from_secs;
        let begin = Instant::now();
        let mut clock = Clock::new(Duration::MAX, s(20), begin);
        assert!(clock.ask(begin + s(1)));
        assert!(!clock.ask(begin + s(2)), "an answer is waited for");
        assert_eq!(clock.look(begin + s(2)), Ok((s(19), false)));
        clock.heard(|| begin + s(3), 1);
        assert_eq!(clock.look(begin + s(30)), Ok((LONGEST, false)), "answered");
        assert!(clock.ask(begin + s(30)));
        assert_eq!(clock.look(begin + s(49)), Ok((s(1), false)));
        assert_eq!(clock.look(begin + s(50)), Err(Dead { waited: s(20) }));
    }

    #[test]
    fn it_looks_again_when_something_is_due_and_not_before() {
        let ms = Duration::from_millis;
        let begin = Instant::now();
        #[rustfmt::skip]
        let rows = [
            (ms(10_000), ms(0), ms(10_000), "the whole interval"),
            (ms(10_000), ms(9_000), ms(1_000), "what is left of it"),
            (Duration::MAX, ms(0), LONGEST, "no moment is too far for the clock"),
        ];
        for (interval, at, expected, why) in rows {
            let mut clock = Clock::new(interval, ms(20_000), begin);
            assert_eq!(clock.look(begin + at), Ok((expected, false)), "{why}");
        }
        let mut clock = Clock::new(ms(10_000), ms(3_000), begin);
        assert_eq!(clock.look(begin + ms(10_000)), Ok((ms(3_000), true)));
        assert_eq!(clock.look(begin + ms(12_000)), Ok((ms(1_000), false)));
        // An acknowledgement that comes early begins an interval that ends before the time for it would have.
        let mut clock = Clock::new(ms(1_000), Duration::MAX, begin);
        assert_eq!(clock.look(begin + ms(1_000)), Ok((ms(1_000), true)));
        assert_eq!(clock.look(begin + ms(2_000)), Ok((ms(1_000), false)));
    }
}
