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
//! Everything that waits here has a timer: the handshake here, the rest (a peer that takes nothing, an age,
//! a drain) in `upkeep.rs`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::call::{CallContext, Incoming, Outcome};
use super::closed::{Closed, diagnose};
use super::drain::{ConnectionDrain, Phase, Tally};
use super::events::Events;
use super::inline::InlineBudget;
use super::method::CallFuture;
use super::resets::{ResetGuard, Resets};
use super::room::{Greeting, Place, Stage};
use super::router::{Entry, Router};
use super::upkeep::{Due, OFTEN, Sight, Upkeep};
use crate::ConnectInfo;
use crate::call::carried::Carried;
use crate::call::caught::{caught, poll_caught};
use crate::call::timer;
use crate::conn::alarm::Alarm;
use crate::conn::chance;
use crate::conn::counter::{Counted, Counter};
use crate::conn::frame::is_greeting;
use crate::conn::frame_meter::FrameMeter;
use crate::conn::io::{BatchedIo, Leaving, Outlet, batched};
use crate::conn::keepalive::{Dead, Keepalive};
use crate::conn::ping_strikes::PingPolicy;
use crate::conn::settings::Http2Settings;
use crate::conn::unread::{Buffered, Unread};
use crate::conn::verdict::Verdict;

/// How long the end of a connection waits for handlers to be dropped. One that blocks its thread
/// cannot be, and must not keep a server from stopping.
const LAST_HANDLERS: Duration = Duration::from_secs(1);

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// What all connections hold of requests, if that is limited.
    pub(crate) buffered: Option<Arc<Buffered>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) events: Events,
}

/// The knobs that concern connections; [`Server`](super::Server) documents them.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) http2: Http2Settings,
    pub(crate) timeout: Option<Duration>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) handlers_in_place: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) ping_policy: PingPolicy,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_age_grace: Option<Duration>,
    pub(crate) max_idle: Option<Duration>,
}

/// As [`serve`]; a panic of the IO, in its `Drop` as well, is the end of this connection.
pub(crate) async fn serve_caught<IO>(
    io: IO,
    info: Arc<ConnectInfo>,
    shared: Arc<Shared>,
    drain: ConnectionDrain,
    greeting: Greeting,
) -> Closed
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut serving = pin!(Some(serve(io, info, shared, drain, greeting)));
    let served = poll_fn(|cx| poll_caught(serving.as_mut(), cx)).await;
    served.unwrap_or(Closed::Panicked)
}

/// Serves one connection until it ends. Dropping the future cuts it, and cancels its calls.
///
/// `greeting` is dropped when the peer has shown that it speaks HTTP/2.
async fn serve<IO>(
    io: IO,
    info: Arc<ConnectInfo>,
    shared: Arc<Shared>,
    drain: ConnectionDrain,
    greeting: Greeting,
) -> Closed
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let limits = &shared.limits;
    let accepted = Instant::now();
    let unread = Arc::new(Unread::of_server(&limits.http2, shared.buffered.clone()));
    let meter = FrameMeter::of_server(limits.ping_policy, Instant::now)
        .with_limits(&limits.http2)
        .watching(unread.clone());
    let (transport, outlet) = batched(io, meter);
    let handshake = async {
        // Most of what a connection holds is `h2`'s, and made only for a peer that speaks HTTP/2.
        let mut hears = pin!(outlet.hear(is_greeting));
        let heard = poll_fn(|cx| {
            let heard = hears.as_mut().poll(cx);
            greeting.place().hears(outlet.progress().read);
            heard
        });
        heard.await.map_err(Closed::Io)?;
        let h2 = limits.http2.server().handshake(transport).await;
        h2.map_err(|error| {
            diagnose(&outlet.first_bytes()).map_or_else(|| Closed::from(error), Closed::Foreign)
        })
    };
    let h2 = match timeout(limits.handshake_timeout, handshake).await {
        Ok(Ok(h2)) => h2,
        Ok(Err(closed)) => return closed,
        Err(_) => {
            return Closed::TimedOut(
                "the HTTP/2 preface and SETTINGS did not come within handshake_timeout",
            );
        }
    };
    outlet.begin_batching();
    let context = Arc::new(CallContext {
        connection: info,
        timeout: limits.timeout,
        stall_timeout: limits.stall_timeout,
        resets: Arc::new(Resets::default()),
        unread,
        meter: None,
    });
    let mut connection = Connection {
        h2,
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
        keepalive: None,
        place: greeting.place().clone(),
        greeting: Some(greeting),
        drain,
        shared: shared.clone(),
    };
    connection.begin(accepted);
    let mut closed = poll_fn(|cx| connection.poll(cx)).await;
    if let Some(verdict) = connection.outlet.verdict() {
        closed = Closed::Guarded(verdict);
    }
    if let Closed::Guarded(verdict) = closed {
        connection.outlet.farewell(verdict).await;
    }
    // Without the connection its streams fail, and that ends the handlers which still run.
    let spawned = connection.spawned.clone();
    drop(connection);
    let _ = timeout(LAST_HANDLERS, spawned.wait_for_none()).await;
    closed
}

struct Connection<IO> {
    h2: h2::server::Connection<BatchedIo<IO>, Bytes>,
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

    /// One turn.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        match self.drain.poll_phase(cx) {
            Phase::Serving => {}
            Phase::Draining => self.close_gracefully(None),
            Phase::Forced => return Poll::Ready(Closed::Forced),
        }
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
        ready!(self.poll_outlet(cx))
            .map_or_else(|error| Poll::Ready(Closed::Io(error)), |()| Poll::Pending)
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
                return self.h2.poll_closed(cx).map(Closed::from);
            }
            match ready!(self.h2.poll_accept(cx)) {
                Some(Ok((request, respond))) => {
                    if self.reset_guard.is_over(&self.context.resets, self.calls) {
                        return Poll::Ready(Closed::Guarded(Verdict::Resets));
                    }
                    self.start(Incoming { request, respond });
                }
                Some(Err(error)) => return Poll::Ready(Closed::from(error)),
                None => return Poll::Ready(Closed::Done),
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
        let begun = if events.watch_calls() {
            events.handle(entry, incoming, context)
        } else {
            entry.handle(incoming, context)
        };
        let mut call = match begun {
            Ok(call) => call,
            Err(outcome) => {
                self.shared.tally.ended(entry, outcome);
                return;
            }
        };
        if !entry.spawn_always() && self.budget.allows(timer::now) {
            // No waker: if it has to wait, its own task polls it again, and that poll leaves one.
            let polled = poll_call(&mut call, &mut Context::from_waker(Waker::noop()));
            self.budget.polled(timer::now);
            if let Poll::Ready(outcome) = polled {
                self.shared.tally.ended(entry, outcome);
                return;
            }
        }
        tokio::spawn(Spawn {
            call,
            span: Carried::current(),
            entry: entry.clone(),
            tally: self.shared.tally.clone(),
            _open: self.spawned.clone().count(),
        });
        self.ring_soon();
    }

    /// Step three: bytes leave. `Ready(Ok)` when all have.
    fn poll_outlet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (yielded, spawned) = (&mut self.yielded, &self.spawned);
        let now = || {
            *yielded = !*yielded && spawned.any();
            !*yielded
        };
        let left = match self.outlet.poll_leave(cx, now) {
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
            self.upkeep.close(Instant::now(), grace);
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
            streams: self.h2.has_streams(),
            queued: !self.outlet.is_empty(),
            half: self.outlet.half_frame(),
        };
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(sight.moved.read);
            match keepalive.look(now) {
                Ok(again) => self.alarm.ring_by(again),
                //= GRPC-PING-SERVER  unanswered server ping: calls CANCELLED
                Err(Dead) => {
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
            Due::Work(again) => {
                self.rings_soon = true;
                self.alarm.ring_by(again);
            }
            Due::Rest(again) => {
                self.outlet.release_buffers();
                if let Some(again) = again {
                    self.alarm.ring_by(again);
                }
            }
        }
        None
    }
}

/// Polls a call, which sees to panics of the user's code itself; but what that code leaves behind is dropped
/// last, and may panic too. It must not take its neighbours along.
fn poll_call(call: &mut CallFuture, cx: &mut Context<'_>) -> Poll<Outcome> {
    caught(|| call.as_mut().poll(cx)).unwrap_or(Poll::Ready(Outcome::Cut))
}

/// A call that had to wait, in a task of its own.
struct Spawn {
    /// Dropped before `_open`: a handler that is counted as gone is gone.
    call: CallFuture,
    /// Of the task in which the call began.
    span: Carried,
    entry: Arc<Entry>,
    tally: Arc<Tally>,
    _open: Counted,
}

impl Future for Spawn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let outcome = ready!(this.span.run(|| poll_call(&mut this.call, cx)));
        self.tally.ended(&self.entry, outcome);
        Poll::Ready(())
    }
}
