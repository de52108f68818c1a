//! What happens to the memory of a large message when its call is over?
//!
//! A call that comes after it on the same connection uses it again. An allocator gives large blocks back to the system at
//! the end of each call, and the system then hands them out one page fault at a time: for messages of 1 MiB, one call at a
//! time, that took as long as the call itself. So the connection keeps a few buffers between its calls.
//!
//! A buffer is kept as a handle of memory that may still be in use: `h2` has not written all of it, or a handler keeps a
//! message that lies in it. [`Buffers::take`] gives out a buffer only if nothing else uses its memory.
//!
//! What is kept is bounded twice, for the connection and for the process. The connection's task calls
//! [`Buffers::release`] when nothing has moved on the connection for a second: an idle connection keeps nothing.
//!
//! This file does not know what is in a buffer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;

/// What a connection keeps, in bytes: requests and responses of 1 MiB for eight calls at a time.
const CONNECTION: usize = 16 << 20;

/// What all connections of the process keep together, in bytes.
const PROCESS: usize = 64 << 20;

/// So much is kept now.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// The buffers that one connection keeps.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Kept>>);

/// A handle of memory, and how large that memory is, in bytes.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) buffer: BytesMut,
    pub(crate) size: usize,
}

impl Buffers {
    /// A buffer that has room for `len` bytes, or one that can grow to it. `None` if there is none: then a new one is to
    /// be allocated.
    ///
    /// A much larger one is not given out: a message that a handler keeps would keep all of it.
    #[cold]
    pub(crate) fn take(&self, len: usize) -> Option<Kept> {
        let mut kept = self.lock();
        let fits = |it: &mut Kept| {
            it.size >= len
                && it.size / 4 <= len
                && it.buffer.is_empty()
                && it.buffer.try_reclaim(len)
        };
        let found = (0..kept.len()).find(|&at| fits(&mut kept[at]))?;
        let found = kept.swap_remove(found);
        KEPT.fetch_sub(found.size, Ordering::Relaxed);
        Some(found)
    }

    /// Keeps a buffer, unless that is too much. `kept.buffer` is empty, and `kept.size` is what it was allocated with.
    #[cold]
    pub(crate) fn give(&self, new: Kept) {
        let mut kept = self.lock();
        let size = new.size;
        let held: usize = kept.iter().map(|it| it.size).sum();
        if held + size > CONNECTION {
            return;
        }
        if KEPT.fetch_add(size, Ordering::Relaxed) + size > PROCESS {
            KEPT.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        kept.push(new);
    }

    /// Gives all of it back.
    pub(crate) fn release(&self) {
        let mut kept = self.lock();
        let kept = std::mem::take(&mut *kept);
        let size = kept.iter().map(|it| it.size).sum();
        KEPT.fetch_sub(size, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: usize) -> Kept {
        Kept {
            buffer: BytesMut::with_capacity(size),
            size,
        }
    }

    #[test]
    fn memory_is_given_out_again_when_nothing_else_uses_it() {
        let buffers = Buffers::default();
        let mut written = of(1 << 20);
        let address = written.buffer.as_ptr();
        written.buffer.resize(1 << 20, 7);
        let message = written.buffer.split().freeze();
        buffers.give(written);
        assert!(buffers.take(1 << 20).is_none(), "a message lies in it");
        drop(message);
        assert!(buffers.take(1 << 10).is_none(), "far too large");
        assert!(buffers.take((1 << 20) + 1).is_none(), "too small");
        let again = buffers.take(1 << 20).expect("a buffer");
        assert_eq!(again.buffer.as_ptr(), address);
        assert!(buffers.take(1 << 20).is_none(), "given out once");
    }

    #[test]
    fn what_is_kept_is_bounded_and_released() {
        let buffers = Buffers::default();
        for _ in 0..20 {
            buffers.give(of(1 << 20));
        }
        assert_eq!(buffers.lock().len(), 16, "of a connection");
        buffers.release();
        assert!(buffers.take(1 << 20).is_none());
        let many: Vec<_> = (0..20).map(|_| Buffers::default()).collect();
        for one in &many {
            one.give(of(CONNECTION));
        }
        let kept = many.iter().filter(|one| !one.lock().is_empty()).count();
        assert!((1..=4).contains(&kept), "of the process: {kept}");
    }
}
