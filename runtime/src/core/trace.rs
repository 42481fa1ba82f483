//! Times of the launches of one run, for profiles.

use super::context::{KernelFn, ParallelFor, RunCtx};
use super::sys;
use core::ffi::c_void;

/// One launch of a kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Address of the kernel's code.
    pub kernel: usize,
    /// Tiles it had.
    pub tiles: i64,
    /// When it began and ended, in nanoseconds of a steady clock.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
}

/// What the context's `pool` points to while a run is traced.
#[repr(C)]
pub(super) struct Tracing {
    /// What runs the tiles.
    pub(super) parallel_for: ParallelFor,
    /// Its `pool`.
    pub(super) pool: *mut c_void,
    /// Where launches are written, as long as there is room.
    pub(super) launches: *mut Launch,
    /// Room in launches.
    pub(super) room: usize,
    /// Launches so far, those without room included.
    pub(super) count: usize,
}

/// Runs all tiles as the [`Tracing`] says that the context's `pool` points to, and writes down the launch.
///
/// # Safety
/// The context is valid and `kernel` is one of its program's. No other thread has the tracing: only `run`, which is one
/// thread, launches with this function.
pub(super) unsafe extern "C" fn run_traced(ctx: *const RunCtx, kernel: KernelFn, tiles: i64) {
    // SAFETY: the context and its tracing live for the run, and nobody else uses the tracing; a write stays within room.
    unsafe {
        let tracing = (*ctx).pool.cast::<Tracing>();
        let own = RunCtx { parallel_for: (*tracing).parallel_for, pool: (*tracing).pool, ..*ctx };
        let begin = sys::nanoseconds();
        ((*tracing).parallel_for)(&raw const own, kernel, tiles);
        let end = sys::nanoseconds();
        if (*tracing).count < (*tracing).room {
            let launch = Launch { kernel: kernel as usize, tiles, begin, end };
            (*tracing).launches.add((*tracing).count).write(launch);
        }
        (*tracing).count += 1;
    }
}
