//! Does a client ping more often than it may?
//!
//! Spec: gRFC A8 and keepalive.md, "How is the server protected"; the rule is grpc-go's. A PING that follows the
//! one before too soon is a strike, and the third strike is the end. What the server sends (HEADERS, DATA) is a
//! reason to ping, to measure the path, and wipes the strikes out. Here so does credit that the client gives, which
//! it does for what it has received, however long ago that was sent; and so do its new calls and DATA, since who
//! works is not merely keeping a connection alive.
//!
//! A client that pings exactly as often as it may is not early because the network, or its timer, was late the time
//! before: its pings are measured by when they were due, with some slack that is not renewed.

use std::time::Duration;

use tokio::time::Instant;

/// A client without streams has no reason to ping more often than this.
const IDLE_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);

//= KEEPALIVE-STRIKES  more than 2 bad pings: GOAWAY ENHANCE_YOUR_CALM, "too_many_pings"
const MAX_STRIKES: u32 = 2;

/// A PING may come so much before it is due, or a tenth of the interval, if that is less.
const SLACK: Duration = Duration::from_millis(500);

/// Longer is never. It can be added to any moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How often clients may ping: [`Server`](crate::Server) documents both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PingPolicy {
    pub(crate) permit_interval: Duration,
    pub(crate) permit_without_calls: bool,
}

impl Default for PingPolicy {
    fn default() -> Self {
        Self {
            permit_interval: Duration::from_secs(5 * 60),
            permit_without_calls: false,
        }
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct PingStrikes {
    /// When the next PING may come. `None` before the first.
    due: Option<Instant>,
    /// `0 <= strikes <= MAX_STRIKES`, until the end.
    strikes: u32,
    /// How much had been sent, and how much had come that is a reason, by then.
    reasons: u64,
}

impl PingStrikes {
    /// A PING has come. `reasons` counts what wipes strikes out. Whether it was one too many.
    pub(crate) fn ping(
        &mut self,
        policy: PingPolicy,
        has_calls: bool,
        reasons: u64,
        now: Instant,
    ) -> bool {
        let interval = if has_calls || policy.permit_without_calls {
            policy.permit_interval
        } else {
            policy.permit_interval.max(IDLE_INTERVAL)
        };
        let interval = interval.min(LONGEST);
        let slack = SLACK.min(interval / 10);
        let due = self.due.filter(|_| reasons == self.reasons);
        if reasons != self.reasons {
            (self.reasons, self.strikes) = (reasons, 0);
        }
        if due.is_some_and(|due| due.saturating_duration_since(now) > slack) {
            self.strikes += 1;
            self.due = now.checked_add(interval);
        } else {
            self.due = due.unwrap_or(now).max(now).checked_add(interval);
        }
        self.strikes > MAX_STRIKES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b81_pings_as_often_as_permitted_are_not_early_because_one_was_late() {
        let policy = PingPolicy {
            permit_interval: Duration::from_secs(10),
            permit_without_calls: false,
        };
        let (mut strikes, begin) = (PingStrikes::default(), Instant::now());
        for n in 0..10_000 {
            // Up to half a second late, by turns.
            let late = Duration::from_millis(n * 7919 % 500);
            let at = begin + Duration::from_secs(10 * n) + late;
            assert!(!strikes.ping(policy, true, 1, at), "ping {n}");
        }
    }

    //= KEEPALIVE-STRIKES  type=test
    #[test]
    fn b81_the_third_strike_is_the_end() {
        const MIN: u64 = 60;
        let policy = |seconds, permit_without_calls| PingPolicy {
            permit_interval: Duration::from_secs(seconds),
            permit_without_calls,
        };
        let (five, ten) = (policy(5 * MIN, false), policy(10, false));
        // Pings: seconds since the one before, whether calls are open, whether anything was sent since.
        type Pings = &'static [(u64, bool, bool)];
        let rows: [(PingPolicy, Pings, bool, &str); 12] = [
            (
                five,
                &[(0, true, false); 3],
                false,
                "the first is free, two strikes are none",
            ),
            (five, &[(0, true, false); 4], true, "the fourth at once"),
            (
                five,
                &[(299, true, false); 4],
                true,
                "a second too soon each",
            ),
            (five, &[(300, true, false); 9], false, "as often as it may"),
            (five, &[(300, false, false); 4], true, "no call is open"),
            (
                five,
                &[(7200, false, false); 9],
                false,
                "two hours are fine without",
            ),
            (
                ten,
                &[(10, true, false); 99],
                false,
                "every 10 s, as configured",
            ),
            (
                policy(10, true),
                &[(10, false, false); 99],
                false,
                "and without calls",
            ),
            (ten, &[(8, true, false); 4], true, "a fifth too soon each"),
            (
                PingPolicy {
                    permit_interval: Duration::MAX,
                    permit_without_calls: true,
                },
                &[(86_400, true, false); 4],
                true,
                "never",
            ),
            (
                five,
                &[(0, true, true); 99],
                false,
                "each follows an answer",
            ),
            (
                five,
                &[
                    (0, true, false),
                    (0, true, false),
                    (0, true, false),
                    (0, true, true),
                    (0, true, false),
                ],
                false,
                "an answer wipes strikes out",
            ),
        ];
        for (policy, pings, expected, why) in rows {
            let (mut strikes, mut now, mut reasons) = (PingStrikes::default(), Instant::now(), 0);
            let mut ended = false;
            for (seconds, has_calls, is_sent) in pings {
                now += Duration::from_secs(*seconds);
                reasons += u64::from(*is_sent);
                ended |= strikes.ping(policy, *has_calls, reasons, now);
            }
            assert_eq!(ended, expected, "{why}");
        }
    }
}
