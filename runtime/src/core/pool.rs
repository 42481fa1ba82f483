//! Threads that compute the tiles of a kernel together.
//!
//! A pool runs one kernel at a time. The calling thread opens it, takes part, closes it when no tile is left, and waits
//! only for workers that had joined: one that slept through the kernel is not waited for. Tiles are claimed in small
//! chunks by one atomic counter; what a tile computes depends on its number alone, so the result does not depend on the
//! number of threads. Idle workers spin for about 50 us, then sleep. While a pool is busy, another kernel (a nested one,
//! or one of another context that shares the pool) runs wholly on its calling thread.

use super::context::{KernelFn, RunCtx};
use super::sys;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Most workers of a pool, the calling thread included.
pub const MAX_THREADS: usize = 256;

/// How long an idle worker spins before it sleeps.
const SPIN_NANOSECONDS: u64 = 50_000;

/// In [`Pool::state`]: the kernel still takes workers.
const OPEN: u64 = 1 << 15;
/// In [`Pool::state`]: number of workers inside the kernel. Above both stands the number of the kernel.
const ACTIVE: u64 = OPEN - 1;

/// A kernel to run, shared by the workers through [`Pool::state`].
#[derive(Clone, Copy)]
struct Job {
    ctx: *const RunCtx,
    kernel: KernelFn,
    tiles: i64,
    /// Tiles claimed at a time.
    chunk: i64,
}

/// A value alone on its cache line.
#[repr(align(64))]
struct Line<T>(T);

/// A pool of threads, shared by counting references.
pub struct Pool {
    state: Line<AtomicU64>,
    /// The next tile to claim.
    next: Line<AtomicI64>,
    /// Changes whenever sleepers must look again.
    wake: Line<AtomicU32>,
    sleepers: AtomicU32,
    stop: AtomicBool,
    /// A kernel runs.
    busy: AtomicBool,
    references: AtomicUsize,
    /// Workers that have taken their number.
    numbered: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    /// Threads started: the calling thread is not among them.
    started: AtomicUsize,
    threads: UnsafeCell<[usize; MAX_THREADS]>,
}

// SAFETY: `job` is written only by the thread that holds `busy`, while `state` is closed with nobody active, and read only by
// workers that joined afterwards (acquire on `state`). `threads` is written by `create` before anyone else has the pool,
// and read by the last `release`; no worker touches it.
unsafe impl Sync for Pool {}
// SAFETY: nothing in it is tied to a thread.
unsafe impl Send for Pool {}

impl Pool {
    /// A pool of `threads` workers, the calling thread included (so `threads - 1` are started; fewer if the system refuses),
    /// with one reference. Null when out of memory.
    pub fn create(threads: usize) -> *const Pool {
        const { assert!(align_of::<Pool>() <= sys::ALIGN) };
        let pool = sys::allocate(size_of::<Pool>()).cast::<Pool>();
        if pool.is_null() {
            return pool;
        }
        // SAFETY: fresh memory of the right size and alignment; the workers use it through a shared reference only.
        unsafe {
            pool.write(Pool {
                state: Line(AtomicU64::new(0)),
                next: Line(AtomicI64::new(0)),
                wake: Line(AtomicU32::new(0)),
                sleepers: AtomicU32::new(0),
                stop: AtomicBool::new(false),
                busy: AtomicBool::new(false),
                references: AtomicUsize::new(1),
                numbered: AtomicUsize::new(0),
                job: UnsafeCell::new(None),
                started: AtomicUsize::new(0),
                threads: UnsafeCell::new([0; MAX_THREADS]),
            });
            let ids = (*pool).threads.get().cast::<usize>();
            let mut started = 0;
            while started + 1 < threads.min(MAX_THREADS) {
                let Some(thread) = sys::spawn(work, pool.cast()) else { break };
                ids.add(started).write(thread);
                started += 1;
            }
            (*pool).started.store(started, Ordering::Relaxed);
        }
        pool
    }

    /// Number of workers, the calling thread included.
    pub fn threads(&self) -> usize {
        self.started.load(Ordering::Relaxed) + 1
    }

    /// Adds a reference.
    pub fn retain(&self) {
        self.references.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a reference away; the last one ends the threads and frees the pool.
    ///
    /// # Safety
    /// `pool` came from [`Pool::create`], and the caller owns a reference that it does not use any more. Not from a worker.
    pub unsafe fn release(pool: *const Pool) {
        // SAFETY: the pool lives as long as there is a reference; behind the last one nothing runs, and the workers end.
        unsafe {
            if (*pool).references.fetch_sub(1, Ordering::AcqRel) != 1 {
                return;
            }
            (*pool).stop.store(true, Ordering::SeqCst);
            (*pool).wake.0.fetch_add(1, Ordering::SeqCst);
            sys::wake(&(*pool).wake.0, i32::MAX);
            let ids = (*pool).threads.get().cast::<usize>();
            for i in 0..(*pool).started.load(Ordering::Relaxed) {
                sys::join(ids.add(i).read());
            }
            sys::free(pool.cast_mut().cast());
        }
    }

    /// Waits for a kernel other than `seen` that takes workers. None when the pool ends.
    fn next_kernel(&self, seen: u64) -> Option<u64> {
        let find = || {
            let state = self.state.0.load(Ordering::SeqCst);
            (state & OPEN != 0 && state >> 16 != seen).then_some(state)
        };
        let mut since = sys::nanoseconds();
        loop {
            for _ in 0..32 {
                if let Some(state) = find() {
                    return Some(state);
                }
                spin_loop();
            }
            if self.stop.load(Ordering::SeqCst) {
                return None;
            }
            if sys::nanoseconds().wrapping_sub(since) > SPIN_NANOSECONDS {
                // Announce the sleep before the last look: whoever opens a kernel afterwards sees the sleeper.
                self.sleepers.fetch_add(1, Ordering::SeqCst);
                let value = self.wake.0.load(Ordering::SeqCst);
                if find().is_none() && !self.stop.load(Ordering::SeqCst) {
                    sys::wait(&self.wake.0, value);
                }
                self.sleepers.fetch_sub(1, Ordering::SeqCst);
                since = sys::nanoseconds();
            }
        }
    }

    /// Runs `job` on all workers and the calling thread, which holds `busy`.
    ///
    /// # Safety
    /// As for [`ParallelFor`](super::context::ParallelFor).
    unsafe fn run(&self, job: Job) {
        // SAFETY: `busy` is held and the state is closed with nobody active, so nobody reads the job.
        unsafe { *self.job.get() = Some(job) };
        self.next.0.store(0, Ordering::Relaxed);
        let number = (self.state.0.load(Ordering::Relaxed) >> 16) + 1;
        self.state.0.store(number << 16 | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake.0.fetch_add(1, Ordering::SeqCst);
            sys::wake(&self.wake.0, (job.tiles - 1).min(MAX_THREADS as i64) as i32);
        }
        // SAFETY: the caller's contract; this thread is worker 0.
        unsafe { claim_tiles(&job, &self.next.0, 0) };
        self.state.0.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while self.state.0.load(Ordering::Acquire) & ACTIVE != 0 {
            spins += 1;
            // a worker may have lost its core
            if spins.is_multiple_of(4096) { sys::yield_now() } else { spin_loop() }
        }
    }
}

/// The life of a worker.
extern "C" fn work(pool: *mut c_void) -> *mut c_void {
    // SAFETY: the pool outlives its workers: the last `release` joins them before it frees it.
    let pool = unsafe { &*pool.cast_const().cast::<Pool>() };
    let worker = pool.numbered.fetch_add(1, Ordering::Relaxed) as i64 + 1;
    sys::enter_float_mode();
    let mut seen = 0;
    while let Some(state) = pool.next_kernel(seen) {
        // joining fails when the kernel was closed meanwhile, or another worker joined at the same time
        if pool.state.0.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            continue;
        }
        seen = state >> 16;
        // SAFETY: this worker is active, so the caller waits for it, and the job and all it points to stay as they are.
        unsafe {
            if let Some(job) = *pool.job.get()
                && worker < (*job.ctx).threads
            {
                claim_tiles(&job, &pool.next.0, worker);
            }
        }
        pool.state.0.fetch_sub(1, Ordering::Release);
    }
    core::ptr::null_mut()
}

/// Computes tiles until none is left or an error is recorded.
///
/// # Safety
/// The job's context and kernel are valid, `worker` is below its `threads`, and no other thread is this worker.
unsafe fn claim_tiles(job: &Job, next: &AtomicI64, worker: i64) {
    // SAFETY: the context lives until all workers are done.
    let ctx = unsafe { &*job.ctx };
    let scratch = ctx.scratch_base.wrapping_offset((worker * ctx.scratch_stride) as isize);
    // a kernel launched from within a tile runs on this thread, with its scratch
    let own = RunCtx { parallel_for: run_inline, scratch_base: scratch, threads: 1, ..*ctx };
    // SAFETY: the status lives as long as the context.
    let status = unsafe { &*ctx.status };
    while !status.failed() {
        let begin = next.fetch_add(job.chunk, Ordering::Relaxed);
        if begin >= job.tiles {
            break;
        }
        // SAFETY: tiles begin..end are this worker's alone.
        unsafe { (job.kernel)(&own, begin, job.tiles.min(begin + job.chunk), scratch) };
    }
}

impl Job {
    /// One tile at a time, unless there are so many that claiming them would cost more than it evens out.
    fn new(ctx: *const RunCtx, kernel: KernelFn, tiles: i64, threads: i64) -> Job {
        Job { ctx, kernel, tiles, chunk: (tiles / threads.max(1) / 16).clamp(1, 64) }
    }
}

/// Runs all tiles on the calling thread.
///
/// # Safety
/// The context is valid and `kernel` is one of its program's.
pub unsafe extern "C" fn run_inline(ctx: *const RunCtx, kernel: KernelFn, tiles: i64) {
    // SAFETY: the context is valid; the calling thread is its only worker.
    unsafe {
        if tiles > 0 && !(*(*ctx).status).failed() {
            kernel(ctx, 0, tiles, (*ctx).scratch_base);
        }
    }
}

/// Runs all tiles on the [`Pool`] that the context's `pool` points to; inline if that is null or busy, or if there is one
/// tile or one thread.
///
/// # Safety
/// The context is valid and `kernel` is one of its program's.
pub unsafe extern "C" fn run_on_pool(ctx: *const RunCtx, kernel: KernelFn, tiles: i64) {
    // SAFETY: the context is valid, and its pool is null or alive.
    unsafe {
        let (pool, threads) = ((*ctx).pool.cast_const().cast::<Pool>(), (*ctx).threads);
        if tiles <= 1 || threads <= 1 || pool.is_null() || (*pool).busy.swap(true, Ordering::Acquire) {
            return run_inline(ctx, kernel, tiles);
        }
        if !(*(*ctx).status).failed() {
            (*pool).run(Job::new(ctx, kernel, tiles, threads));
        }
        (*pool).busy.store(false, Ordering::Release);
    }
}

/// A piece of work handed to the caller's threads: to be called once for each `index`.
pub type CallerTask = unsafe extern "C" fn(arg: *mut c_void, index: i64);

/// The caller's own threads: must call `task(arg, i)` once for each i in 0..n, on any threads, and return when all calls
/// have returned.
pub type CallerFor = unsafe extern "C" fn(user: *mut c_void, n: i64, task: CallerTask, arg: *mut c_void);

/// What the context's `pool` points to when the caller brings its threads.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CallerThreads {
    /// Runs tasks.
    pub parallel_for: CallerFor,
    /// Passed on to it.
    pub user: *mut c_void,
}

struct CallerJob {
    job: Job,
    next: AtomicI64,
}

/// Runs all tiles on the [`CallerThreads`] that the context's `pool` points to.
///
/// # Safety
/// The context is valid and `kernel` is one of its program's.
pub unsafe extern "C" fn run_on_caller(ctx: *const RunCtx, kernel: KernelFn, tiles: i64) {
    // SAFETY: the context is valid; the shared job outlives the call, as the caller's function returns when all is done.
    unsafe {
        let threads = (*ctx).threads.min(tiles);
        if threads <= 1 || (*(*ctx).status).failed() {
            return run_inline(ctx, kernel, tiles);
        }
        let caller = *(*ctx).pool.cast_const().cast::<CallerThreads>();
        let shared = CallerJob { job: Job::new(ctx, kernel, tiles, threads), next: AtomicI64::new(0) };
        (caller.parallel_for)(caller.user, threads, caller_task, (&raw const shared).cast_mut().cast());
        // whatever the caller's threads did not do
        claim_tiles(&shared.job, &shared.next, 0);
    }
}

unsafe extern "C" fn caller_task(arg: *mut c_void, index: i64) {
    // SAFETY: `arg` is the job of `run_on_caller`, which waits for this call; each index is called once.
    unsafe {
        let shared = &*arg.cast_const().cast::<CallerJob>();
        if (0..(*shared.job.ctx).threads).contains(&index) {
            let mode = sys::enter_float_mode();
            claim_tiles(&shared.job, &shared.next, index);
            sys::leave_float_mode(mode);
        }
    }
}
