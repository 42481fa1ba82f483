//! The system's allocator, counting: what a model takes is measured, not guessed.
//!
//! A binary that measures says `#[global_allocator] static ALLOCATOR: Counting = Counting;`. The counters are of the whole
//! process, so one thing is measured at a time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// No allocation takes the process beyond this many bytes: it fails, which ends the process.
const MOST: usize = 6 << 30;

/// The system's allocator, counting.
pub(crate) struct Counting;

/// Counts an allocation that is about to be made; false if it may not be.
fn add(bytes: usize) -> bool {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    if now > MOST {
        NOW.fetch_sub(bytes, Relaxed);
        return false;
    }
    PEAK.fetch_max(now, Relaxed);
    true
}

/// Begins a measurement; gives the bytes that are allocated now.
pub(crate) fn begin() -> usize {
    let now = NOW.load(Relaxed);
    PEAK.store(now, Relaxed);
    now
}

/// Most bytes that were allocated at once since [`begin`], beyond what it gave.
pub(crate) fn peak(before: usize) -> usize {
    PEAK.load(Relaxed).saturating_sub(before)
}

// SAFETY: every call goes to `System` with the arguments it came with; counting touches only atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !add(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !add(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new at once, as when the block has to move.
        if !add(size) {
            return std::ptr::null_mut();
        }
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
