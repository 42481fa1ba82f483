//! What generated code gets: one pointer to a [`RunCtx`]. Its layout is part of the ABI (see [`super::table::ABI`]).

use super::status::Status;
use super::table::Kernels;
use core::ffi::c_void;

/// A generated kernel: computes tiles `tile_begin..tile_end` with the worker's own scratch (64-byte aligned).
pub type KernelFn = unsafe extern "C" fn(ctx: *const RunCtx, tile_begin: i64, tile_end: i64, scratch: *mut u8);

/// Runs all tiles of a kernel and returns when they are done.
pub type ParallelFor = unsafe extern "C" fn(ctx: *const RunCtx, kernel: KernelFn, tiles: i64);

/// All a generated function can reach.
#[repr(C)]
pub struct RunCtx {
    /// Offset 0: micro-kernels of the tier chosen at load.
    pub kernels: *const Kernels,
    /// Offset 8: one pointer per buffer of the program, by buffer index.
    pub buffers: *const *mut u8,
    /// Offset 16: symbol values, by symbol index.
    pub symbols: *mut i64,
    /// Offset 24: runs a kernel's tiles on all threads.
    pub parallel_for: ParallelFor,
    /// Offset 32: the first error of this run.
    pub status: *mut Status,
    /// Offset 40: the thread pool, or the caller's own threads.
    pub pool: *mut c_void,
    /// Offset 48: scratch of worker `w` starts at `scratch_base + w * scratch_stride`.
    pub scratch_base: *mut u8,
    /// Offset 56: bytes of scratch per worker, a multiple of 64.
    pub scratch_stride: i64,
    /// Offset 64: number of workers, the calling thread included.
    pub threads: i64,
}

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(RunCtx, kernels) == 0);
    assert!(offset_of!(RunCtx, buffers) == 8);
    assert!(offset_of!(RunCtx, symbols) == 16);
    assert!(offset_of!(RunCtx, parallel_for) == 24);
    assert!(offset_of!(RunCtx, status) == 32);
    assert!(offset_of!(RunCtx, pool) == 40);
    assert!(offset_of!(RunCtx, scratch_base) == 48);
    assert!(offset_of!(RunCtx, scratch_stride) == 56);
    assert!(offset_of!(RunCtx, threads) == 64);
    assert!(offset_of!(Status, code) == 0 && offset_of!(Status, node) == 4 && offset_of!(Status, value) == 8);
};
