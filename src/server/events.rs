//! Which events of a server are reported, and when?
//!
//! There are two receivers of the same facts: the [`Observer`] that the user set, and `tracing`, with the
//! feature of that name. A call that neither watches costs one look at each. A call that one of them watches is
//! wrapped: it then has a clock and a count of bytes of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::call;
use super::closed::Closed;
use super::context::{CallContext, Incoming};
use super::end::Outcome;
use super::observer::{CallEnd, CallOutcome, CallStart, CloseReason, ConnectionEnd, Observer};
use super::room::Place;
use super::route::CallFuture;
use super::router::Entry;
use super::tally::DrainReport;
use crate::call::caught::caught;
use crate::call::meter::Meter;
use crate::call::timer;
use crate::{ConnectInfo, Status};

/// The receivers of the reports.
#[derive(Clone, Default)]
pub(crate) struct Events {
    observer: Option<Arc<dyn Observer>>,
}

impl Events {
    /// Reports to `observer` from now on, and not to the one that was set before.
    pub(crate) fn tell(&mut self, observer: impl Observer) {
        self.observer = Some(Arc::new(observer));
    }

    /// The listener could not give a connection.
    pub(crate) fn listener_failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.each(|observer| observer.listener_failed(error));
    }

    /// The server begins to stop.
    pub(crate) fn draining(&self) {
        self.each(|observer| observer.draining());
    }

    /// The server has stopped.
    pub(crate) fn drained(&self, report: &DrainReport) {
        self.each(|observer| observer.drained(report));
    }

    /// A connection was accepted.
    pub(crate) fn connection(&self, info: Arc<ConnectInfo>) -> WatchedConnection {
        self.each(|observer| observer.connection_opened(&info));
        WatchedConnection {
            events: self.clone(),
            info,
            opened: timer::now(),
            place: None,
            told: false,
        }
    }

    /// Is a receiver for calls set?
    #[inline]
    pub(crate) fn watch_calls(&self) -> bool {
        #[cfg(feature = "tracing")]
        if tracing::enabled!(tracing::Level::DEBUG) {
            return true;
        }
        self.observer.is_some()
    }

    /// Begins a call that is watched.
    #[cold]
    pub(crate) fn handle(
        &self,
        entry: &Arc<Entry>,
        incoming: Incoming,
        mut context: Arc<CallContext>,
    ) -> Result<CallFuture, Outcome> {
        let mut watched = self.call(Some(entry), &mut context);
        match entry.handle(incoming, context) {
            Ok(call) => Ok(watched.follow(call)),
            Err(outcome) => {
                watched.ended(outcome);
                Err(outcome)
            }
        }
    }

    /// Responds to a call that no method was found for.
    #[cold]
    pub(crate) fn refuse(&self, incoming: Incoming, context: Arc<CallContext>, status: Status) {
        self.answer(None, incoming, context, status);
    }

    /// Responds to a call that is one too many.
    pub(crate) fn shed(
        &self,
        entry: &Arc<Entry>,
        incoming: Incoming,
        context: Arc<CallContext>,
        status: Status,
    ) -> Outcome {
        self.answer(Some(entry), incoming, context, status)
    }

    fn answer(
        &self,
        entry: Option<&Arc<Entry>>,
        incoming: Incoming,
        mut context: Arc<CallContext>,
        status: Status,
    ) -> Outcome {
        let watched = self.watch_calls().then(|| self.call(entry, &mut context));
        let outcome = call::refuse(incoming, context, status);
        if let Some(mut watched) = watched {
            watched.ended(outcome);
        }
        outcome
    }

    /// A call that is watched has come. It gets a context of its own, so that its bytes are counted apart.
    fn call(&self, entry: Option<&Arc<Entry>>, context: &mut Arc<CallContext>) -> Box<WatchedCall> {
        let meter = Arc::new(Meter::default());
        *context = Arc::new(context.with_meter(meter.clone()));
        let call = WatchedCall {
            events: self.clone(),
            entry: entry.cloned(),
            connection: context.connection.clone(),
            started: timer::now(),
            meter,
            told: false,
        };
        let start = CallStart::new(call.method(), &call.connection);
        self.each(|observer| observer.call_started(&start));
        Box::new(call)
    }

    /// A panic of an observer ends here: the call or connection that it is about goes on.
    fn each(&self, tell: impl Fn(&dyn Observer)) {
        #[cfg(feature = "tracing")]
        let _ = caught(|| tell(&told::Tracing));
        if let Some(observer) = &self.observer {
            let _ = caught(|| tell(&**observer));
        }
    }
}

/// A connection whose end will be reported, however it ends.
pub(crate) struct WatchedConnection {
    events: Events,
    info: Arc<ConnectInfo>,
    opened: Instant,
    /// Where it may have been asked to go.
    place: Option<Arc<Place>>,
    told: bool,
}

impl WatchedConnection {
    /// The same, at this place among others.
    pub(crate) fn at(mut self, place: Arc<Place>) -> Self {
        self.place = Some(place);
        self
    }

    /// What is known of the connection.
    pub(crate) fn info(&self) -> &ConnectInfo {
        &self.info
    }

    /// Its handshake has completed: this is known of it from now on.
    pub(crate) fn learn(&mut self, info: Arc<ConnectInfo>) {
        self.info = info;
    }

    /// It is over, for this reason; gives how, in words.
    pub(crate) fn closed(mut self, closed: Closed) -> Result<(), crate::Error> {
        self.over(closed)
    }

    fn over(&mut self, closed: Closed) -> Result<(), crate::Error> {
        let closed = match closed {
            Closed::Done | Closed::Forced if self.has_made_room() => Closed::Crowded,
            other => other,
        };
        let reason = closed.reason();
        let result = closed.into_result();
        self.tell(reason, result.as_ref().err());
        result
    }

    fn has_made_room(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_asked())
    }

    fn tell(&mut self, reason: CloseReason, error: Option<&crate::Error>) {
        self.told = true;
        let duration = timer::now().saturating_duration_since(self.opened);
        let end = ConnectionEnd::new(reason, error, duration);
        self.events
            .each(|observer| observer.connection_closed(&self.info, &end));
    }
}

impl Drop for WatchedConnection {
    fn drop(&mut self) {
        if !self.told && self.has_made_room() {
            let _ = self.over(Closed::Crowded);
        } else if !self.told {
            self.tell(CloseReason::Forced, None);
        }
    }
}

/// A call whose end will be reported, however it ends.
pub(crate) struct WatchedCall {
    events: Events,
    /// `None` where no method was found.
    entry: Option<Arc<Entry>>,
    connection: Arc<ConnectInfo>,
    started: Instant,
    meter: Arc<Meter>,
    told: bool,
}

impl WatchedCall {
    /// The same call, which reports its end.
    pub(crate) fn follow(self: Box<Self>, call: CallFuture) -> CallFuture {
        Box::pin(Followed {
            call,
            watched: self,
        })
    }

    /// It is over.
    pub(crate) fn ended(&mut self, outcome: Outcome) {
        self.told = true;
        let end = CallEnd {
            method: self.method(),
            connection: &self.connection,
            outcome: match outcome {
                Outcome::Ended(code) => CallOutcome::Status(code),
                Outcome::NotGrpc(status) => CallOutcome::Http(status.as_u16()),
                Outcome::Cut => CallOutcome::Cut,
            },
            duration: timer::now().saturating_duration_since(self.started),
            received: self.meter.received(),
            sent: self.meter.sent(),
        };
        self.events.each(|observer| observer.call_ended(&end));
    }

    fn method(&self) -> &str {
        self.entry.as_ref().map_or("*", |entry| entry.path())
    }
}

impl Drop for WatchedCall {
    fn drop(&mut self) {
        if !self.told {
            self.ended(Outcome::Cut);
        }
    }
}

struct Followed {
    /// Dropped before the end is reported, so that a call is over when the report says so.
    call: CallFuture,
    watched: Box<WatchedCall>,
}

impl Future for Followed {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let outcome = ready!(self.call.as_mut().poll(cx));
        self.watched.ended(outcome);
        Poll::Ready(outcome)
    }
}

#[cfg(feature = "tracing")]
mod told {
    use super::*;

    /// The events of `tracing`, in the words of an observer.
    pub(super) struct Tracing;

    impl Observer for Tracing {
        fn connection_opened(&self, connection: &ConnectInfo) {
            tracing::debug!(remote = ?connection.remote_addr, "connection accepted");
        }

        fn connection_closed(&self, connection: &ConnectInfo, end: &ConnectionEnd<'_>) {
            let (remote, reason) = (connection.remote_addr, end.reason.as_str());
            let duration = end.duration;
            match end.error {
                None => tracing::debug!(?remote, reason, ?duration, "connection closed"),
                Some(error) => {
                    tracing::info!(?remote, reason, ?duration, %error, "connection closed");
                }
            }
        }

        fn listener_failed(&self, error: &(dyn std::error::Error + 'static)) {
            tracing::warn!(error, "accepting failed; it is tried again");
        }

        fn call_ended(&self, call: &CallEnd<'_>) {
            tracing::debug!(
                method = call.method,
                outcome = ?call.outcome,
                duration = ?call.duration,
                received = call.received,
                sent = call.sent,
                remote = ?call.connection.remote_addr,
                "call ended"
            );
        }

        fn draining(&self) {
            tracing::info!("draining: no new calls; those in flight may end");
        }

        fn drained(&self, report: &DrainReport) {
            let (finished, cut) = (report.total.finished, report.total.cut);
            tracing::info!(finished, cut, "drained");
        }
    }
}
