//! How many bytes are on the heap? For tests that hold a server to its limits.
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: temaki_heap::Counting = temaki_heap::Counting;
//! ```
//!
//! Everything is counted under [`all`]. A test that wants to know what the *server* holds, and not the
//! thousand clients beside it, gives the server threads of its own and calls [`watch_this_thread`] in them:
//! what those threads take and give back is counted under [`watched`]. Memory that is given back by another
//! thread than took it confuses that count, so whoever is measured should run alone in its threads.
//!
//! Here is the only `unsafe` of the repository outside its benchmarks: an allocator cannot be written
//! without. No published crate depends on it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

static ALL: AtomicIsize = AtomicIsize::new(0);
static WATCHED: AtomicIsize = AtomicIsize::new(0);
static WATCHED_PEAK: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// Neither allocates nor has a destructor, so that the allocator may look at it at any time.
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, which counts what it gives out and gets back.
pub struct Counting;

/// Bytes on the heap now.
pub fn all() -> isize {
    ALL.load(Relaxed)
}

/// Counts what this thread takes and gives back under [`watched`], for as long as it lives.
pub fn watch_this_thread() {
    IS_WATCHED.set(true);
}

/// Bytes that watched threads have taken and not given back.
pub fn watched() -> isize {
    WATCHED.load(Relaxed)
}

/// The most that [`watched`] was since the last call; forgets it.
pub fn take_peak() -> isize {
    WATCHED_PEAK.swap(watched(), Relaxed)
}

fn count(bytes: isize) {
    ALL.fetch_add(bytes, Relaxed);
    if IS_WATCHED.try_with(Cell::get).unwrap_or(false) {
        let now = WATCHED.fetch_add(bytes, Relaxed) + bytes;
        WATCHED_PEAK.fetch_max(now, Relaxed);
    }
}

// SAFETY: every method hands its arguments to `System` unchanged; the counters touch no memory that is
// being managed.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
