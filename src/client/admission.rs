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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::watch;

use super::connectivity::ConnectivityState;
use super::order::{Order, PATIENCE, Ticket};
use super::places::{Connection, Permit, Queue, Waiters};
use crate::call::timer;
use crate::deadline;
use crate::status::Status;

/// The calls that wait for a place.
pub(super) struct Admission {
    /// How many. Each connection sees it.
    waiting: Arc<AtomicUsize>,
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
            waiting: Arc::default(),
            queue: Mutex::new(Order::new(PATIENCE)),
        })
    }

    /// What a connection sees of it.
    pub(super) fn waiters(self: &Arc<Self>) -> Waiters {
        Waiters {
            count: self.waiting.clone(),
            queue: self.clone(),
        }
    }

    /// Does any call wait?
    #[inline]
    fn is_waited(&self) -> bool {
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

    fn lock(&self) -> MutexGuard<'_, Order<Arc<Seat>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for Admission {
    #[cold]
    fn fill(&self, connection: &Arc<Connection>) {
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
