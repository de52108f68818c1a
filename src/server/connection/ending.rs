//! The end of a connection, whatever it is: one last turn, in which what was answered leaves; then time for the peer
//! to take it.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::Connection;
use crate::server::closed::Closed;
use crate::server::linger::{LISTENS, LISTENS_BRIEFLY, hang_up, linger};

/// How long the end of a connection waits for handlers to be dropped. One that blocks its thread
/// cannot be, and must not keep a server from stopping.
const LAST_HANDLERS: Duration = Duration::from_secs(1);

/// How long the peer has to take the GOAWAY that says what it broke.
const LAST_GOAWAY: Duration = Duration::from_secs(1);

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// In a drain, how many answers `h2` has. None else.
    #[inline]
    pub(super) fn answered(&self) -> usize {
        if self.upkeep.is_closing() {
            self.context.answers.count()
        } else {
            0
        }
    }

    /// In a drain: what was `answered` before this turn has left. What was in it is counted in one more turn.
    #[cold]
    pub(super) fn have_left_in_turn(&self, answered: usize, cx: &mut Context<'_>) {
        if answered > 0 {
            self.have_left(answered);
        }
        if self.answered() > answered {
            cx.waker().wake_by_ref();
        }
    }

    /// The first `answers` of the drain have left.
    #[cold]
    pub(super) fn have_left(&self, answers: usize) {
        let written = self.outlet.progress().written;
        self.context.answers.have_left(answers, written);
    }

    /// Whatever the end is: what handlers have answered leaves, as far as the socket takes it now; and if it is this
    /// side that ends it, a GOAWAY.
    #[cold]
    pub(super) fn last_turn(&mut self, cx: &mut Context<'_>, closed: Closed) -> Closed {
        let closed = self.outlet.verdict().map_or(closed, Closed::Guarded);
        let is_late = matches!(closed, Closed::Forced | Closed::TimedOut(_));
        let is_cut = is_late || matches!(closed, Closed::Guarded(_));
        self.context.answers.cut(is_cut);
        let answered = self.context.answers.count();
        if is_late {
            let _ = self.h2.poll_closed(cx);
            self.h2.abrupt_shutdown(h2::Reason::NO_ERROR);
            let _ = self.h2.poll_closed(cx);
        }
        let drained = self.outlet.poll_drain(cx);
        if matches!(drained, Poll::Ready(Ok(()))) || !is_cut {
            // If it was the peer that went, nothing was lost by stopping.
            self.have_left(answered);
        }
        closed
    }

    /// What is left of its life when no call is: the socket goes when the peer had time to take what was written.
    pub(super) async fn end(self, closed: &Closed) {
        if let Closed::Guarded(verdict) = closed {
            self.outlet.farewell(*verdict).await;
        }
        let is_unanswered = self.upkeep.is_unanswered(self.outlet.pongs());
        let Self {
            mut h2,
            outlet,
            context,
            spawned,
            calls,
            untaken,
            greeting,
            place,
            mut drain,
            shared,
            ..
        } = self;
        if let Some(why) = closed.untold() {
            outlet.give_up(why);
            let _ = h2.poll_closed(&mut Context::from_waker(Waker::noop()));
        }
        // Without the connection its streams fail, and that ends the handlers which still run.
        drop((h2, greeting, place));
        let _ = timeout(LAST_HANDLERS, spawned.wait_for_none()).await;
        outlet.release_buffers();
        let stall_timeout = shared.limits.stall_timeout;
        let taken = match closed {
            Closed::Done if calls > 0 => {
                linger(&outlet, &mut drain, untaken, stall_timeout, LISTENS).await
            }
            // What it has to take is why it is closed.
            Closed::Protocol(_) | Closed::Guarded(_) => {
                let longest = stall_timeout.min(LAST_GOAWAY);
                linger(&outlet, &mut drain, untaken, longest, LISTENS_BRIEFLY).await
            }
            _ => hang_up(&outlet, untaken, is_unanswered),
        };
        context.answers.over(taken);
    }
}
