//! Connections, from wherever they come, each into a task of its own.
//!
//! Every connection is accepted; where there is no room for one, somebody else goes or it is hung up on (`room.rs`).
//! The loop runs in the caller's task, beside others, so it neither spins nor stops for what one connection does:
//!
//! - out of descriptors or memory, it leaves the listener alone for a while;
//! - any other error is of one connection: an observer is given it, and the next is taken;
//! - a stream that never has to wait lets other tasks run, and waits after many errors in a row.
//!
//! When `incoming` ends, or panics, nothing more will come; what has come lives on in its tasks.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;

use super::closed::Closed;
use super::connection::{Accepted, Shared};
use super::drain::Drain;
use super::handshake::{Handshake, Plain};
use super::pace::{Row, Took, Turn, is_exhaustion};
use super::room::{Greeting, Newcomer, Room};
use super::tally::{DrainReport, Phase};
use crate::call::caught::{Panicked, caught, clear_caught, drop_caught};
use crate::conn::counter::Counter;
use crate::error::ErrorKind;
use crate::{ConnectInfo, Connected};

/// How long a listener that failed is left alone.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// How many callers may wait to be accepted, as systems have it by default.
const BACKLOG: usize = 4096;

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
/// let local = TcpIncoming::bind("127.0.0.1:50052").await?;
/// tokio::join!(
///     acceptor.clone().serve_with_incoming(public),
///     acceptor.serve_with_incoming_shutdown(local, async { /* a signal */ }),
/// );
/// # Ok(()) }
/// ```
pub struct Acceptor<H = Plain> {
    handshake: Arc<H>,
    shared: Arc<Shared>,
    drain: Arc<Drain>,
    connections: Arc<Counter>,
    /// Those that somebody else accepted: a drain waits for them too.
    others: Arc<Counter>,
    room: Arc<Room>,
    drain_timeout: Duration,
}

impl<H> Acceptor<H> {
    pub(super) fn new(
        handshake: H,
        shared: Shared,
        drain: Drain,
        max_connections: usize,
        drain_timeout: Duration,
    ) -> Self {
        Self {
            handshake: Arc::new(handshake),
            shared: Arc::new(shared),
            drain: Arc::new(drain),
            connections: Arc::default(),
            others: Arc::default(),
            room: Room::new(max_connections),
            drain_timeout,
        }
    }

    /// The same server behind another [handshake](Handshake): for a listener that is not like the others.
    ///
    /// ```no_run
    /// # async fn run<T>(server: temaki::Server, tls: T) -> Result<(), Box<dyn std::error::Error>>
    /// # where T: temaki::server::Handshake<tokio::net::TcpStream> {
    /// use temaki::server::{Plain, TcpIncoming};
    ///
    /// let public = server.handshake(tls).into_acceptor()?;
    /// let local = public.clone().handshake(Plain);
    /// tokio::join!(
    ///     public.serve_with_incoming(TcpIncoming::bind("0.0.0.0:50051").await?),
    ///     local.serve_with_incoming(TcpIncoming::bind("[::1]:50052").await?),
    /// );
    /// # Ok(()) }
    /// ```
    pub fn handshake<H2>(self, handshake: H2) -> Acceptor<H2> {
        Acceptor {
            handshake: Arc::new(handshake),
            shared: self.shared,
            drain: self.drain,
            connections: self.connections,
            others: self.others,
            room: self.room,
            drain_timeout: self.drain_timeout,
        }
    }

    /// Serves one connection until it ends, in the caller's task. Handlers run on tokio's runtime. The
    /// [handshake](Handshake) comes first; an IO that has completed one already is served by
    /// `acceptor.handshake(Plain)`.
    ///
    /// Dropping the future cuts the connection and cancels its calls. The connection does not count towards
    /// `max_connections`. A drain of a clone is its drain too: its peer is told, its calls may end and are in the report.
    ///
    /// # Errors
    /// What ended it, if that was not its peer's wish.
    ///
    /// # Panics
    /// In a runtime without a clock (`enable_time`).
    pub async fn serve_connection<IO>(&self, io: IO, info: ConnectInfo) -> Result<(), crate::Error>
    where
        H: Handshake<IO>,
        IO: Send + 'static,
    {
        needs_a_clock();
        let _open = self.others.clone().count();
        let mut watched = self.shared.events.connection(Arc::new(info));
        let greeting = Greeting::apart();
        let accepted = Accepted {
            handshake: self.handshake.clone(),
            io,
            watched: &mut watched,
            shared: self.shared.clone(),
            drain: self.drain.watch(greeting.place().clone()),
            greeting,
        };
        let closed = accepted.serve_caught().await;
        watched.closed(closed)
    }

    /// Serves the connections of `incoming` until it ends, or until a clone's shutdown has drained. Connections that
    /// are open when `incoming` ends live on in their tasks, each until it ends by itself; the variant with a
    /// [shutdown](Self::serve_with_incoming_shutdown) waits for them.
    ///
    /// Dropping the future cuts the connections of all clones.
    ///
    /// # Panics
    /// In a runtime without a clock (`enable_time`).
    pub async fn serve_with_incoming<I, IO, E>(self, incoming: I) -> DrainReport
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.run(incoming, std::future::pending(), false).await
    }

    /// The same, until `shutdown` is ready; then lets the calls in flight end, on all connections. If `incoming` ends
    /// before, it waits for the shutdown or for all connections to end. The report is of all clones together.
    /// Dropping the future cuts the connections of all.
    ///
    /// # Panics
    /// In a runtime without a clock (`enable_time`).
    pub async fn serve_with_incoming_shutdown<I, IO, E, F>(
        self,
        incoming: I,
        shutdown: F,
    ) -> DrainReport
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = ()>,
    {
        self.run(incoming, shutdown, true).await
    }

    /// `waits`: for the connections that are open when `incoming` has ended.
    async fn run<I, IO, E, F>(self, incoming: I, shutdown: F, waits: bool) -> DrainReport
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = ()>,
    {
        needs_a_clock();
        // If this future is dropped, nobody is left to wait for a drain.
        let mut cut = CutOnDrop(Some(self.drain.clone()));
        let asked = {
            let mut drain = self.drain.watch(Greeting::apart().place().clone());
            let mut shutdown = pin!(async {
                let shutdown = pin!(shutdown);
                let elsewhere = poll_fn(|cx| match drain.poll_phase(cx) {
                    Phase::Serving => Poll::Pending,
                    Phase::Draining | Phase::Forced => Poll::Ready(()),
                });
                first(shutdown, pin!(elsewhere)).await;
            });
            let incoming = pin!(Some(incoming));
            self.accept(incoming, shutdown.as_mut()).await || {
                let all = pin!(async {
                    if waits {
                        self.connections.wait_for_none().await;
                    }
                });
                first(all, shutdown).await
            }
        }; // the listener is closed here, before the drain begins
        if asked {
            if self.drain.enter(Phase::Draining) {
                self.shared.events.draining();
            }
            let _ = tokio::time::timeout(self.drain_timeout, self.wait_for_none()).await;
            let forced = self.drain.enter(Phase::Forced);
            let _ = tokio::time::timeout(LAST_CONNECTIONS, self.wait_for_none()).await;
            if forced {
                self.shared.events.drained(&self.drain.tally().report());
            }
        }
        cut.0 = None;
        let report = self.drain.tally().report();
        // With the last clone the services are dropped, which are the user's.
        let _ = drop_caught(self);
        report
    }

    /// Takes connections until it is time to stop (`true`), or none will come (`false`). The listener is closed then.
    async fn accept<I, IO, E, F>(
        &self,
        mut incoming: Pin<&mut Option<I>>,
        mut shutdown: Pin<&mut F>,
    ) -> bool
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = ()>,
    {
        let mut row = Row::default();
        let stopped = loop {
            let next = poll_fn(|cx| {
                if shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Stop);
                }
                let Some(incoming) = incoming.as_mut().as_pin_mut() else {
                    return Poll::Ready(Next::None);
                };
                match caught(|| incoming.poll_next(cx)) {
                    Ok(Poll::Pending) => {
                        row = Row::default();
                        Poll::Pending
                    }
                    Ok(Poll::Ready(None)) => Poll::Ready(Next::None),
                    Ok(Poll::Ready(Some(item))) => Poll::Ready(Next::Some(item)),
                    Err(Panicked) => Poll::Ready(Next::Panicked),
                }
            });
            let took = match next.await {
                Next::Stop => break true,
                Next::None => break false,
                Next::Panicked => {
                    let text = "the stream of connections panicked, and gives no more of them";
                    let error = crate::Error::new(ErrorKind::Connection, text);
                    self.shared.events.listener_failed(&error);
                    break false;
                }
                Next::Some(Ok(io)) => self.spawn(io),
                Next::Some(Err(error)) => self.failed(error),
            };
            let turn = match row.after(took) {
                Turn::Goes => continue,
                Turn::Yields => None,
                Turn::Pauses => Some(AFTER_ERROR),
            };
            let others = pin!(async {
                match turn {
                    None => tokio::task::yield_now().await,
                    Some(pause) => tokio::time::sleep(pause).await,
                }
            });
            if first(others, shutdown.as_mut()).await {
                break true;
            }
        };
        if stopped {
            self.take_backlog(incoming.as_mut()).await;
        }
        let _ = clear_caught(incoming);
        stopped
    }

    /// Waits until no connection is open.
    async fn wait_for_none(&self) {
        self.connections.wait_for_none().await;
        self.others.wait_for_none().await;
    }

    /// Serves the callers who had connected before the listener closes: they hear GOAWAY, and may try elsewhere. They
    /// would hear a reset, and not know whether their calls were begun.
    async fn take_backlog<I, IO, E>(&self, mut incoming: Pin<&mut Option<I>>)
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
    {
        // The system may have them, and not have told yet: its news are read when other tasks have run.
        tokio::task::yield_now().await;
        for _ in 0..BACKLOG {
            let Some(incoming) = incoming.as_mut().as_pin_mut() else {
                return;
            };
            let mut incoming = Some(incoming);
            let next = poll_fn(|cx| {
                let polled = incoming.take().map(|it| caught(|| it.poll_next(cx)));
                Poll::Ready(polled)
            });
            match next.await {
                Some(Ok(Poll::Ready(Some(Ok(io))))) => {
                    self.spawn(io);
                }
                Some(Ok(Poll::Ready(Some(Err(error))))) => {
                    let _ = drop_caught(error);
                }
                _ => return,
            }
        }
    }

    /// The listener gave an error in place of a connection.
    fn failed<E>(&self, error: E) -> Took
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Ok(error) = caught(|| error.into()) else {
            return Took::Nothing;
        };
        self.shared.events.listener_failed(&*error);
        let exhausted = caught(|| is_exhaustion(&*error));
        let _ = drop_caught(error);
        if exhausted == Ok(true) {
            self.room.make_room();
            Took::Exhausted
        } else {
            Took::Nothing
        }
    }

    /// Serves a connection in a task of its own, if there is room.
    fn spawn<IO>(&self, io: IO) -> Took
    where
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
    {
        let events = &self.shared.events;
        let (seat, greeting) = match self.room.enter() {
            Newcomer::In(seat, greeting) => (seat, greeting),
            Newcomer::Out(tell) => {
                // Its peer hears of it, and may go elsewhere.
                let _ = drop_caught(io);
                if let Some(refused) = tell {
                    events.listener_failed(&self.is_full(refused));
                }
                return Took::Nothing;
            }
        };
        let Ok(info) = caught(|| io.connect_info()) else {
            // A peer that has gone already has no address, and `unwrap` is soon written.
            let watched = events.connection(Arc::default());
            let _ = drop_caught(io);
            let _ = watched.closed(Closed::Panicked);
            return Took::Nothing;
        };
        let place = seat.place().clone();
        let mut watched = events.connection(Arc::new(info)).at(place.clone());
        let open = self.connections.clone().count();
        // The switch stays while somebody watches it, though nobody may be left to use it.
        let (switch, shared) = (self.drain.clone(), self.shared.clone());
        let handshake = self.handshake.clone();
        let drain = self.drain.watch(place.clone());
        let task = tokio::spawn(async move {
            // Made in here, and not handed in: the task would have room for it twice.
            let accepted = Accepted {
                handshake,
                io,
                watched: &mut watched,
                shared,
                drain,
                greeting,
            };
            let closed = accepted.serve_caught().await;
            // What ended it was told to whoever watches.
            let _ = watched.closed(closed);
            drop((seat, open, switch));
        });
        place.runs_in(task.abort_handle());
        Took::Connection
    }

    #[cold]
    fn is_full(&self, refused: u64) -> crate::Error {
        let text = format!(
            "all {} connections of max_connections are open, and {refused} more were hung up on; raise \
             max_connections (and the limit on descriptors), or serve on more machines",
            self.room.limit()
        );
        crate::Error::new(ErrorKind::Connection, text)
    }
}

/// What an accepting loop does next.
enum Next<T> {
    /// Serves what came.
    Some(T),
    /// Ends: nothing will come.
    None,
    /// Ends: who gives connections has panicked.
    Panicked,
    /// Drains.
    Stop,
}

/// A runtime without a clock would serve nobody: each connection would panic. So does the caller, at once, in tokio's
/// words.
fn needs_a_clock() {
    drop(tokio::time::sleep(Duration::ZERO));
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

struct CutOnDrop(Option<Arc<Drain>>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(drain) = &self.0 {
            drain.enter(Phase::Forced);
        }
    }
}

impl<H> Clone for Acceptor<H> {
    fn clone(&self) -> Self {
        Self {
            handshake: self.handshake.clone(),
            shared: self.shared.clone(),
            drain: self.drain.clone(),
            connections: self.connections.clone(),
            others: self.others.clone(),
            room: self.room.clone(),
            drain_timeout: self.drain_timeout,
        }
    }
}

impl<H> std::fmt::Debug for Acceptor<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("max_connections", &self.room.limit())
            .finish_non_exhaustive()
    }
}
