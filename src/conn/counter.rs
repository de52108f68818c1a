//! How many are there, and when are there fewer?
//!
//! A server counts its connections, a serving connection the handlers that run in tasks of their own, a
//! calling one its calls. Each of those counts itself out when it is dropped. Whoever counts waits in two
//! cases: at a limit, for one to end, and at its own end, for all.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts tasks that have not been dropped yet. One task may wait on it at a time.
#[derive(Default)]
pub(crate) struct Counter {
    open: AtomicUsize,
    /// Who waits for the count to fall; `waiters` spares everybody else the lock.
    waiter: Mutex<Option<Waker>>,
    waiters: AtomicUsize,
}

/// One task, counted until this is dropped.
pub(crate) struct Counted(Arc<Counter>);

impl Counter {
    /// Counts one more.
    pub(crate) fn count(self: Arc<Self>) -> Counted {
        self.open.fetch_add(1, Ordering::SeqCst);
        Counted(self)
    }

    /// Is there any?
    pub(crate) fn any(&self) -> bool {
        self.more_than(0)
    }

    /// Are there more than `n`?
    pub(crate) fn more_than(&self, n: usize) -> bool {
        self.open.load(Ordering::Relaxed) > n
    }

    /// `Ready` when fewer than `limit` are open.
    pub(crate) fn poll_below(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.load(Ordering::Relaxed) < limit {
            return Poll::Ready(());
        }
        *self.waiter.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        self.waiters.store(1, Ordering::SeqCst);
        // One may have ended between the first look and the waker's being there for it.
        if self.open.load(Ordering::SeqCst) < limit {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Waits until none is open.
    pub(crate) async fn wait_for_none(&self) {
        poll_fn(|cx| self.poll_below(1, cx)).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        if self.0.waiters.swap(0, Ordering::SeqCst) > 0 {
            let waiter = self
                .0
                .waiter
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(waker) = waiter {
                waker.wake();
            }
        }
    }
}
