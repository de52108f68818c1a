//! Is there a place on this connection for one call more?
//!
//! Spec: RFC 9113 §5.1.2 (the peer limits how many streams are open at once).
//!
//! A call holds a [`Permit`] from before its HEADERS to its end. The permit is the count of open calls, leads to the
//! connection and to the subchannel, and has how its call ended. Calls that wait for a place are in a
//! queue ([`Waiters`]), which this file only fills. `admission` has the queue.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};

use super::doubt::Doubts;
use super::reports::Handle;
use super::young::Young;
use crate::call::streaming::Claim;
use crate::call::timer;
use crate::conn::unread::Unread;
use crate::status::{Origin, Status};

/// So many calls more may begin on a connection whose socket takes no bytes. Their HEADERS wait in this process.
const WHILE_STUCK: usize = 8;

/// A connection that is READY.
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    /// What lies unread on it.
    pub(super) unread: Arc<Unread>,
    /// The calls that are open on it, and how many may be.
    pub(super) places: Arc<Places>,
    /// Leads to the subchannel that it was made for.
    pub(super) owner: Handle,
}

impl Connection {
    /// Opens a stream with these headers.
    #[inline]
    pub(super) fn send(
        &self,
        request: http::Request<()>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        // A handle that has opened a stream over the peer's limit holds on to it; so each call has its own.
        self.send.clone().send_request(request, false)
    }

    /// No more calls on this connection: it was found to be of no more use.
    pub(super) fn lost(&self) {
        self.owner.lost();
    }

    /// There may be places that there were not.
    pub(super) fn fill(self: &Arc<Self>) {
        self.places.fill_from(self);
    }
}

/// The places of one connection.
pub(super) struct Places {
    /// Calls that hold a permit.
    open: AtomicUsize,
    /// How many may. Lower than what the peer allows while the socket is stuck, and 0 before READY and after
    /// the connection's last call has begun.
    limit: AtomicUsize,
    /// How many the peer allows.
    allowed: AtomicUsize,
    /// No call begins here any more.
    closed: AtomicBool,
    /// What calls that expire think of the peer.
    pub(super) doubts: Doubts,
    fastest: Mutex<Fastest>,
    /// How often the peer was heard.
    heard: AtomicU64,
    /// Calls that were given up, and are not reset yet.
    pub(super) young: Young,
    /// The largest header list that the peer takes, in bytes; `None` if it has not said.
    max_header_list: Mutex<Option<u32>>,
    waiters: Waiters,
}

/// The calls that wait for a place, as a connection sees them.
#[derive(Clone)]
pub(super) struct Waiters {
    /// How many; this spares everybody else the lock.
    pub(super) count: Arc<AtomicUsize>,
    pub(super) queue: Arc<dyn Queue>,
}

/// What calls wait in for a place, on whichever connection has one first.
pub(super) trait Queue: Send + Sync {
    /// Gives the free places of `connection` to those whose turn it is.
    fn fill(&self, connection: &Arc<Connection>);
}

impl Waiters {
    #[inline]
    fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) != 0
    }
}

/// One call's place on a connection, from before its HEADERS to its end.
pub(super) struct Permit {
    pub(super) connection: Arc<Connection>,
    ended: Ended,
    /// When its HEADERS were made, if its answer is to be timed.
    sent: Option<Instant>,
    /// How often the peer had been heard when it was given.
    born: u64,
}

/// How a call ended, as its connection sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Given up on this side, before its status came: by its deadline, or by who made it.
    Cancelled,
    /// With a status from the peer.
    Answered,
    /// Without one: the connection ended, or the peer broke the call off.
    Lost,
}

impl Places {
    pub(super) fn new(waiters: Waiters) -> Self {
        Self {
            open: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            allowed: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            doubts: Doubts::default(),
            fastest: Mutex::default(),
            heard: AtomicU64::new(0),
            young: Young::default(),
            max_header_list: Mutex::default(),
            waiters,
        }
    }

    /// Takes a place, if there is one.
    #[inline]
    fn enter(&self) -> bool {
        let mut open = self.open.load(Ordering::SeqCst);
        while open < self.limit.load(Ordering::SeqCst) {
            let entered =
                self.open
                    .compare_exchange_weak(open, open + 1, Ordering::SeqCst, Ordering::SeqCst);
            match entered {
                Ok(_) => return true,
                Err(now) => open = now,
            }
        }
        false
    }

    /// Are there more than `n` calls?
    #[inline]
    pub(super) fn more_than(&self, n: usize) -> bool {
        self.open.load(Ordering::Relaxed) > n
    }

    /// Is there any, or does any wait?
    pub(super) fn any(&self) -> bool {
        self.more_than(0) || self.waiters.any()
    }

    /// The peer has said something.
    pub(super) fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// What the peer has announced of the header lists that it takes.
    pub(super) fn takes_header_lists_of(&self, announced: Option<u32>) {
        *self.max_header_list() = announced;
    }

    pub(super) fn max_header_list(&self) -> MutexGuard<'_, Option<u32>> {
        let limit = self.max_header_list.lock();
        limit.unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives places to the calls that wait for one.
    fn fill_from(&self, connection: &Arc<Connection>) {
        if self.waiters.any() {
            self.waiters.queue.fill(connection);
        }
    }

    /// The peer allows so many at once, from now on. Calls that are open stay so.
    pub(super) fn allow(&self, allowed: usize) {
        self.allowed.store(allowed, Ordering::SeqCst);
        self.limit_to(allowed);
    }

    /// The socket is stuck: the peer takes no bytes, or not as many as there are.
    pub(super) fn hold_back(&self) {
        let room = self.open.load(Ordering::SeqCst).saturating_add(WHILE_STUCK);
        self.limit_to(room.min(self.allowed.load(Ordering::SeqCst)));
    }

    fn limit_to(&self, limit: usize) {
        self.limit.store(limit, Ordering::SeqCst);
        // Either it is seen to be closed here, or the task that closes it comes after.
        if self.is_closed() {
            self.limit.store(0, Ordering::SeqCst);
        }
    }

    /// No call begins here any more; those that have begun go on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.limit.store(0, Ordering::SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// For people: what a call waits for, if it waits here.
    pub(super) fn scarcity(&self) -> String {
        let (allowed, limit) = (&self.allowed, &self.limit);
        let allowed = allowed.load(Ordering::SeqCst);
        if limit.load(Ordering::SeqCst) < allowed {
            return "while the call waited for the connection's socket to take bytes (it never left this process)".to_owned();
        }
        format!(
            "while the call waited for one of the peer's {allowed} streams (it never left this process)"
        )
    }

    pub(super) fn fastest(&self) -> MutexGuard<'_, Fastest> {
        self.fastest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// A place on `connection`, if it has one.
    #[inline]
    pub(super) fn of(connection: &Arc<Connection>) -> Option<Self> {
        connection.places.enter().then(|| Self {
            connection: connection.clone(),
            ended: Ended::Cancelled,
            sent: None,
            born: connection.places.heard.load(Ordering::Relaxed),
        })
    }

    /// The call's HEADERS were made at this time; that is asked for only where the call has a deadline.
    pub(super) fn sent(&mut self, at: Instant) {
        self.sent = Some(at);
    }

    /// The peer need not have taken the call up: it was heard once at most since then, which may have been
    /// before the HEADERS came to it.
    pub(super) fn is_young(&self) -> bool {
        let heard = self.connection.places.heard.load(Ordering::Relaxed);
        heard.wrapping_sub(self.born) < 2
    }

    /// The answer has begun.
    #[inline]
    pub(super) fn heard(&mut self) {
        if let Some(sent) = self.sent.take() {
            let now = timer::now();
            let took = now.saturating_duration_since(sent);
            self.connection.places.fastest().note(now, took);
        }
    }

    /// The call ended so. Without it, it was cancelled.
    #[inline]
    pub(super) fn ended<T>(&mut self, end: Result<&T, &Status>) {
        self.ended = match end {
            Ok(_) => Ended::Answered,
            Err(status) => Self::how(status),
        };
    }

    #[cold]
    fn how(status: &Status) -> Ended {
        match status.origin() {
            Origin::Peer => Ended::Answered,
            Origin::LocalDeadline | Origin::LocalLimit | Origin::Library | Origin::Application => {
                Ended::Cancelled
            }
            _ => Ended::Lost,
        }
    }
}

impl Claim for Permit {
    fn ended(&mut self, end: Result<(), &Status>) {
        Permit::ended(self, end.as_ref().map_err(|status| *status));
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        let places = &self.connection.places;
        places.open.fetch_sub(1, Ordering::SeqCst);
        // A call that waits looks at the count after it has taken its place in the queue: one of both sees the other.
        places.fill_from(&self.connection);
    }
}

/// For how long what was seen of a peer's answers says something about the next one.
const MEMORY: Duration = Duration::from_secs(1);

/// The smallest time from HEADERS to the first of an answer, over the last one to two seconds.
///
/// Not over the connection's life: where the only answers were slow ones, a call that could be quick
/// would be turned away, and nothing would ever be learned.
#[derive(Debug, Default)]
pub(super) struct Fastest {
    /// When the current span began.
    since: Option<Instant>,
    /// In the span before it, and in it.
    before: Option<Duration>,
    now: Option<Duration>,
}

impl Fastest {
    fn note(&mut self, now: Instant, took: Duration) {
        self.turn(now);
        self.since.get_or_insert(now);
        self.now = Some(self.now.map_or(took, |fastest| fastest.min(took)));
    }

    /// What is known at `now`.
    pub(super) fn at(&mut self, now: Instant) -> Option<Duration> {
        self.turn(now);
        [self.before, self.now].into_iter().flatten().min()
    }

    fn turn(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let age = now.saturating_duration_since(since);
        if age >= MEMORY {
            let before = if age < MEMORY * 2 { self.now } else { None };
            *self = Self {
                since: Some(now),
                before,
                now: None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_answer_is_forgotten() {
        let begun = Instant::now();
        let ms = Duration::from_millis;
        let mut fastest = Fastest::default();
        assert_eq!(fastest.at(begun), None, "nothing is known");
        let rows: [(u64, Option<u64>, Option<u64>, &str); 7] = [
            (0, Some(20), Some(20), "the first"),
            (10, Some(30), Some(20), "a slower one"),
            (20, Some(5), Some(5), "a faster one"),
            (1_000, None, Some(5), "a second later"),
            (1_100, Some(40), Some(5), "both spans count"),
            (2_000, None, Some(40), "the first span is over"),
            (4_500, None, None, "nothing for long"),
        ];
        for (at, took, expected, why) in rows {
            let now = begun + ms(at);
            if let Some(took) = took {
                fastest.note(now, ms(took));
            }
            assert_eq!(fastest.at(now), expected.map(ms), "{why}");
        }
    }
}
