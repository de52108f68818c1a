//! How is a call given up that has only just begun?
//!
//! Dropping a call resets its stream. That is right, and one by one harmless. But callers drop calls in
//! bursts: a hedge that is won, a `select!`, a page that is closed. `h2` takes a stream back by
//! RST_STREAM only, and sends the HEADERS first if the call was dropped before its connection's next turn. And
//! servers defend themselves against streams that are reset before they were taken up (CVE-2023-44487): those
//! on `h2` close the whole connection at the 21st.
//!
//! So of calls that are given up [`Young`], before the peer was heard after their HEADERS, a few are reset at once;
//! the others stay as they are for some milliseconds, in their places, and are let go a few at a time. A peer
//! that answers meanwhile has spared both sides the reset.
//!
//! Time alone is no reason to let more of them go: a peer that stands still for a second, since its machine is
//! busy, would find all of them at once when it goes on. So the next few follow when the peer has read the last
//! ones. SETTINGS ask for that: they must be acknowledged without delay (RFC 9113 §6.5.3), and servers do not
//! count them as they count PINGs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many young calls are reset in a burst. Servers bear 20 (`h2`) or hundreds (nghttp2, Envoy).
const BURST: usize = 16;

/// From one few to the next, at least.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// A peer that has not acknowledged SETTINGS for so long is not waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The same, where it has others to acknowledge, and can be asked for no more.
pub(super) const LESS_PATIENCE: Duration = Duration::from_secs(1);

/// A call that was given up, whatever it holds. Dropping it resets its stream.
type Kept = Box<dyn Send>;

/// The calls of one connection that were given up young.
#[derive(Default)]
pub(super) struct Young {
    /// There is something to do for the connection, after a pause.
    busy: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// So many were reset, and the peer need not have read it. `<= BURST`.
    unread: usize,
    /// So many of them were reset before the peer was asked. `None` if it was not. `<= unread`.
    asked: Option<usize>,
    kept: VecDeque<Kept>,
    /// The connection is gone: nothing is kept any more.
    over: bool,
}

impl Young {
    /// Keeps a call that was given up; gives it back if it may be reset now.
    pub(super) fn keep<T: Send + 'static>(&self, call: T) -> Option<T> {
        let mut queue = self.lock();
        if queue.over {
            return Some(call);
        }
        self.busy.store(true, Ordering::SeqCst);
        if queue.unread < BURST {
            queue.unread += 1;
            return Some(call);
        }
        queue.kept.push_back(Box::new(call));
        None
    }

    /// Is there anything to do for the connection's task?
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// Shall the peer be asked now whether it has read the last ones? A few are not worth it.
    pub(super) fn shall_ask(&self) -> bool {
        let queue = self.lock();
        queue.asked.is_none() && queue.are_many()
    }

    /// The peer was asked.
    pub(super) fn asked(&self) {
        let mut queue = self.lock();
        queue.asked = Some(queue.unread);
    }

    /// A pause is over, and nobody has answered. `true` if there is nothing to wait for.
    pub(super) fn rest(&self) -> bool {
        let queue = self.lock();
        let rests = queue.asked.is_none() && !queue.are_many();
        if rests {
            self.busy.store(false, Ordering::SeqCst);
        }
        rests
    }

    /// A pause is over, and the peer has read what it was asked for: the next few are reset.
    pub(super) fn let_go(&self) {
        let mut queue = self.lock();
        let read = queue.asked.take().unwrap_or(queue.unread);
        queue.unread -= read.min(queue.unread);
        let now = queue.kept.len().min(BURST - queue.unread);
        queue.unread += now;
        let gone: Vec<Kept> = queue.kept.drain(..now).collect();
        drop(queue);
        drop(gone);
    }

    /// The connection is gone, and with it every stream.
    pub(super) fn end(&self) {
        let mut queue = self.lock();
        queue.over = true;
        let kept = std::mem::take(&mut queue.kept);
        drop(queue);
        drop(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn are_many(&self) -> bool {
        self.unread > BURST / 2 || !self.kept.is_empty()
    }
}
