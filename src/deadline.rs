//! When a call must be over.
//!
//! Spec: PROTOCOL-HTTP2.md, "Timeout". A deadline is a moment; what travels is the time that is left,
//! because clocks differ. It covers the whole call on both sides, to the last trailer: a stream that
//! is still flowing at its deadline ends there. This file holds what is pure about it; the timers are
//! [`call::timer`](crate::call::timer)'s.

use std::time::{Duration, Instant};

use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// The earliest of the moments that some `timeouts` from `now` lead to; `None` if there is none.
///
/// A timeout too long for the clock is as good as none.
pub(crate) fn earliest(now: Instant, timeouts: [Option<Duration>; 2]) -> Option<Instant> {
    timeouts
        .into_iter()
        .flatten()
        .min()
        .and_then(|timeout| now.checked_add(timeout))
}

/// Where a call was whose answer had begun, for [`exceeded`].
pub(crate) const IN_ANSWER: &str = "in the middle of the answer";

/// Where a call was whose request had left, for [`exceeded`].
pub(crate) const IN_REQUEST: &str = "after the request was sent; no answer came";

/// Where a call was that a handler had not done with, for [`exceeded`].
#[cfg(feature = "server")]
pub(crate) const IN_HANDLER: &str = "before the call was over";

/// The status of a call whose deadline has passed, as told by our own clock, while it was there.
pub(crate) fn exceeded(place: &str) -> Status {
    Status::library(
        Code::DeadlineExceeded,
        format!("the deadline passed {place}"),
        Origin::LocalDeadline,
    )
}

/// What to report for `status` when the deadline may have passed meanwhile.
///
/// Both ends give up at about the same moment. If the peer's cancellation arrives first, it is still
/// the deadline that ended the call, at `place`.
pub(crate) fn settle(status: Status, passed: bool, place: &str) -> Status {
    //= GRPC-DEADLINE-RACE  CANCELLED after expiry is reported as DEADLINE_EXCEEDED, made locally
    if passed && status.code() == Code::Cancelled {
        exceeded(place)
    } else {
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_timeout_wins() {
        let now = Instant::now();
        let secs = |n| Some(Duration::from_secs(n));
        let rows = [
            (
                [None, None],
                None,
                "GRPC-TIMEOUT-ABSENT: no header means no limit",
            ),
            ([secs(2), None], secs(2), "the caller's"),
            ([None, secs(3)], secs(3), "the endpoint's"),
            ([secs(2), secs(3)], secs(2), "the earlier of both"),
            ([Some(Duration::ZERO), secs(3)], secs(0), "already over"),
            ([Some(Duration::MAX), None], None, "beyond the clock"),
        ];
        for (timeouts, expected, why) in rows {
            assert_eq!(earliest(now, timeouts), expected.map(|d| now + d), "{why}");
        }
    }

    //= GRPC-DEADLINE-RACE  type=test
    #[test]
    fn b68_cancelled_after_expiry_is_the_deadline() {
        let rows = [
            (Code::Cancelled, true, Code::DeadlineExceeded, "the race"),
            (
                Code::Cancelled,
                false,
                Code::Cancelled,
                "cancelled before the deadline",
            ),
            (
                Code::NotFound,
                true,
                Code::NotFound,
                "an answer is an answer",
            ),
        ];
        for (code, passed, expected, why) in rows {
            assert_eq!(
                settle(Status::new(code, ""), passed, IN_ANSWER).code(),
                expected,
                "{why}"
            );
        }
    }
}
