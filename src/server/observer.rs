//! What does a server report?
//!
//! [`Observer`] is the hook for metrics: no library of metrics is chosen here. The `tracing` events of the
//! feature of that name are another observer with the same facts. `events.rs` calls the observers; this file has the
//! types of the reports.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use super::tally::DrainReport;
use crate::{Code, ConnectInfo, Error};

/// Receives reports of connections, calls and the drain.
///
/// Each method has a default that does nothing. They are called in the tasks that serve, between one
/// poll and the next: count and return, and do not block. A method that panics ends neither the call nor the connection that
/// it is about, and later reports reach the observer. A server without an observer looks three times in a call whether there is one: some 20 to 30 of 26,000 instructions.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use temaki::server::{CallEnd, CallOutcome, Observer};
///
/// #[derive(Default)]
/// struct Metrics {
///     calls: AtomicU64,
///     failed: AtomicU64,
/// }
///
/// impl Observer for Metrics {
///     fn call_ended(&self, call: &CallEnd<'_>) {
///         self.calls.fetch_add(1, Ordering::Relaxed);
///         if call.outcome != CallOutcome::Status(temaki::Code::Ok) {
///             self.failed.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let metrics = Arc::new(Metrics::default());
/// let server = temaki::Server::builder().observer(metrics.clone());
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A connection was accepted. Nothing is known yet of what its peer speaks.
    fn connection_opened(&self, connection: &ConnectInfo) {
        let _ = connection;
    }

    /// A connection is over. Called once for each connection that was opened.
    fn connection_closed(&self, connection: &ConnectInfo, end: &ConnectionEnd<'_>) {
        let _ = (connection, end);
    }

    /// A listener could not give a connection: it gave an error, which is of one connection (a TLS handshake that
    /// failed) or of all (no descriptors are left). It is tried again. Also called, once a second at most, when there is no
    /// room for another connection: the error names `max_connections`, and how many connections were closed for it.
    fn listener_failed(&self, error: &(dyn StdError + 'static)) {
        let _ = error;
    }

    /// A request has come. Its head was not looked at yet, but for its path.
    fn call_started(&self, call: &CallStart<'_>) {
        let _ = call;
    }

    /// A call is over. Called once for each call that was started.
    fn call_ended(&self, call: &CallEnd<'_>) {
        let _ = call;
    }

    /// The server begins to stop. It takes no new calls, and those in flight may end.
    fn draining(&self) {}

    /// The server has stopped.
    fn drained(&self, report: &DrainReport) {
        let _ = report;
    }
}

/// One observer for several servers, or one whose figures other code reads.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn connection_opened(&self, connection: &ConnectInfo) {
        O::connection_opened(self, connection);
    }

    fn connection_closed(&self, connection: &ConnectInfo, end: &ConnectionEnd<'_>) {
        O::connection_closed(self, connection, end);
    }

    fn listener_failed(&self, error: &(dyn StdError + 'static)) {
        O::listener_failed(self, error);
    }

    fn call_started(&self, call: &CallStart<'_>) {
        O::call_started(self, call);
    }

    fn call_ended(&self, call: &CallEnd<'_>) {
        O::call_ended(self, call);
    }

    fn draining(&self) {
        O::draining(self);
    }

    fn drained(&self, report: &DrainReport) {
        O::drained(self, report);
    }
}

/// How a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionEnd<'a> {
    /// Why, in few words for a label.
    pub reason: CloseReason,
    /// Why, in full; `None` where it ended in good order.
    pub error: Option<&'a Error>,
    /// Since it was accepted.
    pub duration: Duration,
}

impl<'a> ConnectionEnd<'a> {
    pub(super) fn new(reason: CloseReason, error: Option<&'a Error>, duration: Duration) -> Self {
        Self {
            reason,
            error,
            duration,
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// In good order: its peer closed it, or its calls had ended after a GOAWAY of ours.
    Done,
    /// Its peer took too long: to shake hands, to take what it had asked for, to answer a PING, to let its
    /// calls end.
    TimedOut,
    /// The server stopped, and its calls took longer than `drain_timeout`; or its future was dropped.
    Forced,
    /// Its peer broke HTTP/2.
    Protocol,
    /// Its peer speaks something else: TLS, or HTTP/1.1.
    Foreign,
    /// The socket failed.
    Io,
    /// It made room for another: there were as many as `max_connections` allows, or too many in their handshake, and this
    /// one did nothing.
    Crowded,
    /// Its [`Handshake`](super::Handshake) returned an error.
    Handshake,
    /// Code of the application that belongs to this connection panicked: its IO, its handshake, or its `connect_info`.
    Panicked,
}

impl CloseReason {
    /// For a label: `done`, `timed_out`, `forced`, `protocol`, `foreign`, `io`, `crowded`, `handshake`, `panicked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::TimedOut => "timed_out",
            Self::Forced => "forced",
            Self::Protocol => "protocol",
            Self::Foreign => "foreign",
            Self::Io => "io",
            Self::Crowded => "crowded",
            Self::Handshake => "handshake",
            Self::Panicked => "panicked",
        }
    }
}

/// A call that has come.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallStart<'a> {
    /// As [`CallEnd::method`].
    pub method: &'a str,
    /// What it came on.
    pub connection: &'a ConnectInfo,
}

impl<'a> CallStart<'a> {
    pub(super) fn new(method: &'a str, connection: &'a ConnectInfo) -> Self {
        Self { method, connection }
    }
}

/// A call that is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallEnd<'a> {
    /// `/package.Service/Method`, as it was registered; `*` where the client named no such method, with or
    /// without a fallback. It is never the client's own text, so the number of labels is bounded.
    pub method: &'a str,
    /// What it came on.
    pub connection: &'a ConnectInfo,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Since it had come.
    pub duration: Duration,
    /// Bytes of DATA that were read: messages, with five bytes before each.
    pub received: u64,
    /// The same, sent.
    pub sent: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallOutcome {
    /// With this status.
    Status(Code),
    /// The request was not gRPC. The response had this HTTP status.
    Http(u16),
    /// The client cannot have received the whole response: the call was cancelled, its connection was lost, or
    /// the server stopped.
    Cut,
}

impl CallOutcome {
    /// The code, for a label: the one that the client received, or would make of the HTTP status. CANCELLED for a call that was cut.
    pub fn code(self) -> Code {
        match self {
            Self::Status(code) => code,
            Self::Http(status) => crate::wire::mapping::code_from_http(status),
            Self::Cut => Code::Cancelled,
        }
    }
}
