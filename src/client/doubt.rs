//! Is the peer still there? A call that expired unanswered has its doubts.
//!
//! A peer can vanish without a word. Then all calls on its connection expire, and so do the next ones, until TCP
//! notices, which may take a quarter of an hour. So a call whose deadline passes before its answer has begun, and
//! while which nothing came, for nobody, makes the connection ask: one PING, as keepalive sends it, whether that is on
//! or not. If it is not answered in time, the connection is over, and the next call finds another.
//!
//! A server that answers PINGs and no calls is not asked again before it has answered a call: servers count PINGs that
//! come without a reason (gRFC A8), and such a server is there. It is slow, or its handler hangs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Instant;

use crate::call::timer;

/// What the calls of a connection and its task tell each other.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// HEADERS and DATA that have come, as the task knows it.
    heard: AtomicU64,
    /// A call has expired, and nothing came while it waited.
    raised: AtomicBool,
    /// The task's, once it is READY.
    task: OnceLock<Waker>,
}

impl Doubts {
    /// From here on this wakes the connection's task.
    pub(super) fn begin(&self, cx: &Context<'_>) {
        let _ = self.task.set(cx.waker().clone());
    }

    /// Wakes the connection's task.
    pub(super) fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// So many HEADERS and DATA have come.
    pub(super) fn heard(&self, frames: u64) {
        self.heard.store(frames, Ordering::Relaxed);
    }

    /// Whether there are any; then they are no longer.
    #[inline]
    pub(super) fn take(&self) -> bool {
        self.raised.load(Ordering::Relaxed) && self.raised.swap(false, Ordering::Relaxed)
    }
}

/// A call with a deadline whose answer has not begun.
#[derive(Debug)]
pub(super) struct Wait {
    /// As many frames had come when the call left.
    heard: u64,
    until: Instant,
}

impl Wait {
    /// In a box, since most calls have no deadline and need no room for it.
    pub(super) fn new(until: Instant, doubts: &Doubts) -> Box<Self> {
        let heard = doubts.heard.load(Ordering::Relaxed);
        Box::new(Self { heard, until })
    }

    /// The call ends unanswered.
    #[cold]
    pub(super) fn is_given_up(&self, doubts: &Doubts) {
        let nothing_came = doubts.heard.load(Ordering::Relaxed) == self.heard;
        if nothing_came && timer::now() >= self.until {
            doubts.raised.store(true, Ordering::Relaxed);
            doubts.wake();
        }
    }
}
