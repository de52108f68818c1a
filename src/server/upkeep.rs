//! Is anything of a connection overdue?
//!
//! A peer may stop in the middle of anything: of its greeting, of taking a response, of closing after a
//! GOAWAY. None of that is an event, so a connection looks around when its alarm rings: once a second while
//! it has work, and otherwise at the next moment that one of its limits names. [`Upkeep`] compares what is to
//! be seen with what it saw the last time, and says what is due. It knows no connection and reads no clock.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;
use crate::conn::frame_meter::HalfFrame;
use crate::conn::io::Progress;

/// How long a frame that has begun, or a header block, may take; for DATA, how long none of it may come. It keeps
/// all streams of its connection waiting. At 8 kB/s header lists of the default size take 2 s.
const HALF_FRAME: Duration = Duration::from_secs(10);

/// How often a connection that has work looks around.
pub(crate) const OFTEN: Duration = Duration::from_secs(1);

/// How long a peer without calls may take to acknowledge the PING behind GOAWAY: a round trip, and a packet lost. A call
/// that it begins meanwhile, and that the last GOAWAY does not name, it may make again elsewhere.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is to be seen of a connection at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Sight {
    /// The peer's SETTINGS have come.
    pub(crate) settings: bool,
    /// Bytes read and written so far.
    pub(crate) moved: Progress,
    /// Bytes wait for the socket.
    pub(crate) queued: bool,
    /// Calls begun so far.
    pub(crate) calls: u64,
    /// Handlers run.
    pub(crate) handlers: bool,
    /// A stream of requests is held: by a handler, or by a task that reads on after the response.
    pub(crate) readers: bool,
    /// Streams are open.
    pub(crate) streams: bool,
    /// The socket has no more, and something is not complete.
    pub(crate) half: Option<HalfFrame>,
    /// PINGs that the peer has acknowledged so far.
    pub(crate) pongs: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Due {
    /// End the connection now; the text says what took too long.
    Cut(&'static str),
    /// End it now: a frame does not end.
    CutHalfFrame,
    /// Say GOAWAY. Calls that are open may take so long; `None` is as long as they do.
    Goaway(Option<Duration>),
    /// Say the last GOAWAY, though the peer has not acknowledged the PING between the two. Calls that are open go on.
    LastGoaway,
    /// End the connection in good order. No call is open, and the peer does not acknowledge that PING.
    LetGo,
    /// Look again then. There is work.
    Work(Instant),
    /// Look again then, if ever. Nothing moves.
    Rest(Option<Instant>),
}

/// Since when things are as they are.
pub(crate) struct Upkeep {
    accepted: Instant,
    /// When it has reached its age.
    expires: Option<Instant>,
    /// What the last look has seen.
    moved: Progress,
    calls: u64,
    /// No call was open, and none has begun, since then.
    idle_since: Option<Instant>,
    /// There were bytes to send, and none was taken, since then.
    stalled_since: Option<Instant>,
    /// What was not complete when it looked last, and since when.
    half: Option<(HalfFrame, Instant)>,
    /// Since when: the peer has shown a sign of life, by a byte or by taking some from a socket that was full.
    lived_at: Instant,
    /// GOAWAY was sent, and when; and how many PINGs had been acknowledged then.
    closing_since: Option<Instant>,
    pongs: u64,
    /// `LastGoaway` was due.
    is_last: bool,
    /// `LetGo` was due, and when.
    let_go_at: Option<Instant>,
    /// The connection is cut then, whatever is open.
    cut_at: Option<Instant>,
}

impl Upkeep {
    /// For a connection that was accepted just now. `random` is from 0 to 1.
    pub(crate) fn new(limits: &Limits, accepted: Instant, random: f64) -> Self {
        Self {
            accepted,
            expires: limits.max_age.map(|age| accepted + jittered(age, random)),
            moved: Progress {
                read: 0,
                written: 0,
            },
            calls: 0,
            idle_since: Some(accepted),
            stalled_since: None,
            half: None,
            lived_at: accepted,
            closing_since: None,
            pongs: 0,
            is_last: false,
            let_go_at: None,
            cut_at: None,
        }
    }

    /// When to look around for the first time, if nothing happens before.
    pub(crate) fn first_look(&self, limits: &Limits) -> Instant {
        let greeted = self.accepted + limits.handshake_timeout;
        let unused = limits.max_idle.map(|limit| self.accepted + limit);
        [self.expires, unused]
            .into_iter()
            .flatten()
            .fold(greeted, Instant::min)
    }

    /// GOAWAY was sent, and a PING; `grace` is how long the calls that are open may take. So many bytes had been read,
    /// and so many PINGs acknowledged.
    pub(crate) fn close(&mut self, now: Instant, grace: Option<Duration>, read: u64, pongs: u64) {
        self.closing_since = Some(now);
        self.cut_at = grace.map(|grace| now + grace);
        self.idle_since = self.idle_since.map(|_| now);
        self.moved.read = read;
        self.lived_at = now;
        self.pongs = pongs;
    }

    /// Whether GOAWAY was sent, and the PING behind it is not acknowledged, of so many in all.
    pub(crate) fn is_unanswered(&self, pongs: u64) -> bool {
        self.is_closing() && self.pongs == pongs
    }

    /// Whether nothing has moved since the last look.
    pub(crate) fn has_seen(&self, moved: Progress) -> bool {
        self.moved == moved
    }

    /// Since when no call is open, by the last look.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    /// Whether GOAWAY was sent.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing_since.is_some()
    }

    /// Looks around.
    pub(crate) fn look(&mut self, limits: &Limits, now: Instant, seen: Sight) -> Due {
        let moves = seen.moved != self.moved;
        let took = seen.moved.written != self.moved.written;
        let busy = seen.handlers || seen.streams || seen.calls != self.calls;
        // Bytes wait here, or in `h2` for window: responses whose handlers have already ended. A stream may also be open
        // because a task reads its requests.
        let unsent = seen.queued || (seen.streams && !seen.handlers && !seen.readers);
        if seen.moved.read != self.moved.read || (took && seen.queued) {
            self.lived_at = now;
        }
        self.moved = seen.moved;
        self.calls = seen.calls;
        self.stalled_since = since(self.stalled_since.filter(|_| !took), unsent, now);
        self.idle_since = since(self.idle_since, !busy, now);
        let before = self.half.filter(|(half, _)| Some(*half) == seen.half);
        self.half = before.or(seen.half.map(|half| (half, now)));

        let by = |since: Option<Instant>, limit: Duration| since.map(|since| since + limit);
        let greeted = (!seen.settings).then(|| self.accepted + limits.handshake_timeout);
        let taken = by(self.stalled_since, limits.stall_timeout);
        // `h2` waits for the acknowledgement of its PING, however long; so there is a limit here.
        let unanswered = self
            .closing_since
            .filter(|_| self.is_unanswered(seen.pongs));
        let silent = unanswered.map(|since| since.max(self.lived_at));
        let silent = by(silent, limits.keepalive_timeout);
        let untaken = by(self.let_go_at, limits.keepalive_timeout);
        let whole = by(self.half.map(|(_, since)| since), HALF_FRAME);
        if is_over(whole, now) {
            return Due::CutHalfFrame;
        }
        for (at, overdue) in [
            (
                greeted,
                "the peer's SETTINGS did not come within handshake_timeout",
            ),
            (
                taken,
                "the peer took nothing of what it asked for within stall_timeout",
            ),
            (
                self.cut_at,
                "calls were still open when max_connection_age_grace had passed",
            ),
            (silent, "the peer did not answer the PING after GOAWAY"),
            (untaken, "the peer did not take the last GOAWAY"),
        ] {
            if is_over(at, now) {
                return Due::Cut(overdue);
            }
        }

        let idle = self
            .idle_since
            .filter(|_| self.is_closing() && self.let_go_at.is_none());
        let idle = by(idle, GOODBYE.min(limits.keepalive_timeout));
        if is_over(idle, now) {
            self.let_go_at = Some(now);
            return Due::LetGo;
        }
        let last = by(
            unanswered.filter(|_| !self.is_last),
            limits.keepalive_timeout,
        );
        if is_over(last, now) {
            self.is_last = true;
            return Due::LastGoaway;
        }
        let expires = self.expires.filter(|_| !self.is_closing());
        let used = self.idle_since.filter(|_| !self.is_closing());
        let used = limits.max_idle.and_then(|limit| by(used, limit));
        if is_over(expires, now) {
            return Due::Goaway(limits.max_age_grace);
        }
        if is_over(used, now) {
            return Due::Goaway(None);
        }

        let ahead = [
            greeted,
            taken,
            whole,
            self.cut_at,
            silent,
            untaken,
            idle,
            last,
            expires,
            used,
        ];
        let next = ahead.into_iter().flatten().min();
        if busy || unsent || moves || self.is_closing() || seen.half.is_some() {
            let soon = now + OFTEN;
            return Due::Work(next.map_or(soon, |next| next.min(soon)));
        }
        Due::Rest(next)
    }
}

/// Since when it is so: since before, if it was so then.
fn since(before: Option<Instant>, is_so: bool, now: Instant) -> Option<Instant> {
    is_so.then_some(before.unwrap_or(now))
}

fn is_over(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now >= at)
}

/// A connection's own age: connections that were made together do not end together, and so their
/// clients do not come back together.
fn jittered(age: Duration, random: f64) -> Duration {
    //= CONN-AGE-JITTER  10 % more or less
    age.mul_f64(0.9 + 0.2 * random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::ping_strikes::PingPolicy;
    use crate::conn::settings::Http2Settings;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn limits() -> Limits {
        Limits {
            http2: Http2Settings::default(),
            timeout: None,
            handshake_timeout: secs(10),
            handlers_in_place: Duration::ZERO,
            stall_timeout: secs(30),
            keepalive_interval: None,
            keepalive_timeout: secs(20),
            ping_policy: PingPolicy::default(),
            max_age: Some(secs(600)),
            max_age_grace: Some(secs(5)),
            max_idle: Some(secs(60)),
            compression: None,
        }
    }

    /// Nothing moves, and nothing is open.
    const QUIET: Sight = Sight {
        settings: true,
        moved: Progress {
            read: 0,
            written: 0,
        },
        queued: false,
        calls: 0,
        handlers: false,
        readers: false,
        streams: false,
        half: None,
        pongs: 0,
    };

    /// A call whose handler runs.
    const CALL: Sight = Sight {
        calls: 1,
        handlers: true,
        streams: true,
        ..QUIET
    };

    /// A response that waits for its client.
    const ANSWER: Sight = Sight {
        handlers: false,
        ..CALL
    };

    /// A connection of age 600, seen at these seconds of its life; the last look says what is due.
    fn after(looks: &[(u64, Sight)]) -> Result<Due, String> {
        let (begin, limits) = (Instant::now(), limits());
        let mut upkeep = Upkeep::new(&limits, begin, 0.5);
        let mut due = Due::Rest(None);
        for (at, seen) in looks {
            let now = begin + secs(*at);
            if let Due::Cut(_) = due {
                return Err(format!("it was cut before second {at}"));
            }
            due = upkeep.look(&limits, now, *seen);
            if let Due::Goaway(grace) = due {
                upkeep.close(now, grace, seen.moved.read, seen.pongs);
            }
        }
        Ok(due)
    }

    #[test]
    fn says_what_is_due_and_not_before() {
        let cut_for = |looks: &[(u64, Sight)]| match after(looks) {
            Ok(Due::Cut(text)) => text,
            other => panic!("{other:?} is due"),
        };
        let silent = Sight {
            settings: false,
            ..QUIET
        };
        let taking = Sight {
            moved: Progress {
                read: 0,
                written: 1,
            },
            ..ANSWER
        };

        let heard = |read| Sight {
            moved: Progress { read, written: 0 },
            ..CALL
        };
        let rows: [(&[_], &str, &str); 7] = [
            (&[(9, silent), (10, silent)], "SETTINGS", "no SETTINGS"),
            (
                &[(0, ANSWER), (29, ANSWER), (30, ANSWER)],
                "took nothing",
                "takes nothing",
            ),
            (
                &[(0, ANSWER), (29, taking), (58, taking), (59, taking)],
                "took nothing",
                "has taken something at 29",
            ),
            (
                &[(599, CALL), (600, CALL), (604, CALL), (605, CALL)],
                "max_connection_age_grace",
                "its calls go on after its grace",
            ),
            (
                &[
                    (59, QUIET),
                    (60, QUIET),
                    (62, QUIET),
                    (79, QUIET),
                    (80, QUIET),
                ],
                "PING after GOAWAY",
                "does not let go",
            ),
            (
                &[(60, QUIET), (61, CALL), (79, CALL), (80, CALL)],
                "PING after GOAWAY",
                "is silent, with a call open",
            ),
            (
                &[
                    (60, QUIET),
                    (70, heard(1)),
                    (80, heard(1)),
                    (89, heard(1)),
                    (90, heard(1)),
                ],
                "PING after GOAWAY",
                "was heard at 70",
            ),
        ];
        for (looks, text, why) in rows {
            let found = cut_for(looks);
            assert!(found.contains(text), "{why}: {found}");
            let before = after(&looks[..looks.len() - 1]);
            assert!(
                !matches!(before, Ok(Due::Cut(_))),
                "{why}: {before:?}, a look before"
            );
        }
    }

    #[test]
    fn closes_what_is_old_and_what_is_not_used() {
        let later = |calls| Sight { calls, ..QUIET };
        let talking = Sight {
            moved: Progress {
                read: 1,
                written: 0,
            },
            ..CALL
        };
        let answered = Sight {
            pongs: 1,
            ..talking
        };
        let work = |due: Due| matches!(due, Due::Work(_));
        assert!(work(
            after(&[(60, QUIET), (61, answered), (90, answered)]).unwrap()
        ));
        let rows: [(&[_], Due, &str); 6] = [
            (
                &[(60, QUIET), (61, QUIET), (62, QUIET)],
                Due::LetGo,
                "is let go of, without calls",
            ),
            (
                &[(60, QUIET), (70, talking), (80, talking)],
                Due::LastGoaway,
                "speaks, and does not answer",
            ),
            (
                &[(599, CALL), (600, CALL)],
                Due::Goaway(Some(secs(5))),
                "has its age",
            ),
            (&[(0, QUIET), (60, QUIET)], Due::Goaway(None), "is not used"),
            (
                &[(50, CALL), (60, later(1)), (120, later(1))],
                Due::Goaway(None),
                "is not used since its call ended",
            ),
            (
                &[(59, later(7)), (60, later(7)), (120, later(7))],
                Due::Goaway(None),
                "calls that no look saw count too",
            ),
        ];
        for (looks, due, why) in rows {
            assert_eq!(after(looks), Ok(due), "{why}");
            let before = after(&looks[..looks.len() - 1]);
            assert_ne!(before, Ok(due), "{why}, a look before");
        }
    }

    #[test]
    fn looks_often_only_while_there_is_work() {
        let (begin, limits) = (Instant::now(), limits());
        let at = |seconds| begin + secs(seconds);
        let mut upkeep = Upkeep::new(&limits, begin, 0.5);
        assert_eq!(upkeep.first_look(&limits), at(10), "its greeting is due");
        for (second, seen, due, why) in [
            (1, QUIET, Due::Rest(Some(at(60))), "nothing moves"),
            (2, CALL, Due::Work(at(3)), "a call is open"),
            (3, CALL, Due::Work(at(4)), "it is still"),
            (
                4,
                Sight { calls: 1, ..QUIET },
                Due::Rest(Some(at(64))),
                "its call has ended",
            ),
        ] {
            assert_eq!(upkeep.look(&limits, at(second), seen), due, "{why}");
        }
    }

    //= CONN-AGE-JITTER  type=test
    #[test]
    fn b83_ages_differ_by_a_tenth_at_most() {
        let age = secs(1000);
        assert_eq!(jittered(age, 0.0), secs(900));
        assert_eq!(jittered(age, 0.5), secs(1000));
        assert_eq!(jittered(age, 1.0), secs(1100));
    }
}
