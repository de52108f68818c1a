//! Is the peer still there?
//!
//! Spec: gRFC A8; RFC 9113 §6.7 (PING).
//!
//! A connection can die without a word. After a time without a byte from the peer a PING asks, and if
//! then still nothing comes, not its answer nor anything else, the connection is dead. The clock runs from
//! the last byte *read*: a busy peer is never asked.

use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How often a PING that waits for its answer is looked after.
const STEP: Duration = Duration::from_millis(500);

/// The keepalive of one connection.
pub(crate) struct Keepalive {
    pings: h2::PingPong,
    interval: Duration,
    timeout: Duration,
    /// Bytes read when it last looked, and when they were last seen to move.
    read: u64,
    read_at: Instant,
    /// A PING was sent; the peer is dead if nothing is read until then.
    waits_until: Option<Instant>,
}

/// The peer did not answer in time.
#[derive(Debug)]
pub(crate) struct Dead;

impl Keepalive {
    /// Asks after `interval` of silence, and waits `timeout` for an answer.
    pub(crate) fn new(
        pings: h2::PingPong,
        interval: Duration,
        timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            pings,
            interval,
            timeout,
            read: 0,
            read_at: now,
            waits_until: None,
        }
    }

    /// Looks at the clock and at the bytes read so far; gives the moment to look again.
    pub(crate) fn look(&mut self, now: Instant, read: u64) -> Result<Instant, Dead> {
        if read != self.read {
            self.read = read;
            self.read_at = now;
            if self.waits_until.take().is_some() {
                // Its answer is taken, so that `h2` lets another PING go.
                let _ = self
                    .pings
                    .poll_pong(&mut Context::from_waker(Waker::noop()));
            }
        }
        match self.waits_until {
            Some(until) if now >= until => return Err(Dead),
            Some(until) => return Ok(until.min(now + STEP)),
            None => {}
        }
        let due = self.read_at + self.interval;
        if now < due {
            // Bytes may come and go unseen between two looks; looking often keeps "last read" honest.
            return Ok(due
                .min(now + self.interval / 4)
                .max(now + Duration::from_millis(1)));
        }
        if self.pings.send_ping(h2::Ping::opaque()).is_ok() {
            self.waits_until = Some(now + self.timeout);
        }
        Ok(now + STEP.min(self.timeout))
    }
}
