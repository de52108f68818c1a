//! Counters of this process: allocations and their bytes, page faults, CPU time.
//!
//! Counting is off until [`count_allocations`]: while it is off an allocation pays one relaxed load, so that CPU figures of a program with 40 allocations a
//! call and of one with 7 stay comparable.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator; counts what is asked of it. A `realloc` counts as one, because it may move.
pub struct CountingAllocator;

fn count(bytes: usize) {
    if COUNTING.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

// SAFETY: every method hands its arguments to `System` unchanged; the counters touch no memory that is being managed.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// From here on allocations are counted.
pub fn count_allocations() {
    COUNTING.store(true, Relaxed);
}

/// The counters at one moment; subtract an earlier one to know what lay between.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Allocations since [`count_allocations`].
    pub allocations: u64,
    /// The bytes of those. A `realloc` counts with its new size.
    pub bytes: u64,
    /// Page faults that needed no disk: memory that the system had to hand out.
    pub faults: u64,
    /// User and system time of all threads, in nanoseconds.
    pub cpu_ns: u64,
}

impl Reading {
    /// Reads the counters.
    pub fn now() -> Reading {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid place for the kernel to write one `timespec`.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
        assert_eq!(
            failed, 0,
            "this system has no clock of a process's CPU time"
        );
        // SAFETY: all zeros is a valid `rusage`, and a valid place for the kernel to write one.
        let faults = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage.ru_minflt as u64
        };
        Reading {
            allocations: ALLOCATIONS.load(Relaxed),
            bytes: BYTES.load(Relaxed),
            faults,
            cpu_ns: time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64,
        }
    }
}
