//! From socket to handler: one connection, one task.
//!
//! A turn of the loop has three steps. Take every request that `h2` has read, and poll its handler once
//! where it stands; look at the clock, if it rang; let the bytes leave. Whatever the handlers answered in
//! the first step goes out in the third, in one write.
//!
//! ```text
//!   socket ─read─▶ h2 ─poll_accept─▶ route ─▶ poll once ─┬─ Ready: answered, queued in h2
//!     ▲                                                  └─ Pending: spawned
//!     └───────────── drain, once a turn ◀── h2 ◀──────────── answers
//! ```
//!
//! Handlers that were spawned wake this task whenever they answer. If it wrote at each wake-up, a
//! burst of answers would be a burst of small writes; so it first goes once more to the back of the run
//! queue, behind the other handlers that are ready, and then writes for all of them.
//!
//! That is done only if any of them has run since: a stream that is open and says nothing makes nobody wait.
//!
//! Everything that waits here has a timer: the handshake here, the rest (a peer that takes nothing, an age,
//! a drain) in `upkeep.rs`. Whatever ends a connection, it has one last turn, in which what was answered leaves, and
//! the socket goes when the peer has had time to take it (`linger.rs`).

mod ending;
mod own_wakes;
mod spawned;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use self::own_wakes::OwnWakes;
use self::spawned::{Spawn, poll_call};
use super::closed::Closed;
use super::context::{CallContext, Incoming};
use super::drain::ConnectionDrain;
use super::events::{Events, WatchedConnection};
use super::greeting::{Patience, begin_http2, complete_handshake};
use super::handshake::Handshake;
use super::in_place;
use super::inline::InlineBudget;
use super::limit::CallLimit;
use super::limits::Limits;
use super::linger::Untaken;
use super::resets::{ResetGuard, Resets};
use super::room::{Greeting, Place, Stage};
use super::router::Router;
use super::tally::Phase;
use super::upkeep::{Due, OFTEN, Sight, Upkeep};
use crate::call::carried::Carried;
use crate::call::caught::poll_caught;
use crate::conn::alarm::Alarm;
use crate::conn::chance;
use crate::conn::counter::Counter;
use crate::conn::frame_meter::FrameMeter;
use crate::conn::io::{BatchedIo, Leaving, Outlet, batched};
use crate::conn::keepalive::{Dead, Keepalive};
use crate::conn::unread::{Buffered, Unread};
use crate::conn::verdict::Verdict;

/// What all connections of a server share.
pub(crate) struct Shared {
    /// How many calls may run at once, if that is limited.
    pub(crate) calls: Option<CallLimit>,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// What all connections hold of requests, if that is limited.
    pub(crate) buffered: Option<Arc<Buffered>>,
    pub(crate) events: Events,
}

/// What a listener accepted, with all that serving it needs.
pub(crate) struct Accepted<'a, H, IO> {
    pub(crate) handshake: Arc<H>,
    pub(crate) io: IO,
    /// Is given what the handshake adds to the connection's `ConnectInfo`.
    pub(crate) watched: &'a mut WatchedConnection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) drain: ConnectionDrain,
    /// Dropped when the peer has shown that it speaks HTTP/2.
    pub(crate) greeting: Greeting,
}

impl<H: Handshake<IO>, IO> Accepted<'_, H, IO> {
    /// As [`serve`](Self::serve). A panic of the handshake or of the IO, in `Drop` as well, is the end of this
    /// connection.
    pub(crate) async fn serve_caught(self) -> Closed {
        let mut serving = pin!(Some(self.serve()));
        let served = poll_fn(|cx| poll_caught(serving.as_mut(), cx)).await;
        served.unwrap_or(Closed::Panicked)
    }

    /// Serves one connection until it ends. Dropping the future cuts it, and cancels its calls.
    async fn serve(self) -> Closed {
        // In a box: it is soon over, and the connection shall not carry room for it.
        let mut connection = match Box::pin(self.greet()).await {
            Ok(connection) => connection,
            Err(closed) => return closed,
        };
        let closed = poll_fn(|cx| connection.poll(cx)).await;
        // In a box: it is rare, and others shall not carry room for it.
        Box::pin(connection.end(&closed)).await;
        closed
    }

    /// From what was accepted to a connection that takes calls.
    async fn greet(self) -> Result<Connection<H::Io>, Closed> {
        let Self {
            handshake,
            io,
            watched,
            shared,
            mut drain,
            greeting,
        } = self;
        let limits = &shared.limits;
        let accepted = Instant::now();
        let mut patience = Patience {
            limits,
            accepted,
            place: greeting.place(),
            drain: &mut drain,
        };
        let info = watched.info().clone();
        let (io, info) = complete_handshake(&*handshake, io, info, &mut patience).await?;
        let info = Arc::new(info);
        watched.learn(info.clone());
        let unread = Arc::new(Unread::of_server(&limits.http2, shared.buffered.clone()));
        let meter = FrameMeter::of_server(limits.ping_policy, Instant::now)
            .with_limits(&limits.http2)
            .watching(unread.clone());
        let (transport, outlet) = batched(io, meter);
        // In a box: a handshake that is not over shall not hold room for it.
        let h2 = Box::pin(begin_http2(transport, &outlet, &mut patience)).await?;
        outlet.begin_batching();
        let context = Arc::new(CallContext {
            connection: info,
            timeout: limits.timeout,
            stall_timeout: limits.stall_timeout,
            resets: Arc::new(Resets::default()),
            unread,
            readers: Arc::default(),
            answers: drain.answers(),
            compression: limits.compression.clone(),
            meter: None,
        });
        let mut connection = Connection {
            h2,
            own_wakes: OwnWakes::of(Waker::noop().clone()),
            outlet,
            context,
            spawned: Arc::new(Counter::default()),
            budget: InlineBudget::new(limits.handlers_in_place),
            yielded: false,
            alarm: Alarm::default(),
            rings_soon: false,
            calls: 0,
            reset_guard: ResetGuard::new(accepted),
            upkeep: Upkeep::new(limits, accepted, chance::random()),
            untaken: Untaken::new(accepted),
            keepalive: None,
            place: greeting.place().clone(),
            greeting: Some(greeting),
            drain,
            shared: shared.clone(),
        };
        connection.begin(accepted);
        Ok(connection)
    }
}

struct Connection<IO> {
    h2: h2::server::Connection<BatchedIo<IO>, Bytes>,
    /// What `h2` is polled with.
    own_wakes: OwnWakes,
    outlet: Outlet<IO>,
    context: Arc<CallContext>,
    spawned: Arc<Counter>,
    budget: InlineBudget,
    /// It has let other tasks run since it last wrote.
    yielded: bool,
    alarm: Alarm,
    /// It rings within [`OFTEN`], and not only at some far limit.
    rings_soon: bool,
    /// Calls begun.
    calls: u64,
    reset_guard: ResetGuard,
    upkeep: Upkeep,
    /// What the peer may not have taken yet.
    untaken: Untaken,
    keepalive: Option<Keepalive>,
    /// Until the peer's SETTINGS have come.
    greeting: Option<Greeting>,
    /// Where it says how it is, for the case that there is no room for another.
    place: Arc<Place>,
    drain: ConnectionDrain,
    shared: Arc<Shared>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// Sets the first alarms.
    fn begin(&mut self, accepted: Instant) {
        let limits = &self.shared.limits;
        self.alarm.ring_by(self.upkeep.first_look(limits));
        if let (Some(interval), Some(pings)) = (limits.keepalive_interval, self.h2.ping_pong()) {
            let timeout = limits.keepalive_timeout;
            self.keepalive = Some(Keepalive::new(pings, interval, timeout, accepted));
            self.alarm.ring_by(accepted + interval);
        }
    }

    /// One turn, and a last one when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        match self.poll_turn(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(closed) => Poll::Ready(self.last_turn(cx, closed)),
        }
    }

    #[inline(always)]
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        match self.drain.poll_phase(cx) {
            Phase::Serving => {}
            Phase::Draining => self.close_gracefully(None),
            Phase::Forced => return Poll::Ready(Closed::Forced),
        }
        if !self.own_wakes.are_of(cx) {
            self.move_to(cx);
        }
        let answered = self.answered();
        if let Poll::Ready(closed) = self.poll_requests(cx) {
            return Poll::Ready(closed);
        }
        if self.greeting.is_some() && self.outlet.peer_settings().is_some() {
            self.greeting = None;
        }
        while self.alarm.poll(cx).is_ready() {
            if let Some(closed) = self.look_around() {
                return Poll::Ready(closed);
            }
            // A GOAWAY or PING that was decided on is written by `h2` in its next turn, which is now.
            if let Poll::Ready(closed) = self.poll_requests(cx) {
                return Poll::Ready(closed);
            }
        }
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(self.outlet.progress().read);
        }
        self.outlet.look_after(&self.context.unread, cx);
        if let Err(error) = ready!(self.poll_outlet(cx)) {
            return Poll::Ready(Closed::Io(error));
        }
        if self.upkeep.is_closing() {
            self.have_left_in_turn(answered, cx);
        }
        Poll::Pending
    }

    /// It is polled by another task than before.
    #[cold]
    fn move_to(&mut self, cx: &Context<'_>) {
        self.own_wakes = OwnWakes::of(cx.waker().clone());
        self.outlet.read_for(cx.waker().clone());
    }

    /// Step one: every request that has come. `Ready` when the connection is over.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        self.budget.begin_pass();
        loop {
            // `h2` stops counting a stream when it is reset, but its handler runs until it is dropped.
            // Requests beyond the limit stay in `h2` until handlers are really gone.
            if self
                .spawned
                .poll_below(self.shared.limits.http2.max_concurrent_streams as usize, cx)
                .is_pending()
            {
                let closed = self.h2.poll_closed(&mut self.own_wakes.look());
                self.own_wakes.settle();
                return closed.map(Closed::from);
            }
            match self.h2.poll_accept(&mut self.own_wakes.look()) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    if self.reset_guard.is_over(&self.context.resets, self.calls) {
                        return Poll::Ready(Closed::Guarded(Verdict::Resets));
                    }
                    self.start(Incoming { request, respond });
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Closed::from(error)),
                Poll::Ready(None) => return Poll::Ready(Closed::Done),
                Poll::Pending => {
                    self.own_wakes.settle();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Begins one call.
    fn start(&mut self, incoming: Incoming) {
        self.calls += 1;
        let context = self.context.clone();
        let path = incoming
            .request
            .uri()
            .path_and_query()
            .map_or("", |path| path.as_str());
        let events = &self.shared.events;
        let Some(entry) = self.shared.router.find(path) else {
            let status = self.shared.router.not_found(path);
            events.refuse(incoming, context, status);
            return;
        };
        let begun = match &self.shared.calls {
            Some(limit) if !entry.never_shed() => limit.begin(entry, incoming, context, events),
            _ if events.watch_calls() => events.handle(entry, incoming, context),
            _ => entry.handle(incoming, context),
        };
        let mut call = match begun {
            Ok(call) => call,
            Err(outcome) => {
                self.context.answers.ended(entry.path(), outcome);
                return;
            }
        };
        if !entry.spawn_always() && self.budget.allows(std::time::Instant::now) {
            // No waker: if it has to wait, its own task polls it again, and that poll leaves one.
            let polled = poll_call(&mut call, &mut in_place::context());
            self.budget.polled(std::time::Instant::now);
            if let Poll::Ready(outcome) = polled {
                self.context.answers.ended(entry.path(), outcome);
                return;
            }
        }
        let open = self.spawned.clone().count();
        open.stir();
        tokio::spawn(Spawn {
            call,
            span: Carried::current(),
            path: entry.path().clone(),
            answers: self.context.answers.clone(),
            open,
        });
        self.ring_soon();
    }

    /// Step three: bytes leave. `Ready(Ok)` when all have.
    fn poll_outlet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (yielded, spawned) = (&mut self.yielded, &self.spawned);
        let budget = &mut self.budget;
        let now = || {
            let stirred = spawned.take_stirred();
            // After a handler that was slow nobody waits for another that may be.
            *yielded = !*yielded && stirred && !budget.has_overrun(std::time::Instant::now);
            !*yielded
        };
        let leaving = self.outlet.poll_leave(cx, now);
        if !matches!(leaving, Leaving::Later | Leaving::Now(Poll::Pending)) {
            self.budget.written();
        }
        let left = match leaving {
            Leaving::Nothing => return Poll::Ready(Ok(())),
            Leaving::Later => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Leaving::HalfFrame => Poll::Ready(Ok(())),
            Leaving::Now(left) => left,
        };
        if !self.rings_soon {
            self.ring_soon();
            cx.waker().wake_by_ref(); // to have the alarm polled
        }
        left
    }

    /// Sees to it that the alarm rings soon. It reads the clock only if it does not: once a second.
    fn ring_soon(&mut self) {
        if !self.rings_soon {
            self.rings_soon = true;
            self.alarm.ring_by(Instant::now() + OFTEN);
        }
    }

    /// GOAWAY: no new calls; those in flight may end. `grace` is how long they may take.
    ///
    /// `h2` sends it twice, with a PING between, so that calls under way to us are not lost.
    fn close_gracefully(&mut self, grace: Option<Duration>) {
        if !self.upkeep.is_closing() {
            //= GRPC-GOAWAY-SEND  GOAWAY before closing
            self.h2.graceful_shutdown();
            let (read, pongs) = (self.outlet.progress().read, self.outlet.pongs());
            self.upkeep.close(Instant::now(), grace, read, pongs);
            self.ring_soon();
        }
    }

    /// The alarm rang: is anything overdue? Sets the next alarms. `Some` is the end.
    fn look_around(&mut self) -> Option<Closed> {
        let now = Instant::now();
        self.rings_soon = false;
        let sight = Sight {
            settings: self.greeting.is_none(),
            moved: self.outlet.progress(),
            calls: self.calls,
            handlers: self.spawned.any(),
            readers: self.context.readers.any(),
            streams: self.h2.has_streams(),
            queued: !self.outlet.is_empty(),
            half: self.outlet.half_frame(),
            pongs: self.outlet.pongs(),
        };
        self.untaken.look(now, sight.moved.written);
        if self.upkeep.has_seen(sight.moved) {
            // Whatever is open: it does not move.
            self.outlet.release_buffers();
            self.context.unread.buffers.release();
        }
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(sight.moved.read);
            match keepalive.look(now) {
                Ok(again) => self.alarm.ring_by(again),
                //= GRPC-PING-SERVER  unanswered server ping: calls CANCELLED
                Err(Dead { .. }) => {
                    return Some(Closed::TimedOut("the peer did not answer a keepalive PING"));
                }
            }
        }
        let due = self.upkeep.look(&self.shared.limits, now, sight);
        match self.upkeep.idle_since() {
            Some(since) if self.calls > 0 => self.place.is(Stage::Idle, since),
            None if self.calls > 0 => self.place.is(Stage::Busy, now),
            _ => {}
        }
        match due {
            Due::Cut(overdue) => return Some(Closed::TimedOut(overdue)),
            Due::CutHalfFrame => return Some(Closed::Guarded(Verdict::HalfFrame)),
            Due::Goaway(grace) => self.close_gracefully(grace),
            Due::LastGoaway => {
                self.outlet.answer_for_peer();
                self.ring_soon();
            }
            Due::LetGo => {
                self.h2.abrupt_shutdown(h2::Reason::NO_ERROR);
                self.ring_soon();
            }
            Due::Work(again) => {
                self.rings_soon = true;
                self.alarm.ring_by(again);
            }
            Due::Rest(again) => {
                if let Some(again) = again {
                    self.alarm.ring_by(again);
                }
            }
        }
        None
    }
}
