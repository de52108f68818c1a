//! May a call that failed have another attempt?
//!
//! Spec: gRFC A6, "Transparent Retries".
//!
//! Yes, without anybody having asked for it, where it is certain that no handler has seen it: the stream was never opened, the peer refused
//! it, or it is above the last id of a GOAWAY. A call that found its connection closed may be made again until
//! its deadline; one that the peer turned away, once. Only calls whose messages are still held can be made
//! again: those with one request, and those whose stream of requests is still in its
//! [replay buffer](crate::call::replay). Pure: it decides, and sends nothing.

use crate::call::Side;
use crate::call::ending::status_of;
use crate::status::Status;

/// An attempt that failed, and how far it came.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) came_to: CameTo,
    pub(super) status: Status,
}

/// How far a failed attempt came. Every status is put under one of them where it is made, since no policy could find
/// out later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CameTo {
    /// This side ended it: its deadline, a limit, no connection to be had, code of the application.
    EndedHere,
    /// No stream was opened: the connection was closed, or is closing.
    NotSent,
    /// No stream was opened, and `h2` blames this side: its connection has used up its stream numbers, or
    /// something else that the next one may not have. Never without limit.
    Unusable,
    /// `RST_STREAM(REFUSED_STREAM)`: this connection may take it a moment later.
    Refused,
    /// Above GOAWAY's last id: another connection may take it.
    Unprocessed,
    /// It was sent, and broke off before response headers: a handler may have seen it.
    Unanswered,
    /// The response was a status alone.
    TrailersOnly,
    /// The response headers had come.
    AfterHeaders,
}

impl Failed {
    /// What `error`, which came instead of response headers, says about how far the attempt came.
    pub(super) fn unanswered(error: h2::Error) -> Self {
        let came_to = if error.is_reset()
            && error.is_remote()
            && error.reason() == Some(h2::Reason::REFUSED_STREAM)
        {
            CameTo::Refused
        } else if error.is_go_away() && error.is_remote() {
            CameTo::Unprocessed
        } else {
            CameTo::Unanswered
        };
        Self {
            came_to,
            status: status_of(error, Side::Client),
        }
    }

    /// This side ended it.
    pub(super) fn here(status: Status) -> Self {
        Self {
            came_to: CameTo::EndedHere,
            status,
        }
    }

    /// The peer responded with a status, and nothing else.
    pub(super) fn trailers_only(status: Status) -> Self {
        Self {
            came_to: CameTo::TrailersOnly,
            status,
        }
    }

    /// It failed after the response headers.
    pub(super) fn after_headers(status: Status) -> Self {
        Self {
            came_to: CameTo::AfterHeaders,
            status,
        }
    }

    /// The stream could not be opened.
    pub(super) fn unsent(error: h2::Error) -> Self {
        // What is neither the connection's failure nor the peer's word is an error of the user of `h2`.
        let by_user = error.reason().is_none() && !error.is_io();
        Self {
            came_to: if by_user {
                CameTo::Unusable
            } else {
                CameTo::NotSent
            },
            status: status_of(error, Side::Client),
        }
    }
}

/// Which failed attempts of a call are followed by another. One for each call: it counts what the call has used up.
///
/// Its one rule is that of transparent retry. A policy of the service's own (gRFC A6) has its place beside it: it would
/// look at the code of [`TrailersOnly`](CameTo::TrailersOnly) and [`Unanswered`](CameTo::Unanswered).
#[derive(Debug, Default)]
pub(super) struct RetryPolicy {
    /// The call was turned away before.
    turned_away: bool,
}

impl RetryPolicy {
    /// Whether the call may have another attempt, at once.
    pub(super) fn allows(&mut self, failed: &Failed) -> bool {
        self.is_transparent(failed.came_to)
    }

    fn is_transparent(&mut self, came_to: CameTo) -> bool {
        //= RETRY-TRANSPARENT  what no handler saw may be made again: unsent always, turned away once
        match came_to {
            CameTo::NotSent => true,
            CameTo::Unusable | CameTo::Refused | CameTo::Unprocessed => {
                !std::mem::replace(&mut self.turned_away, true)
            }
            //= RETRY-COMMIT  from the response headers on, a failure is the call's end
            CameTo::EndedHere
            | CameTo::Unanswered
            | CameTo::TrailersOnly
            | CameTo::AfterHeaders => false,
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
        use CameTo::*;
        let rows: [(&[CameTo], &[bool], &str); 8] = [
            (
                &[NotSent; 3],
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
                &[Unprocessed, NotSent, Refused],
                &[true, true, false],
                "turned away twice, by different means",
            ),
            (&[EndedHere], &[false], "the deadline, or a limit"),
            (&[Unanswered], &[false], "a handler may have seen it"),
            (&[TrailersOnly], &[false], "a handler has responded"),
            (&[AfterHeaders], &[false], "a response has begun"),
        ];
        for (came_to, expected, why) in rows {
            let mut retry = RetryPolicy::default();
            let found: Vec<bool> = came_to
                .iter()
                .map(|came_to| {
                    let status = Status::unavailable("");
                    let came_to = *came_to;
                    retry.allows(&Failed { came_to, status })
                })
                .collect();
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn a_failure_says_how_far_its_attempt_came() {
        let status = || Status::unavailable("");
        let rows = [
            (Failed::here(status()), CameTo::EndedHere),
            (Failed::trailers_only(status()), CameTo::TrailersOnly),
            (Failed::after_headers(status()), CameTo::AfterHeaders),
            (
                Failed::unanswered(h2::Reason::REFUSED_STREAM.into()),
                CameTo::Unanswered, // said by this side, not by the peer
            ),
        ];
        for (failed, expected) in rows {
            assert_eq!(failed.came_to, expected);
        }
    }
}
