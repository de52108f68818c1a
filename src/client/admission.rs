//! When may a call leave? Between "there is a connection" and `send_request`.
//!
//! Spec: RFC 9113 §5.1.2 (the peer limits how many streams are open at once).
//!
//! `h2` would queue what is over the limit by itself, and what is in its queue leaves some day, whatever has
//! become of it: a call that expired or was dropped there still leaves, HEADERS and RST_STREAM together, and
//! a few hundred of those are what servers cut a connection for. It also holds its memory until then, and its
//! `grpc-timeout` says what was left when it came, not when it left.
//!
//! So the queue is here. A call asks for a [`Permit`] first. While the connection has a place, that is one
//! atomic. Else it waits, in the order that [`Order`] has its reasons for, and if it expires or is dropped it is
//! gone: no frame, no memory. The permit is the count of open calls as well, and says how its call ended.
//!
//! ```text
//!   call ──▶ Places::enter ──yes──▶ Permit ──▶ HEADERS ──▶ … ──▶ dropped: the place is free
//!                 │ no                 ▲                              │
//!                 ▼                    │                              │
//!             Admission ──its turn─────┴──────────── fill ◀───────────┘
//! ```
//!
//! The queue belongs to what picks a connection, and is filled from each connection that has a place: one that
//! a call gave back, one that the peer's SETTINGS added, one of a new connection. So who waits when its
//! connection ends waits on for the next, in the same place, and several connections can share a queue.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::asked::Young;
use super::connect::Connection;
use super::connectivity::ConnectivityState;
use super::doubt::Doubts;
use super::order::{Order, PATIENCE, Ticket};
use crate::call::streaming::Claim;
use crate::call::timer;
use crate::deadline;
use crate::status::{Origin, Status};

/// So many calls more may begin on a connection whose socket takes no bytes. Their HEADERS wait in this process.
const WHILE_STUCK: usize = 8;

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
    admission: Arc<Admission>,
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
    pub(super) fn new(admission: &Arc<Admission>) -> Self {
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
            admission: admission.clone(),
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
        self.more_than(0) || self.admission.is_waited()
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
        if self.admission.is_waited() {
            self.admission.fill(connection);
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

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// For people: what a call waits for that waits here.
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

    fn fastest(&self) -> MutexGuard<'_, Fastest> {
        self.fastest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// There may be places that there were not.
    pub(super) fn fill(self: &Arc<Self>) {
        self.places.fill_from(self);
    }
}

impl Permit {
    /// A place on `connection`, if it has one.
    #[inline]
    fn of(connection: &Arc<Connection>) -> Option<Self> {
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
        // Who waits looks at the count after it has taken its place in the queue: one of both sees the other.
        places.fill_from(&self.connection);
    }
}

/// The calls that wait for a place.
pub(super) struct Admission {
    /// How many; this spares everybody else the lock.
    waiting: AtomicUsize,
    queue: Mutex<Order<Arc<Seat>>>,
}

/// Where a call that waits is told of its turn.
struct Seat {
    deadline: Option<Instant>,
    turn: Mutex<Turn>,
}

enum Turn {
    /// It is in the queue.
    Waits(Option<Waker>),
    /// It is not, and has this.
    Came(Permit),
    /// It is not, because no answer could come in time.
    TooLate(Status),
    /// It was told.
    Over,
}

impl Admission {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            waiting: AtomicUsize::new(0),
            queue: Mutex::new(Order::new(PATIENCE)),
        })
    }

    /// Does any call wait?
    #[inline]
    pub(super) fn is_waited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) != 0
    }

    /// A place on `connection` without waiting, unless others wait.
    #[inline]
    pub(super) fn now(&self, connection: &Arc<Connection>) -> Option<Permit> {
        if self.is_waited() {
            return None;
        }
        Permit::of(connection)
    }

    /// There is a connection again. How long calls have waited for it says nothing about how busy it is.
    pub(super) fn begin(&self) {
        self.lock().begin(timer::now());
    }

    /// Gives the free places of `connection` to those whose turn it is.
    #[cold]
    pub(super) fn fill(&self, connection: &Arc<Connection>) {
        let now = timer::now();
        let mut wakers = Vec::new();
        let mut spare = None;
        let mut queue = self.lock();
        while queue.len() > 0 {
            let Some(permit) = spare.take().or_else(|| Permit::of(connection)) else {
                break;
            };
            let Some((_, seat)) = queue.next(now) else {
                spare = Some(permit);
                break;
            };
            let turn = match seat.too_late(connection, now) {
                Some(status) => {
                    spare = Some(permit);
                    Turn::TooLate(status)
                }
                None => Turn::Came(permit),
            };
            if let Turn::Waits(Some(waker)) = seat.tell(turn) {
                wakers.push(waker);
            }
        }
        self.waiting.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        drop(spare); // with the queue unlocked: it may fall to somebody who has just come
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Order<Arc<Seat>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Tells of its turn; gives what was there before.
    fn tell(&self, turn: Turn) -> Turn {
        let mut place = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, turn)
    }

    /// Why the call need not begin: less time is left than the fastest answer here took.
    fn too_late(&self, connection: &Connection, now: Instant) -> Option<Status> {
        let left = self.deadline?.saturating_duration_since(now);
        let fastest = connection.places.fastest().at(now)?;
        (left < fastest).then(|| {
            let places = connection.places.scarcity();
            deadline::exceeded(&format!(
                "{places}: {left:?} were left, and the fastest answer here took {fastest:?}"
            ))
        })
    }
}

/// A place in the queue. Dropping it gives it up; a permit that has come meanwhile passes on to the next.
pub(super) struct Place<'a> {
    admission: &'a Admission,
    seat: Arc<Seat>,
    ticket: Ticket,
}

impl<'a> Place<'a> {
    pub(super) fn join(admission: &'a Admission, deadline: Option<Instant>) -> Self {
        let seat = Arc::new(Seat {
            deadline,
            turn: Mutex::new(Turn::Waits(None)),
        });
        let mut queue = admission.lock();
        let ticket = queue.join(timer::now(), deadline.is_some(), seat.clone());
        admission.waiting.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        Self {
            admission,
            seat,
            ticket,
        }
    }

    /// A turn that came to nothing: back to where it was.
    fn rejoin(&self) {
        let mut queue = self.admission.lock();
        queue.rejoin(timer::now(), self.ticket, self.seat.clone());
        self.admission.waiting.store(queue.len(), Ordering::SeqCst);
    }

    /// Waits for its turn: a permit, or the news that it comes too late. `None` when the subchannel's state
    /// changes before.
    pub(super) async fn turn(
        &self,
        changes: &mut watch::Receiver<ConnectivityState>,
    ) -> Option<Result<Permit, Status>> {
        let mut changed = pin!(changes.changed());
        let turn = poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(turn) => Poll::Ready(Some(turn)),
            Poll::Pending => changed.as_mut().poll(cx).map(|_| None),
        });
        match turn.await {
            Some(Ok(permit)) if permit.connection.places.is_closed() => {
                self.rejoin();
                None
            }
            turn => turn,
        }
    }

    /// `Ready` when its turn has come, with a permit or for nothing.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Permit, Status>> {
        let mut turn = self
            .seat
            .turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Turn::Waits(waker) = &mut *turn {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *turn, Turn::Waits(None)) {
            Turn::Came(permit) => Poll::Ready(Ok(permit)),
            Turn::TooLate(status) => Poll::Ready(Err(status)),
            Turn::Waits(_) | Turn::Over => Poll::Pending,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.admission.lock();
        queue.leave(self.ticket);
        self.admission.waiting.store(queue.len(), Ordering::SeqCst);
        drop(queue);
        drop(self.seat.tell(Turn::Over));
    }
}

/// For how long what was seen of a peer's answers says something about the next one.
const MEMORY: Duration = Duration::from_secs(1);

/// The smallest time from HEADERS to the first of an answer, over the last one to two seconds.
///
/// Not over the connection's life: where the only answers were slow ones, a call that could be quick
/// would be turned away, and nothing would ever be learned.
#[derive(Debug, Default)]
struct Fastest {
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
    fn at(&mut self, now: Instant) -> Option<Duration> {
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
