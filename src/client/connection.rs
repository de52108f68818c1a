//! One connection, one task: the calling side's loop.
//!
//! It drives `h2`, lets bytes leave once a turn, and watches over the peer. Calls do not pass through it:
//! each speaks to its own stream in its caller's task, and wakes this one to have its bytes sent.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::config::PingPolicy;
use super::dial::Io;
use super::places::{self, Places};
use super::plan::Plan;
use super::reports::Reports;
use super::young;
use crate::conn::alarm::Alarm;
use crate::conn::io::{BatchedIo, Outlet, Progress};
use crate::conn::keepalive::{Dead, Keepalive};
use crate::conn::laps::Laps;
use crate::conn::unread::Unread;

/// How often a connection that has work looks after itself.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How long bytes may wait for a peer that takes none, when no call waits for anything any more.
const FAREWELL: Duration = Duration::from_secs(20);

/// Why an attempt to connect has failed.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Whether the connection became READY, or why not.
type Ready = oneshot::Sender<Result<(), Cause>>;

/// Runs a connection until it ends. It ends by itself when nobody holds `handle` any more.
pub(super) fn run(
    h2: h2::client::Connection<BatchedIo<Box<dyn Io>>, Bytes>,
    outlet: Outlet<Box<dyn Io>>,
    plan: &Plan,
    handle: &Arc<places::Connection>,
    ready: Ready,
    reports: Reports,
) -> impl Future<Output = ()> + Send + 'static {
    let mut connection = Connection {
        h2,
        outlet,
        unread: handle.unread.clone(),
        calls: handle.places.clone(),
        handle: Arc::downgrade(handle),
        allowed: 0,
        held_back: None,
        read: 0,
        let_go_at: None,
        asked_to_read: None,
        stream_window: plan.config.http2.stream_window,
        laps: Laps::default(),
        heard: 0,
        asked_at: None,
        alarm: Alarm::default(),
        moved: Progress {
            read: 0,
            written: 0,
        },
        stuck_since: None,
        keepalive: None,
        pings: plan.keepalive,
        ready: Some(ready),
        reports: Some(reports),
    };
    async move {
        connection.begin();
        let end = poll_fn(|cx| {
            let end = ready!(connection.poll(cx));
            connection.tell(&end, cx);
            Poll::Ready(end)
        })
        .await;
        if let Some(verdict) = connection.outlet.verdict() {
            connection.outlet.farewell(verdict).await;
        }
        connection.end(end);
    }
}

struct Connection {
    h2: h2::client::Connection<BatchedIo<Box<dyn Io>>, Bytes>,
    outlet: Outlet<Box<dyn Io>>,
    unread: Arc<Unread>,
    calls: Arc<Places>,
    /// What calls begin on; while anybody holds it, the connection stays.
    handle: Weak<places::Connection>,
    /// How many calls the peer allows, as `calls` was told; 0 before READY.
    allowed: usize,
    /// The socket takes no bytes, and `calls` was told; how many it had taken by then.
    held_back: Option<u64>,
    /// How many bytes had been read when `calls` was told last.
    read: u64,
    /// When calls that were given up young may be reset.
    let_go_at: Option<Instant>,
    /// Where the peer was asked with SETTINGS to read what was sent: how many it had acknowledged before, and until
    /// when that is waited for. No number if it has others to acknowledge first.
    asked_to_read: Option<(Option<u64>, Instant)>,
    /// What those SETTINGS say: nothing new.
    stream_window: u32,
    /// Whether others speak first, before it writes.
    laps: Laps,
    /// HEADERS and DATA that have come; how many they were when a doubt last made it ask.
    heard: u64,
    asked_at: Option<u64>,
    alarm: Alarm,
    /// Bytes moved when the alarm last rang.
    moved: Progress,
    /// Since when no call is open, and what waits to leave, or to be flushed, does not.
    stuck_since: Option<Instant>,
    /// From the start where it was asked for, else from the first doubt.
    keepalive: Option<Keepalive>,
    pings: PingPolicy,
    /// Until the peer's SETTINGS have come.
    ready: Option<Ready>,
    /// Until no more calls may start, and all is known of why.
    reports: Option<Reports>,
}

/// Why a connection is over.
enum End {
    /// In good order, or by an `h2` error that its streams have been told of.
    H2(Result<(), h2::Error>),
    /// The socket would not take our bytes.
    Io(io::Error),
    /// The peer does not answer, or takes nothing; for people.
    Dead(String),
}

impl Connection {
    fn begin(&mut self) {
        self.outlet.explain_ends();
        if let Some(interval) = self.pings.interval {
            let now = Instant::now();
            let pings = self.h2.ping_pong();
            self.keepalive =
                pings.map(|pings| Keepalive::new(pings, interval, self.pings.timeout, now));
            self.alarm.ring_by(now + HOUSEKEEPING.min(interval));
        }
    }

    /// One turn.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = Pin::new(&mut self.h2).poll(cx) {
            return Poll::Ready(End::H2(end));
        }
        self.look_at_calls(cx);
        while self.alarm.poll(cx).is_ready() {
            if let Err(why) = self.look_around() {
                return Poll::Ready(End::Dead(why));
            }
            // A PING that was decided on is written by `h2` in its next turn, which is now.
            if let Poll::Ready(end) = Pin::new(&mut self.h2).poll(cx) {
                return Poll::Ready(End::H2(end));
            }
        }
        if self.ready.is_some() && self.outlet.peer_settings().is_some() {
            self.outlet.begin_batching();
            self.look_at_limit();
            let settings = self.outlet.peer_settings();
            let max = settings.and_then(|settings| settings.max_header_list_size);
            self.calls.takes_header_lists_of(max);
            self.calls.doubts.begin(cx);
            let ready = self.ready.take().map(|ready| ready.send(Ok(())));
            if !matches!(ready, Some(Ok(()))) {
                return Poll::Ready(End::H2(Ok(()))); // whoever waited has given up
            }
        }
        let news = self.outlet.news();
        if news.goaway {
            self.no_more_calls();
        }
        if news.heard != self.heard {
            self.heard = news.heard;
            self.calls.doubts.heard(news.heard);
        }
        if self.calls.doubts.take() && self.ask() {
            // `h2` writes the PING in its next turn.
            cx.waker().wake_by_ref();
        }
        if self.ready.is_none() {
            self.look_at_limit();
        }
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(self.outlet.progress().read);
        }
        self.outlet.look_after(&self.unread, cx);
        ready!(self.poll_outlet(cx))
            .map_or_else(|error| Poll::Ready(End::Io(error)), |()| Poll::Pending)
    }

    /// Bytes leave. `Ready(Ok)` when all have.
    fn poll_outlet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outlet.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // One caller waits for its answer; of many, the others may have something to say as well.
        if self.calls.more_than(1) && self.laps.go(self.outlet.said()) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.alarm.is_set() {
            self.alarm.ring_by(Instant::now() + HOUSEKEEPING);
        }
        let drained = self.outlet.poll_drain(cx);
        if drained.is_pending() || self.held_back.is_some() {
            self.socket_is_stuck(drained.is_pending());
        }
        drained
    }

    /// The peer may allow another number of calls than before.
    fn look_at_limit(&mut self) {
        let allowed = self.h2.max_concurrent_send_streams();
        if allowed != self.allowed {
            self.allowed = allowed;
            self.admit();
        }
    }

    /// Calls ask how often the peer was heard; and some were given up and cannot be reset at once.
    fn look_at_calls(&mut self, cx: &Context<'_>) {
        let read = self.outlet.progress().read;
        if read != self.read {
            self.read = read;
            self.calls.hear();
        }
        if self.calls.young.is_busy() {
            self.let_go_later(cx);
        }
    }

    #[cold]
    fn let_go_later(&mut self, cx: &Context<'_>) {
        let now = Instant::now();
        let at = *self.let_go_at.get_or_insert(now + young::PAUSE);
        self.alarm.ring_by(at);
        let waits_for_others = matches!(self.asked_to_read, Some((None, _)));
        if waits_for_others || self.calls.young.shall_ask() {
            let acks = self.outlet.settings_acks();
            let asked = self.h2.set_initial_window_size(self.stream_window).is_ok();
            self.asked_to_read = Some(match self.asked_to_read {
                _ if asked => (Some(acks), now + young::PATIENCE),
                Some((_, until)) => (None, until),
                None => (None, now + young::LESS_PATIENCE),
            });
            if asked {
                self.calls.young.asked();
                // `h2` writes them in its next turn.
                cx.waker().wake_by_ref();
            }
        }
    }

    /// A pause is over, for calls that were given up young.
    #[cold]
    fn let_go(&mut self, now: Instant) {
        self.let_go_at = None;
        let read = self.asked_to_read.is_some_and(|(acks, until)| {
            let acknowledged = acks.is_some_and(|acks| self.outlet.settings_acks() > acks);
            acknowledged || now >= until
        });
        if read {
            self.asked_to_read = None;
            self.calls.young.let_go();
        }
        if !self.calls.young.rest() {
            let at = now + young::PAUSE;
            self.let_go_at = Some(at);
            self.alarm.ring_by(at);
        }
    }

    #[cold]
    fn admit(&mut self) {
        self.calls.allow(self.allowed);
        self.held_back = None;
        if let Some(handle) = self.handle.upgrade() {
            handle.fill();
        }
    }

    /// The socket takes no bytes, or does so again.
    #[cold]
    fn socket_is_stuck(&mut self, stuck: bool) {
        let written = self.outlet.progress().written;
        if !stuck {
            self.admit();
        } else if self.held_back != Some(written) {
            self.held_back = Some(written);
            self.calls.hold_back();
            if let Some(handle) = self.handle.upgrade() {
                handle.fill();
            }
        }
    }

    /// A call expired, and nothing came while it waited: is the peer there? Not asked again before it has
    /// answered something. `true` if `h2` has a PING to write.
    #[cold]
    fn ask(&mut self) -> bool {
        if self.asked_at == Some(self.heard) {
            return false;
        }
        self.asked_at = Some(self.heard);
        let (now, timeout) = (Instant::now(), self.pings.timeout);
        if self.keepalive.is_none() {
            let pings = self.h2.ping_pong();
            self.keepalive = pings.map(|pings| Keepalive::new(pings, Duration::MAX, timeout, now));
        }
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(self.outlet.progress().read);
            keepalive.ask(now);
            self.alarm.ring_by(now + timeout.min(HOUSEKEEPING));
        }
        true
    }

    /// The alarm rang. Sets the next alarms.
    fn look_around(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if self.let_go_at.is_some_and(|at| at <= now) {
            self.let_go(now);
        } else if let Some(at) = self.let_go_at {
            self.alarm.ring_by(at);
        }
        let moved = self.outlet.progress();
        let is_still = moved == self.moved;
        let busy = self.calls.any() || !is_still;
        let waits = !self.outlet.is_empty();
        // A peer that talks on and takes nothing is as good as silent.
        let stuck = waits && !self.calls.any() && moved.written == self.moved.written;
        self.moved = moved;
        if let Some(keepalive) = self
            .keepalive
            .as_mut()
            .filter(|keepalive| busy || self.pings.while_idle || keepalive.waits())
        {
            //= GRPC-PING-CLIENT  unanswered client ping: calls UNAVAILABLE
            keepalive.heard(moved.read);
            let again = keepalive.look(now).map_err(|Dead { waited }| {
                format!("the peer did not answer a PING within {waited:?}")
            })?;
            self.alarm.ring_by(again);
        }
        // The last words of a connection that is of no more use are not waited for without end.
        if !stuck {
            self.stuck_since = None;
        } else if now - *self.stuck_since.get_or_insert(now) >= FAREWELL {
            return Err(format!("the peer took no bytes for {FAREWELL:?}"));
        }
        if busy || waits {
            self.alarm.ring_by(now + HOUSEKEEPING);
        }
        if is_still {
            self.outlet.release_buffers();
            self.unread.buffers.release();
        }
        Ok(())
    }

    #[cold]
    fn no_more_calls(&mut self) {
        let Some(goaway) = self.outlet.goaway() else {
            return;
        };
        //= GRPC-GOAWAY-RECV  no new calls here; those in flight go on
        if let Some(reports) = &self.reports {
            reports.turned_away(&goaway);
        }
        if goaway.too_many_pings {
            if let Some(reports) = self.reports.take() {
                reports.too_many_pings();
            }
        }
    }

    /// Tells all streams why it is over, where `h2` does not know: they would hear of a broken pipe.
    fn tell(&mut self, end: &End, cx: &mut Context<'_>) {
        let why = match (end, self.outlet.goaway()) {
            (End::H2(_), _) => return,
            (End::Io(_), Some(goaway)) => goaway.closed(),
            (End::Io(error), None) => error.to_string(),
            (End::Dead(why), _) => why.clone(),
        };
        self.outlet.give_up(why);
        let _: Poll<Result<(), h2::Error>> = Pin::new(&mut self.h2).poll(cx);
    }

    fn end(mut self, end: End) {
        let goaway = self.outlet.goaway();
        if goaway.is_some() {
            self.no_more_calls();
        }
        self.reports = None;
        let Some(ready) = self.ready.take() else {
            return;
        };
        let in_good_order = match &goaway {
            Some(goaway) => goaway.code == u32::from(h2::Reason::NO_ERROR),
            None => matches!(end, End::H2(Ok(()))),
        };
        if in_good_order && self.outlet.peer_settings().is_some() {
            // It was there, and was closed in good order before anybody could look.
            let _ = ready.send(Ok(()));
            return;
        }
        let _ = ready.send(Err(match (diagnose(&self.outlet.first_bytes()), end) {
            (Some(what), _) => what.into(),
            (None, End::H2(_)) if goaway.is_some() => {
                let said = goaway.map(|goaway| goaway.to_string()).unwrap_or_default();
                format!("the server turned the connection away: {said}").into()
            }
            (None, End::H2(Ok(()))) => {
                "the peer closed the connection before its SETTINGS came".into()
            }
            (None, End::H2(Err(error))) => not_http2(error, self.outlet.take_failure()),
            (None, End::Io(error)) => error.into(),
            (None, End::Dead(why)) => why.into(),
        }));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.calls.young.end();
    }
}

/// HTTP/2 did not begin. An error of the IO itself says more than that: a TLS server refuses a client when HTTP/2 has begun,
/// for example.
fn not_http2(error: h2::Error, own: Option<io::Error>) -> Cause {
    match own {
        Some(own) => own.into(),
        None => format!("the peer does not speak HTTP/2: {error}").into(),
    }
}

/// What a peer speaks that does not speak HTTP/2, by its first bytes.
fn diagnose(first: &[u8]) -> Option<&'static str> {
    match first {
        [b'H', b'T', b'T', b'P', b'/', b'1', ..] => {
            Some("the peer answered HTTP/1.1; gRPC needs HTTP/2, so a proxy may stand between")
        }
        [0x15, 0x03, ..] => Some(
            "the peer speaks TLS, and this connection is plaintext; write https:// and configure TLS",
        ),
        _ => None,
    }
}
