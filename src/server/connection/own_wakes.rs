//! Who wakes a connection that is awake?
//!
//! A handler that answers where it stands has `h2` wake the task that polls the connection: this one, which is about
//! to poll `h2` again. Followed to the letter, that is one more turn for each that answered anything, and it finds
//! nothing to do. So `h2` is polled with a waker of its own: a wake-up that another poll of `h2` follows, in the same
//! turn, is over with that poll; one that comes later wakes the task.
//!
//! ```text
//!             look          settle
//!   RESTING ───────▶ LOOKING ─────▶ RESTING
//!      │ wake: the task  │ wake: noted
//!      └──▶ WOKEN ◀──────┘ settle: the task is woken
//! ```
//!
//! What is not `h2`'s must not be woken by this waker: the socket, which is asked once a turn, has the task's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Wake, Waker};

/// A wake-up has to wake the task.
const RESTING: u8 = 0;
/// `h2` is being polled, or will be before the task rests.
const LOOKING: u8 = 1;
/// The task was woken, or will be when it settles.
const WOKEN: u8 = 2;

/// The waker for `h2`.
pub(super) struct OwnWakes {
    state: Arc<State>,
    /// Wakes by `state`.
    waker: Waker,
}

struct State {
    at: AtomicU8,
    task: Waker,
}

impl OwnWakes {
    /// For the task that `task` wakes.
    pub(super) fn of(task: Waker) -> Self {
        let state = Arc::new(State {
            at: AtomicU8::new(LOOKING),
            task,
        });
        Self {
            waker: state.clone().into(),
            state,
        }
    }

    /// Whether it is the task of `cx`.
    #[inline]
    pub(super) fn are_of(&self, cx: &Context<'_>) -> bool {
        self.state.task.will_wake(cx.waker())
    }

    /// What to poll `h2` with, now: it will see whatever it was woken for until here.
    #[inline]
    pub(super) fn look(&self) -> Context<'_> {
        // What was done before a wake-up that is passed over here is seen by the poll.
        self.state.at.swap(LOOKING, Ordering::AcqRel);
        Context::from_waker(&self.waker)
    }

    /// `h2` is not polled again before the task rests.
    #[inline]
    pub(super) fn settle(&self) {
        let at = &self.state.at;
        let settled = at.compare_exchange(LOOKING, RESTING, Ordering::AcqRel, Ordering::Acquire);
        if settled.is_err() {
            self.state.task.wake_by_ref();
        }
    }
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.at.swap(WOKEN, Ordering::AcqRel) == RESTING {
            self.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_up_is_passed_over_if_a_poll_follows_and_only_then() {
        let task = Arc::new(Task::default());
        let woken = || task.0.load(Ordering::Relaxed);
        let wakes = OwnWakes::of(task.clone().into());

        let _ = wakes.look();
        wakes.waker.wake_by_ref();
        let _ = wakes.look(); // the poll that follows
        wakes.settle();
        assert_eq!(woken(), 0, "it was awake");

        wakes.waker.wake_by_ref();
        assert_eq!(woken(), 1, "it rested");
        wakes.waker.wake_by_ref();
        assert_eq!(woken(), 1, "it was woken before");

        let _ = wakes.look();
        wakes.waker.wake_by_ref(); // in the last poll
        wakes.settle();
        assert_eq!(woken(), 2, "no poll follows");
        wakes.waker.wake_by_ref();
        assert_eq!(woken(), 2, "its next turn is due already");
        let _ = wakes.look();
        wakes.settle();
        wakes.waker.wake_by_ref();
        assert_eq!(woken(), 3, "it rested again");
    }
}
