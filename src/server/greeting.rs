//! From a socket to a peer that speaks HTTP/2, or to the reason why not.
//!
//! Nothing is made for a peer before it has spoken: most of what a connection holds is `h2`'s. A peer that says nothing,
//! says something else, or goes away is found out here; there is a limit of time, and a shorter one when the server is
//! told to stop.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::closed::{Closed, diagnose};
use super::connection::Limits;
use super::drain::{ConnectionDrain, Phase};
use super::room::Place;
use crate::conn::frame::is_greeting;
use crate::conn::io::{BatchedIo, Outlet};

/// How long a peer that is still in its handshake may take when the server is told to stop. One that was about to
/// speak hears GOAWAY then, and knows that it may try elsewhere.
const LAST_GREETING: Duration = Duration::from_millis(500);

/// Hears the preface, and says SETTINGS.
pub(crate) async fn shake_hands<IO: AsyncRead + AsyncWrite + Unpin>(
    transport: BatchedIo<IO>,
    outlet: &Outlet<IO>,
    limits: &Limits,
    place: &Place,
    drain: &mut ConnectionDrain,
) -> Result<h2::server::Connection<BatchedIo<IO>, Bytes>, Closed> {
    let handshake = async {
        // Most of what a connection holds is `h2`'s, and made only for a peer that speaks HTTP/2.
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
    let mut handshake = pin!(handshake);
    let mut late = pin!(too_late(drain, limits.handshake_timeout));
    poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(shaken) => Poll::Ready(shaken),
        Poll::Pending => late.as_mut().poll(cx).map(Err),
    })
    .await
}

/// Waits until a handshake has taken too long: the server's limit or, once the server is told to stop, a moment.
async fn too_late(drain: &mut ConnectionDrain, limit: Duration) -> Closed {
    let stopping = poll_fn(|cx| match drain.poll_phase(cx) {
        Phase::Serving => Poll::Pending,
        Phase::Draining | Phase::Forced => Poll::Ready(()),
    });
    if timeout(limit, stopping).await.is_err() {
        return Closed::TimedOut(
            "the HTTP/2 preface and SETTINGS did not come within handshake_timeout",
        );
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
