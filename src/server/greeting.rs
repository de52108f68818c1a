//! How does an accepted connection become a peer that speaks HTTP/2, and what if it does not?
//!
//! ```text
//!   accepted ─▶ handshake (TLS, or nothing) ─▶ preface ─▶ SETTINGS ─▶ calls
//!      │              │                           │           │
//!      └──────────────┴── error, panic, time, drain, room ────┴─────▶ Closed
//! ```
//!
//! Most of what a connection holds is `h2`'s, and nothing of it is made before the peer has sent the preface. A peer that
//! sends nothing or something else, or that goes away, is found here. All steps together have one limit of time, and a
//! shorter one when the server drains.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};

use super::closed::{Closed, diagnose};
use super::drain::ConnectionDrain;
use super::handshake::Handshake;
use super::limits::Limits;
use super::room::{Place, Stage};
use super::tally::Phase;
use crate::conn::frame::is_greeting;
use crate::conn::io::{BatchedIo, Outlet};
use crate::connect_info::ConnectInfo;

/// How long a peer that is still in its handshake may take when the server is told to stop. One that was about to
/// speak hears GOAWAY then, and knows that it may try elsewhere.
const LAST_GREETING: Duration = Duration::from_millis(500);

/// What a connection may not wait for longer than it has.
pub(crate) struct Patience<'a> {
    pub(crate) limits: &'a Limits,
    /// When the connection was accepted.
    pub(crate) accepted: Instant,
    pub(crate) place: &'a Place,
    pub(crate) drain: &'a mut ConnectionDrain,
}

impl Patience<'_> {
    /// Waits for `step`, but not for too long; `late` says what was waited for.
    async fn wait_for<T>(
        &mut self,
        step: impl Future<Output = Result<T, Closed>>,
        late: &'static str,
    ) -> Result<T, Closed> {
        let mut step = pin!(step);
        let until = self.accepted + self.limits.handshake_timeout;
        let mut too_late = pin!(too_late(self.drain, until, late));
        poll_fn(|cx| match step.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => too_late.as_mut().poll(cx).map(Err),
        })
        .await
    }
}

/// Step one: what the listener accepted becomes an IO that carries HTTP/2.
pub(crate) async fn complete_handshake<H: Handshake<IO>, IO>(
    handshake: &H,
    io: IO,
    info: ConnectInfo,
    patience: &mut Patience<'_>,
) -> Result<(H::Io, ConnectInfo), Closed> {
    let mut has_waited = false;
    let place = patience.place;
    let mut completes = pin!(handshake.handshake(io, info));
    let step = poll_fn(|cx| {
        let polled = completes.as_mut().poll(cx);
        has_waited |= polled.is_pending();
        polled.map_err(Closed::Handshake)
    });
    let late = "the handshake before HTTP/2 did not end within handshake_timeout";
    let completed = patience.wait_for(step, late).await?;
    if has_waited {
        // The peer has taken part in it; the plain handshake waits for nothing, and shows nothing.
        place.is(Stage::Greeting, Instant::now());
    }
    Ok(completed)
}

/// Step two: waits for the preface, and sends SETTINGS.
pub(crate) async fn begin_http2<IO: AsyncRead + AsyncWrite + Unpin>(
    transport: BatchedIo<IO>,
    outlet: &Outlet<IO>,
    patience: &mut Patience<'_>,
) -> Result<h2::server::Connection<BatchedIo<IO>, Bytes>, Closed> {
    let (limits, place) = (patience.limits, patience.place);
    let step = async {
        let mut hears = pin!(outlet.hear(is_greeting));
        let heard = poll_fn(|cx| {
            let heard = hears.as_mut().poll(cx);
            place.hears(outlet.progress().read);
            heard
        })
        .await;
        if outlet.first_bytes().is_empty() && heard.as_ref().map_or_else(has_hung_up, |()| true) {
            return Err(Closed::Done); // a probe of a load balancer, most often
        }
        heard.map_err(Closed::Io)?;
        let h2 = limits.http2.server().handshake(transport).await;
        h2.map_err(|error| {
            diagnose(&outlet.first_bytes()).map_or_else(|| Closed::from(error), Closed::Foreign)
        })
    };
    let late = "the HTTP/2 preface and SETTINGS did not come within handshake_timeout";
    patience.wait_for(step, late).await
}

/// Waits until it is too late: until the server's limit or, once the server drains, for a moment. `late` says what was
/// waited for.
async fn too_late(drain: &mut ConnectionDrain, until: Instant, late: &'static str) -> Closed {
    let stopping = poll_fn(|cx| match drain.poll_phase(cx) {
        Phase::Serving => Poll::Pending,
        Phase::Draining | Phase::Forced => Poll::Ready(()),
    });
    if timeout_at(until, stopping).await.is_err() {
        return Closed::TimedOut(late);
    }
    let stopped = poll_fn(|cx| match drain.poll_phase(cx) {
        Phase::Serving | Phase::Draining => Poll::Pending,
        Phase::Forced => Poll::Ready(()),
    });
    let _ = timeout(LAST_GREETING, stopped).await;
    Closed::Done
}

/// Errors of a socket whose peer has closed it, one way or another.
fn has_hung_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}
