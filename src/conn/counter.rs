//! How many are there, and when are there fewer?
//!
//! A server counts its connections, a serving connection the handlers that run in tasks of their own, a
//! calling one its calls. Each of those counts itself out when it is dropped. Whoever counts waits in two
//! cases: at a limit, for one to end, and at its own end, for all.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts tasks that have not been dropped yet.
#[derive(Default)]
pub(crate) struct Counter {
    open: AtomicUsize,
    /// Who waits for the count to fall; `is_waited` spares everybody else the lock.
    waiting: Mutex<Vec<Waker>>,
    is_waited: AtomicBool,
    /// One of them has run since this was last asked.
    is_stirred: AtomicBool,
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

    /// Has any of them run since this was last asked?
    pub(crate) fn take_stirred(&self) -> bool {
        self.is_stirred.load(Ordering::Relaxed) && self.is_stirred.swap(false, Ordering::Relaxed)
    }

    /// `Ready` when fewer than `limit` are open.
    #[inline]
    pub(crate) fn poll_below(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.load(Ordering::Relaxed) < limit {
            return Poll::Ready(());
        }
        self.wait_below(limit, cx)
    }

    #[cold]
    fn wait_below(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        drop(waiting);
        self.is_waited.store(true, Ordering::SeqCst);
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

impl Counted {
    /// It runs.
    pub(crate) fn stir(&self) {
        self.0.is_stirred.store(true, Ordering::Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        let is_waited = &self.0.is_waited;
        if is_waited.load(Ordering::SeqCst) && is_waited.swap(false, Ordering::SeqCst) {
            let mut waiting = self
                .0
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let wakers = std::mem::take(&mut *waiting);
            drop(waiting);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}
