//! Threads: every tile once, results independent of their number, errors, sharing, nesting, the caller's own threads.

use lathe_runtime::core::context::{KernelFn, ParallelFor, RunCtx};
use lathe_runtime::core::pool::{CallerTask, CallerThreads, Pool, run_inline, run_on_caller, run_on_pool};
use lathe_runtime::core::status::Status;
use lathe_runtime::core::table::select;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

/// Everything a run needs, with one buffer of counters.
struct Run {
    counts: Vec<AtomicI64>,
    buffers: [*mut u8; 1],
    symbols: [i64; 1],
    status: Status,
    scratch: Vec<u64>,
    threads: usize,
}

const SCRATCH: usize = 64;

impl Run {
    fn new(tiles: usize, threads: usize) -> Box<Run> {
        let counts: Vec<AtomicI64> = (0..tiles).map(|_| AtomicI64::new(0)).collect();
        let buffers = [counts.as_ptr().cast_mut().cast()];
        let scratch = vec![0; SCRATCH / 8 * threads + 8];
        Box::new(Run { counts, buffers, symbols: [0], status: Status::new(), scratch, threads })
    }

    fn ctx(&mut self, parallel_for: ParallelFor, pool: *mut c_void) -> RunCtx {
        let base = self.scratch.as_mut_ptr().cast::<u8>();
        RunCtx {
            kernels: select().0,
            buffers: self.buffers.as_ptr(),
            symbols: self.symbols.as_mut_ptr(),
            parallel_for,
            status: &raw mut self.status,
            pool,
            scratch_base: base.map_addr(|a| a.next_multiple_of(8)),
            scratch_stride: SCRATCH as i64,
            threads: self.threads as i64,
        }
    }

    fn each_tile_ran(&self, times: i64) {
        assert!(self.counts.iter().all(|count| count.load(Relaxed) == times));
    }
}

/// Counts each tile, and checks that no other worker uses the same scratch at the same time.
unsafe extern "C" fn count(ctx: *const RunCtx, begin: i64, end: i64, scratch: *mut u8) {
    // SAFETY: the buffer holds a counter per tile, the scratch a word per worker.
    unsafe {
        let counts = (*(*ctx).buffers).cast::<AtomicI64>();
        let word = &*scratch.cast::<AtomicI64>();
        for tile in begin..end {
            assert_eq!(word.swap(1 + tile, Relaxed), 0);
            std::hint::spin_loop();
            (*counts.add(tile as usize)).fetch_add(1, Relaxed);
            assert_eq!(word.swap(0, Relaxed), 1 + tile);
        }
    }
}

/// As `count`, with a launch of `count` over all tiles from within each tile.
unsafe extern "C" fn nested(ctx: *const RunCtx, begin: i64, end: i64, _scratch: *mut u8) {
    for _ in begin..end {
        // SAFETY: the context is the one this kernel was called with.
        unsafe { ((*ctx).parallel_for)(ctx, count, 10) };
    }
}

unsafe extern "C" fn fail_at_five(ctx: *const RunCtx, begin: i64, end: i64, _scratch: *mut u8) {
    // SAFETY: the buffer holds a counter per tile; the status lives.
    unsafe {
        for tile in begin..end {
            (*(*(*ctx).buffers).cast::<AtomicI64>().add(tile as usize)).fetch_add(1, Relaxed);
            if tile >= 5 {
                (*(*ctx).status).set(4, 33, tile);
                return;
            }
        }
    }
}

struct Owned(*const Pool);

impl Owned {
    fn new(threads: usize) -> Owned {
        let pool = Pool::create(threads);
        assert!(!pool.is_null());
        Owned(pool)
    }
    fn ptr(&self) -> *mut c_void {
        self.0.cast_mut().cast()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the only reference.
        unsafe { Pool::release(self.0) };
    }
}

fn launch(ctx: &RunCtx, kernel: KernelFn, tiles: usize) {
    // SAFETY: the context is valid for these kernels.
    unsafe { (ctx.parallel_for)(ctx, kernel, tiles as i64) };
}

#[test]
fn every_tile_runs_once() {
    for threads in [1, 2, 3, 8] {
        let pool = Owned::new(threads);
        // SAFETY: alive.
        assert_eq!(unsafe { (*pool.0).threads() }, threads);
        for tiles in [0, 1, 2, 3, 7, 64, 1000, 20_000] {
            let mut run = Run::new(tiles, threads);
            let ctx = run.ctx(run_on_pool, pool.ptr());
            for _ in 0..20 {
                launch(&ctx, count, tiles);
            }
            run.each_tile_ran(20);
            assert!(!run.status.failed());
        }
    }
}

#[test]
fn many_short_kernels_with_sleeping_and_spinning_workers() {
    for threads in [2, 3, 8] {
        let pool = Owned::new(threads);
        let mut run = Run::new(9, threads);
        let ctx = run.ctx(run_on_pool, pool.ptr());
        for i in 0..4000 {
            launch(&ctx, count, 9);
            if i % 97 == 0 {
                std::thread::sleep(Duration::from_micros(i % 300));
            }
        }
        run.each_tile_ran(4000);
    }
}

#[test]
fn contexts_of_several_threads_share_a_pool() {
    let pool = Owned::new(3);
    // SAFETY: alive until the end of this function.
    let shared: &Pool = unsafe { &*pool.0 };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut run = Run::new(50, 3);
                let ctx = run.ctx(run_on_pool, std::ptr::from_ref(shared).cast_mut().cast());
                for _ in 0..500 {
                    launch(&ctx, count, 50);
                }
                run.each_tile_ran(500);
            });
        }
    });
}

#[test]
fn a_context_may_use_fewer_threads_than_the_pool() {
    let pool = Owned::new(8);
    let mut run = Run::new(100, 2);
    let ctx = run.ctx(run_on_pool, pool.ptr());
    for _ in 0..200 {
        launch(&ctx, count, 100);
    }
    run.each_tile_ran(200);
}

#[test]
fn nested_kernels_run_inline() {
    for threads in [1, 2, 8] {
        let pool = Owned::new(threads);
        let mut run = Run::new(10, threads);
        let ctx = run.ctx(run_on_pool, pool.ptr());
        launch(&ctx, nested, 40);
        run.each_tile_ran(40);
    }
}

#[test]
fn the_first_error_stops_the_rest() {
    for threads in [1, 2, 3, 8] {
        let pool = Owned::new(threads);
        let mut run = Run::new(100_000, threads);
        let ctx = run.ctx(run_on_pool, pool.ptr());
        launch(&ctx, fail_at_five, 100_000);
        assert!(run.status.failed());
        assert_eq!((run.status.code.load(Relaxed), run.status.node.load(Relaxed)), (4, 33));
        let before: i64 = run.counts.iter().map(|count| count.load(Relaxed)).sum();
        assert!(before < 1000 + 64 * threads as i64, "{before} tiles ran after the error");
        launch(&ctx, count, 100_000);
        let after: i64 = run.counts.iter().map(|count| count.load(Relaxed)).sum();
        assert_eq!(before, after, "a kernel ran after the error");
    }
}

unsafe extern "C" fn serially_backwards(user: *mut c_void, n: i64, task: CallerTask, arg: *mut c_void) {
    // SAFETY: the counter of the test; tasks as given.
    unsafe {
        (*user.cast::<AtomicI64>()).fetch_add(1, Relaxed);
        for i in (0..n).rev() {
            task(arg, i);
        }
    }
}

unsafe extern "C" fn on_threads(_user: *mut c_void, n: i64, task: CallerTask, arg: *mut c_void) {
    let arg = arg.expose_provenance();
    std::thread::scope(|scope| {
        for i in 0..n {
            // SAFETY: the argument lives until all tasks have returned.
            scope.spawn(move || unsafe { task(std::ptr::with_exposed_provenance_mut(arg), i) });
        }
    });
}

unsafe extern "C" fn does_nothing(_user: *mut c_void, _n: i64, _task: CallerTask, _arg: *mut c_void) {}

#[test]
fn the_callers_own_threads() {
    let calls = AtomicI64::new(0);
    for parallel_for in [serially_backwards, on_threads, does_nothing] {
        for threads in [1, 2, 5] {
            let mut caller = CallerThreads { parallel_for, user: (&raw const calls).cast_mut().cast() };
            let mut run = Run::new(300, threads);
            let ctx = run.ctx(run_on_caller, (&raw mut caller).cast());
            for _ in 0..10 {
                launch(&ctx, count, 300);
            }
            launch(&ctx, count, 0);
            run.each_tile_ran(10);
        }
    }
    assert_eq!(calls.load(Relaxed), 20);
}

#[test]
fn inline() {
    let mut run = Run::new(12, 1);
    let ctx = run.ctx(run_inline, std::ptr::null_mut());
    launch(&ctx, nested, 3);
    launch(&ctx, count, 12);
    assert_eq!(run.counts[0].load(Relaxed), 4);
    assert_eq!(run.counts[11].load(Relaxed), 1);
}
