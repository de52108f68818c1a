//! What the meter has seen, as a connection's loop asks for it; and the last words to a peer that it has judged.

use std::future::poll_fn;
#[cfg(feature = "server")]
use std::io;
use std::task::Context;
#[cfg(feature = "server")]
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Outlet, lock};
#[cfg(feature = "client")]
use crate::conn::announced::GoAway;
use crate::conn::announced::PeerSettings;
use crate::conn::frame::{self, code};
#[cfg(feature = "server")]
use crate::conn::frame_meter::HalfFrame;
use crate::conn::unread::Unread;
use crate::conn::verdict::Verdict;

/// How long a peer that is cut has to take the GOAWAY that says why.
const FAREWELL: Duration = Duration::from_secs(1);

/// What there is for a connection's loop to see to before it rests.
#[cfg(feature = "server")]
pub(crate) enum Leaving {
    /// All has left.
    Nothing,
    /// All has left, and the peer has begun a frame or a header block.
    HalfFrame,
    /// The loop said not now.
    Later,
    /// It leaves, as by [`Outlet::poll_drain`].
    Now(Poll<io::Result<()>>),
}

/// Bytes moved since a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Read from the socket.
    pub(crate) read: u64,
    /// Taken by the socket.
    pub(crate) written: u64,
}

/// What has come.
#[cfg(feature = "client")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    /// HEADERS and DATA.
    pub(crate) heard: u64,
    /// A GOAWAY.
    pub(crate) goaway: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Outlet<IO> {
    /// Bytes read and written so far; a timer that sees neither move sees a dead or stalled peer.
    pub(crate) fn progress(&self) -> Progress {
        let shared = lock(&self.0);
        Progress {
            read: shared.read,
            written: shared.written,
        }
    }

    /// Bytes that `h2` has written so far, whether they have left or not.
    #[cfg(feature = "client")]
    pub(crate) fn said(&self) -> u64 {
        let shared = lock(&self.0);
        shared.written + shared.unsent.len() as u64
    }

    /// What the peer's SETTINGS have said so far; `None` until the first of them are complete.
    pub(crate) fn peer_settings(&self) -> Option<PeerSettings> {
        lock(&self.0).meter.settings()
    }

    /// What a client looks at in each turn.
    #[cfg(feature = "client")]
    pub(crate) fn news(&self) -> News {
        let shared = lock(&self.0);
        News {
            heard: shared.meter.heard(),
            goaway: shared.meter.goaway().is_some(),
        }
    }

    /// How many SETTINGS of this side's the peer has acknowledged.
    #[cfg(feature = "client")]
    pub(crate) fn settings_acks(&self) -> u64 {
        lock(&self.0).meter.settings_acks()
    }

    /// Whether the peer has said GOAWAY, and what with it.
    #[cfg(feature = "client")]
    pub(crate) fn goaway(&self) -> Option<GoAway> {
        lock(&self.0).meter.goaway().cloned()
    }

    /// Why this side has to close the connection, if it has: reads have failed with it. The end is then
    /// [`farewell`](Self::farewell).
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        lock(&self.0).meter.verdict()
    }

    /// Has the books made up with what DATA has come since the last time, if they are due.
    #[inline]
    pub(crate) fn look_after(&self, unread: &Unread, cx: &mut Context<'_>) {
        if unread.is_due() {
            self.make_up_books(unread, cx);
        }
    }

    #[cold]
    fn make_up_books(&self, unread: &Unread, cx: &mut Context<'_>) {
        let list = lock(&self.0).meter.take_list();
        if unread.make_up(list).is_err() {
            lock(&self.0).meter.condemn(Verdict::Unread);
            cx.waker().wake_by_ref(); // to read, and be told
        }
    }

    /// A frame or header block whose rest does not come: equal at two moments, if none of it came between them.
    #[cfg(feature = "server")]
    pub(crate) fn half_frame(&self) -> Option<HalfFrame> {
        let shared = lock(&self.0);
        let held = shared.unread.len() - shared.ready;
        let is_waiting = shared.starved && shared.taken == shared.ready;
        shared.meter.half_frame(held).filter(|_| is_waiting)
    }

    /// The last words to a peer that has asked for too much: a GOAWAY that says so, if we are not in the middle of
    /// a frame. What was written before it leaves first.
    pub(crate) async fn farewell(&self, verdict: Verdict) {
        {
            let mut shared = lock(&self.0);
            if let Some(last) = shared.meter.last_stream() {
                let bytes = frame::goaway(last, code::ENHANCE_YOUR_CALM, verdict.debug_data());
                shared.unsent.extend_from_slice(&bytes);
            }
        }
        let leave = poll_fn(|cx| lock(&self.0).poll_shutdown(cx));
        // A peer that does not take them shall go without.
        let _ = tokio::time::timeout(FAREWELL, leave).await;
    }

    /// Has leave what `h2` has written or asked for (see [`Outlet::is_empty`]), if it shall leave `now`; all in one
    /// look, since there is one a turn.
    #[cfg(feature = "server")]
    pub(crate) fn poll_leave(&self, cx: &mut Context<'_>, now: impl FnOnce() -> bool) -> Leaving {
        let mut shared = lock(&self.0);
        (shared.in_turns, shared.was_asked) = (true, false);
        if !shared.has_left() {
            if now() {
                Leaving::Now(shared.poll_drain(cx))
            } else {
                Leaving::Later
            }
        } else if shared.ready < shared.unread.len() || shared.meter.is_in_frame() {
            Leaving::HalfFrame
        } else {
            Leaving::Nothing
        }
    }
}
