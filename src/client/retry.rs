//! May a call that failed be made again, without anybody having asked for it?
//!
//! Spec: gRFC A6, "Transparent Retries".
//!
//! Yes, where it is certain that no handler has seen it: the stream was never opened, the peer refused
//! it, or it is above the last id of a GOAWAY. A call that found its connection closed may be made again until
//! its deadline; one that the peer turned away, once. Only calls whose messages are still held can be made
//! again: those with one request, and those whose stream of requests is still in its
//! [replay buffer](crate::call::replay). Pure: it decides, and sends nothing.

use crate::Status;
use crate::call::Side;
use crate::call::ending::status_of;

/// A call that did not get as far as an answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) seen: Seen,
    pub(super) status: Status,
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// No stream was opened: the connection was closed, or is closing.
    Unsent,
    /// No stream was opened, and `h2` blames this side: its connection has used up its stream numbers, or
    /// something else that the next one may not have. Never without limit.
    Unusable,
    /// `RST_STREAM(REFUSED_STREAM)`: this connection may take it a moment later.
    Refused,
    /// Above GOAWAY's last id: another connection may take it.
    Unprocessed,
    /// A handler may have seen it.
    Processed,
}

impl Failed {
    /// What `error`, which came instead of response headers, says about how far the call got.
    pub(super) fn before_answer(error: h2::Error) -> Self {
        let seen = if error.is_reset()
            && error.is_remote()
            && error.reason() == Some(h2::Reason::REFUSED_STREAM)
        {
            Seen::Refused
        } else if error.is_go_away() && error.is_remote() {
            Seen::Unprocessed
        } else {
            Seen::Processed
        };
        Self {
            seen,
            status: status_of(error, Side::Client),
        }
    }

    /// The stream could not be opened.
    pub(super) fn unsent(error: h2::Error) -> Self {
        // What is neither the connection's failure nor the peer's word is an error of the user of `h2`.
        let by_user = error.reason().is_none() && !error.is_io();
        Self {
            seen: if by_user {
                Seen::Unusable
            } else {
                Seen::Unsent
            },
            status: status_of(error, Side::Client),
        }
    }
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        //= RETRY-COMMIT  from the response headers on, a failure is the call's end
        Self {
            seen: Seen::Processed,
            status,
        }
    }
}

/// Counts what one call has used up.
#[derive(Debug, Default)]
pub(super) struct TransparentRetry {
    turned_away: bool,
}

impl TransparentRetry {
    /// Whether the call may be made again.
    pub(super) fn allows(&mut self, seen: Seen) -> bool {
        //= RETRY-TRANSPARENT  what no handler saw may be made again: unsent always, turned away once
        match seen {
            Seen::Unsent => true,
            Seen::Unusable | Seen::Refused | Seen::Unprocessed => {
                !std::mem::replace(&mut self.turned_away, true)
            }
            Seen::Processed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= RETRY-TRANSPARENT  type=test
    //= RETRY-COMMIT  type=test
    #[test]
    fn b76_b77_what_may_be_made_again() {
        use Seen::*;
        let rows: [(&[Seen], &[bool], &str); 5] = [
            (
                &[Unsent; 3],
                &[true; 3],
                "never left the client: until the deadline",
            ),
            (&[Refused, Refused], &[true, false], "refused: once"),
            (
                &[Unusable, Unusable],
                &[true, false],
                "an error of our own would come again and again",
            ),
            (
                &[Unprocessed, Unsent, Refused],
                &[true, true, false],
                "turned away twice, by different means",
            ),
            (&[Processed], &[false], "a handler may have seen it"),
        ];
        let answered = Failed::from(Status::unavailable("in the trailers"));
        assert_eq!(answered.seen, Processed, "an answer has begun");
        for (seen, expected, why) in rows {
            let mut retry = TransparentRetry::default();
            let found: Vec<bool> = seen.iter().map(|seen| retry.allows(*seen)).collect();
            assert_eq!(found, expected, "{why}");
        }
    }
}
