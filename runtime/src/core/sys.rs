//! What the core needs of the system, declared by hand: memory, threads, sleeping, the clock. Linux only.

use core::ffi::{c_char, c_int, c_long, c_void};
use core::sync::atomic::AtomicU32;

mod libc {
    use super::{c_char, c_int, c_long, c_void};

    unsafe extern "C" {
        pub(super) fn aligned_alloc(align: usize, bytes: usize) -> *mut c_void;
        pub(super) fn free(p: *mut c_void);
        pub(super) fn pthread_create(
            thread: *mut usize,
            attributes: *const c_void,
            start: extern "C" fn(*mut c_void) -> *mut c_void,
            arg: *mut c_void,
        ) -> c_int;
        pub(super) fn pthread_join(thread: usize, result: *mut *mut c_void) -> c_int;
        pub(super) fn pthread_sigmask(how: c_int, set: *const c_void, old: *mut c_void) -> c_int;
        pub(super) fn syscall(number: c_long, ...) -> c_long;
        pub(super) fn sched_yield() -> c_int;
        pub(super) fn sched_getaffinity(pid: c_int, bytes: usize, mask: *mut c_void) -> c_int;
        pub(super) fn clock_gettime(clock: c_int, time: *mut c_void) -> c_int;
        pub(super) fn open(path: *const c_char, flags: c_int, ...) -> c_int;
        pub(super) fn read(file: c_int, to: *mut c_void, bytes: usize) -> isize;
        pub(super) fn close(file: c_int) -> c_int;
    }
}

/// Alignment of all memory from [`allocate`]: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

/// `bytes` of memory aligned to 64, or null. The contents are arbitrary. Zero bytes give a pointer too.
pub fn allocate(bytes: usize) -> *mut u8 {
    let Some(rounded) = bytes.max(1).checked_next_multiple_of(ALIGN) else { return core::ptr::null_mut() };
    // SAFETY: the size is a multiple of the alignment, which is a power of two.
    unsafe { libc::aligned_alloc(ALIGN, rounded).cast() }
}

/// Gives memory back.
///
/// # Safety
/// `p` is null or came from [`allocate`] and is not used any more.
pub unsafe fn free(p: *mut u8) {
    // SAFETY: by contract.
    unsafe { libc::free(p.cast()) }
}

/// Starts a thread that takes no signals (the program's handlers keep running on its own threads). Returns its id.
pub(crate) fn spawn(start: extern "C" fn(*mut c_void) -> *mut c_void, arg: *mut c_void) -> Option<usize> {
    const SIG_SETMASK: c_int = 2;
    let (every, mut before) = ([u64::MAX; 16], [0u64; 16]); // glibc's and musl's sigset_t: 1024 bits
    let mut thread = 0usize;
    // SAFETY: the sets have the size of sigset_t; the thread inherits the mask set around its start.
    let failed = unsafe {
        libc::pthread_sigmask(SIG_SETMASK, every.as_ptr().cast(), before.as_mut_ptr().cast());
        let failed = libc::pthread_create(&mut thread, core::ptr::null(), start, arg);
        libc::pthread_sigmask(SIG_SETMASK, before.as_ptr().cast(), core::ptr::null_mut());
        failed
    };
    (failed == 0).then_some(thread)
}

/// Waits for a thread to end.
///
/// # Safety
/// `thread` came from [`spawn`] and was not joined before.
pub(crate) unsafe fn join(thread: usize) {
    // SAFETY: by contract.
    unsafe { libc::pthread_join(thread, core::ptr::null_mut()) };
}

#[cfg(target_arch = "x86_64")]
const SYS_FUTEX: c_long = 202;
#[cfg(not(target_arch = "x86_64"))]
const SYS_FUTEX: c_long = 98;
const FUTEX_WAIT_PRIVATE: c_int = 128;
const FUTEX_WAKE_PRIVATE: c_int = 129;

/// Sleeps while `word` is `value`, or until woken. May return early.
pub(crate) fn wait(word: &AtomicU32, value: u32) {
    // SAFETY: the word lives for the call; no timeout.
    unsafe { libc::syscall(SYS_FUTEX, word.as_ptr(), FUTEX_WAIT_PRIVATE, value, core::ptr::null::<c_void>()) };
}

/// Wakes up to `count` threads that sleep on `word`.
pub(crate) fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: the word lives for the call.
    unsafe { libc::syscall(SYS_FUTEX, word.as_ptr(), FUTEX_WAKE_PRIVATE, count) };
}

/// Lets another thread run.
pub(crate) fn yield_now() {
    // SAFETY: no arguments.
    unsafe { libc::sched_yield() };
}

/// Nanoseconds of a clock that only goes forward.
pub(crate) fn nanoseconds() -> u64 {
    const CLOCK_MONOTONIC: c_int = 1;
    let mut time = [0i64; 2]; // struct timespec: seconds, nanoseconds
    // SAFETY: the array has the size and layout of struct timespec on 64-bit Linux.
    unsafe { libc::clock_gettime(CLOCK_MONOTONIC, time.as_mut_ptr().cast()) };
    (time[0] as u64).wrapping_mul(1_000_000_000).wrapping_add(time[1] as u64)
}

/// Number of CPUs this process may use: its affinity, and the quota of its cgroup (v2, as a container sees it), at least 1.
pub fn cpus() -> usize {
    let mut mask = [0u64; 128];
    // SAFETY: the mask has the size given.
    let bytes = unsafe { libc::sched_getaffinity(0, size_of_val(&mask), mask.as_mut_ptr().cast()) };
    let allowed = mask.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    let allowed = if bytes < 0 || allowed == 0 { 1 } else { allowed };
    let mut text = [0u8; 64];
    let text = read_start(c"/sys/fs/cgroup/cpu.max", &mut text);
    cgroup_cpus(text).map_or(allowed, |quota| allowed.min(quota))
}

/// CPUs granted by the text of `cpu.max`, "QUOTA PERIOD" or "max PERIOD": rounded up, at least 1.
pub(crate) fn cgroup_cpus(text: &[u8]) -> Option<usize> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(|word| {
        word.iter().try_fold(0usize, |sum, &digit| {
            let value = digit.is_ascii_digit().then(|| (digit - b'0') as usize)?;
            sum.checked_mul(10)?.checked_add(value)
        })
    });
    let (quota, period) = (words.next()??, words.next()??);
    (quota > 0 && period > 0).then(|| quota.div_ceil(period))
}

/// The first bytes of a file; nothing if it cannot be read.
fn read_start<'a>(path: &core::ffi::CStr, buffer: &'a mut [u8]) -> &'a [u8] {
    const O_CLOEXEC: c_int = 0o2_000_000;
    // SAFETY: the path ends in 0; at most the buffer's length is read into it; the file is closed once.
    let got = unsafe {
        let file = libc::open(path.as_ptr(), O_CLOEXEC);
        if file < 0 {
            return &[];
        }
        let got = libc::read(file, buffer.as_mut_ptr().cast(), buffer.len());
        libc::close(file);
        got
    };
    buffer.get(..got.max(0) as usize).unwrap_or(&[])
}

/// Sets the floating-point mode to its default (round to nearest, denormals kept, no traps) and returns what it was.
pub fn enter_float_mode() -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let (mut before, default) = (0u32, 0x1f80u32);
        // SAFETY: stores to and loads from locals; the default masks all exceptions.
        unsafe {
            core::arch::asm!("stmxcsr [{}]", "ldmxcsr [{}]", in(reg) &raw mut before, in(reg) &raw const default)
        };
        before
    }
    #[cfg(not(target_arch = "x86_64"))]
    0
}

/// Puts back what [`enter_float_mode`] returned.
pub fn leave_float_mode(before: u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the value came from the register.
    unsafe {
        core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const before)
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = before;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas() {
        assert_eq!(cgroup_cpus(b"200000 100000\n"), Some(2));
        assert_eq!(cgroup_cpus(b"150000 100000\n"), Some(2));
        assert_eq!(cgroup_cpus(b"10000 100000\n"), Some(1));
        for none in [&b"max 100000\n"[..], b"", b"0 0", b"5", b"99999999999999999999999 1", b"-1 100000"] {
            assert_eq!(cgroup_cpus(none), None);
        }
        assert!(cpus() >= 1);
    }

    #[test]
    fn memory_is_aligned_and_absurd_sizes_fail() {
        for bytes in [0, 1, 63, 64, 65, 1 << 20] {
            let p = allocate(bytes);
            assert!(!p.is_null() && p.addr().is_multiple_of(ALIGN));
            // SAFETY: just allocated.
            unsafe { free(p) };
        }
        for bytes in [usize::MAX, usize::MAX / 2] {
            // an unused allocation would be optimised away, and with it the failure
            assert!(std::hint::black_box(allocate(bytes)).is_null());
        }
    }
}
