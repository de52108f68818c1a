//! Connections, from wherever they come, each into a task of its own.
//!
//! The loop is slow to take more than it can serve: at the limit of connections it leaves the next one
//! in the kernel's queue, and so it does while too many are still in their handshake. An error of the
//! listener (no descriptors left, most often) is waited out: it neither ends the server nor spins.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{self, Closed, Shared};
use super::drain::{Drain, DrainReport, Phase};
use super::observer::CloseReason;
use crate::call::caught::{caught, drop_caught};
use crate::conn::counter::Counter;
use crate::conn::verdict::Verdict;
use crate::{ConnectInfo, Connected};

/// Connections that have not shown yet that they speak HTTP/2; each holds memory for nothing.
const MAX_HANDSHAKING: usize = 1024;

/// How long a listener that failed is left alone.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// How long the end waits for connections that were told to stop at once.
const LAST_CONNECTIONS: Duration = Duration::from_secs(2);

/// Serves connections: what is left of a [`Server`](super::Server) when its services are in place.
///
/// Clones serve the same services under the same limits, and stop together: whichever of their shutdowns is
/// ready first begins the drain of all. That is how one server has several listeners:
///
/// ```no_run
/// # async fn run(server: temaki::Server) -> Result<(), Box<dyn std::error::Error>> {
/// use std::future::pending;
/// use temaki::server::TcpIncoming;
///
/// let acceptor = server.into_acceptor()?;
/// let public = TcpIncoming::bind("0.0.0.0:50051").await?;
/// let local = TcpIncoming::bind("[::1]:50052").await?;
/// tokio::join!(
///     acceptor.clone().serve_with_incoming(public),
///     acceptor.serve_with_incoming_shutdown(local, async { /* a signal */ }),
/// );
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
    drain: Arc<Drain>,
    connections: Arc<Counter>,
    handshaking: Arc<Counter>,
    max_connections: usize,
    drain_timeout: Duration,
}

impl Acceptor {
    pub(super) fn new(
        shared: Shared,
        drain: Drain,
        max_connections: usize,
        drain_timeout: Duration,
    ) -> Self {
        Self {
            shared: Arc::new(shared),
            drain: Arc::new(drain),
            connections: Arc::default(),
            handshaking: Arc::default(),
            max_connections,
            drain_timeout,
        }
    }

    /// Serves one connection until it ends, in the caller's task. Handlers run on tokio's runtime.
    ///
    /// Dropping the future cuts the connection and cancels its calls. The connection counts neither
    /// towards `max_connections` nor in a drain of other connections.
    ///
    /// # Errors
    /// What ended it, if that was not its peer's wish.
    pub async fn serve_connection<IO>(&self, io: IO, info: ConnectInfo) -> Result<(), crate::Error>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let info = Arc::new(info);
        let watched = self.shared.events.connection(info.clone());
        let drain = self.drain.watch();
        let handshaking = self.handshaking.clone().count();
        let closed =
            connection::serve_caught(io, info, self.shared.clone(), drain, handshaking).await;
        watched.closed(closed)
    }

    /// Serves the connections of `incoming` until a clone's shutdown begins a drain, or until `incoming` and all
    /// connections have ended.
    pub async fn serve_with_incoming<I, IO, E>(self, incoming: I) -> DrainReport
    where
        I: Stream<Item = Result<IO, E>>,
        IO: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.serve_with_incoming_shutdown(incoming, std::future::pending())
            .await
    }

    /// The same, until `shutdown` is ready; then lets the calls in flight end, on all connections. The report
    /// is of all clones together. Dropping the future cuts the connections of all.
    pub async fn serve_with_incoming_shutdown<I, IO, E, F>(
        self,
        incoming: I,
        shutdown: F,
    ) -> DrainReport
    where
        I: Stream<Item = Result<IO, E>>,
        IO: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = ()>,
    {
        // If this future is dropped, nobody is left to wait for a drain.
        let mut cut = CutOnDrop(Some(self.drain.clone()));
        let asked = {
            let mut drain = self.drain.watch();
            let mut shutdown = pin!(async {
                let shutdown = pin!(shutdown);
                let elsewhere = poll_fn(|cx| match drain.poll_phase(cx) {
                    Phase::Serving => Poll::Pending,
                    Phase::Draining | Phase::Forced => Poll::Ready(()),
                });
                first(shutdown, pin!(elsewhere)).await;
            });
            let mut incoming = pin!(incoming);
            loop {
                match self.next(incoming.as_mut(), shutdown.as_mut()).await {
                    Next::Stop => break true,
                    Next::None => break false,
                    Next::Some(Ok(io)) => self.spawn(io),
                    Next::Some(Err(error)) => {
                        let error: Box<dyn std::error::Error + Send + Sync> = error.into();
                        if !is_of_one_connection(&*error) {
                            self.shared.events.listener_failed(&*error);
                            let pause = pin!(tokio::time::sleep(AFTER_ERROR));
                            if first(pause, shutdown.as_mut()).await {
                                break true;
                            }
                        }
                    }
                }
            }
        }; // the listener is closed here, before the drain begins
        if asked {
            if self.drain.enter(Phase::Draining) {
                self.shared.events.draining();
            }
            let all = self.connections.wait_for_none();
            let _ = tokio::time::timeout(self.drain_timeout, all).await;
            let forced = self.drain.enter(Phase::Forced);
            let last = self.connections.wait_for_none();
            let _ = tokio::time::timeout(LAST_CONNECTIONS, last).await;
            if forced {
                self.shared.events.drained(&self.drain.tally().report());
            }
        }
        cut.0 = None;
        self.drain.tally().report()
    }

    /// The next connection, unless it is time to stop or none will come.
    async fn next<I: Stream, F: Future<Output = ()>>(
        &self,
        mut incoming: Pin<&mut I>,
        mut shutdown: Pin<&mut F>,
    ) -> Next<I::Item> {
        let mut ended = false;
        poll_fn(|cx| {
            if shutdown.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Next::Stop);
            }
            std::task::ready!(self.connections.poll_below(self.max_connections, cx));
            std::task::ready!(self.handshaking.poll_below(MAX_HANDSHAKING, cx));
            if ended {
                // No more will come; those that are here go on until they end or the shutdown.
                return self.connections.poll_below(1, cx).map(|()| Next::None);
            }
            match std::task::ready!(incoming.as_mut().poll_next(cx)) {
                Some(item) => Poll::Ready(Next::Some(item)),
                None => {
                    ended = true;
                    self.connections.poll_below(1, cx).map(|()| Next::None)
                }
            }
        })
        .await
    }

    fn spawn<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
    {
        let events = &self.shared.events;
        let Ok(info) = caught(|| io.connect_info()) else {
            // A peer that has gone already has no address, and `unwrap` is soon written.
            let watched = events.connection(Arc::default());
            let _ = drop_caught(io);
            let _ = watched.closed(Closed::Panicked);
            return;
        };
        let info = Arc::new(info);
        let watched = events.connection(info.clone());
        let (open, handshaking) = (
            self.connections.clone().count(),
            self.handshaking.clone().count(),
        );
        let (drain, shared) = (self.drain.watch(), self.shared.clone());
        tokio::spawn(async move {
            // Made in here, and not handed in: the task would have room for it twice.
            let closed = connection::serve_caught(io, info, shared, drain, handshaking).await;
            // What ended it was told to whoever watches.
            let _ = watched.closed(closed);
            drop(open);
        });
    }
}

/// What an accepting loop does next.
enum Next<T> {
    /// Serves what came.
    Some(T),
    /// Ends: nothing will come, and what came has ended.
    None,
    /// Drains.
    Stop,
}

/// Waits for whichever comes first; was it `b`?
async fn first(
    mut a: Pin<&mut impl Future<Output = ()>>,
    mut b: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    poll_fn(|cx| {
        if b.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        a.as_mut().poll(cx).map(|()| false)
    })
    .await
}

/// A caller that hung up before it was accepted is no reason to pause.
fn is_of_one_connection(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        )
    })
}

struct CutOnDrop(Option<Arc<Drain>>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(drain) = &self.0 {
            drain.enter(Phase::Forced);
        }
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Closed {
    pub(super) fn reason(&self) -> CloseReason {
        match self {
            Self::Done => CloseReason::Done,
            Self::TimedOut(_) => CloseReason::TimedOut,
            Self::Forced => CloseReason::Forced,
            Self::Protocol(_) => CloseReason::Protocol,
            Self::Guarded(Verdict::HalfFrame) => CloseReason::TimedOut,
            Self::Guarded(_) => CloseReason::Protocol,
            Self::Foreign(_) => CloseReason::Foreign,
            Self::Io(_) => CloseReason::Io,
            Self::Panicked => CloseReason::Panicked,
        }
    }

    pub(super) fn into_result(self) -> Result<(), crate::Error> {
        let error = |message: &str| crate::Error::new(crate::error::ErrorKind::Connection, message);
        match self {
            Self::Done => Ok(()),
            Self::TimedOut(what) => Err(error(what)),
            Self::Forced => Err(error("the connection was cut: the server stopped")),
            Self::Protocol(source) => Err(error("the peer broke HTTP/2").with_source(source)),
            Self::Guarded(verdict) => Err(error(&verdict.to_string())),
            Self::Foreign(what) => Err(error(what)),
            Self::Io(source) => Err(error("the connection was lost").with_source(source)),
            Self::Panicked => Err(error("the connection's IO panicked")),
        }
    }
}
