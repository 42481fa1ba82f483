//! Buffers that end (or begin) exactly at an inaccessible page, pseudo-random data, and the tiers to test.
#![allow(dead_code, reason = "each test file uses a part")]

use lathe_runtime::core::table::{Kernels, table_of};
use lathe_runtime::core::tier::Tier;
use std::ffi::{c_int, c_void};
use std::ops::{Deref, DerefMut};

unsafe extern "C" {
    fn mmap(addr: *mut c_void, length: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn munmap(addr: *mut c_void, length: usize) -> c_int;
    fn mprotect(addr: *mut c_void, length: usize, prot: c_int) -> c_int;
}

const PAGE: usize = 4096;

/// Floats between two inaccessible pages, touching one of them.
pub(crate) struct Guarded {
    map: *mut c_void,
    length: usize,
    first: *mut f32,
    count: usize,
}

impl Guarded {
    /// A copy of `data` whose end touches the page behind.
    pub(crate) fn at_end(data: &[f32]) -> Guarded {
        Guarded::place(data, true)
    }

    /// A copy of `data` whose beginning touches the page before.
    pub(crate) fn at_start(data: &[f32]) -> Guarded {
        Guarded::place(data, false)
    }

    fn place(data: &[f32], at_end: bool) -> Guarded {
        let inner = (data.len() * 4).next_multiple_of(PAGE);
        let length = inner + 2 * PAGE;
        // SAFETY: an anonymous private mapping (flags 0x22) of fresh pages, of which all but the first and last are made
        // readable and writable; `first` and the data's length lie within those.
        unsafe {
            let map = mmap(std::ptr::null_mut(), length, 0, 0x22, -1, 0);
            assert!(map as isize != -1, "mmap failed");
            let begin = map.cast::<u8>().add(PAGE);
            assert!(inner == 0 || mprotect(begin.cast(), inner, 3) == 0, "mprotect failed");
            let first = begin.add(if at_end { inner - data.len() * 4 } else { 0 }).cast::<f32>();
            std::ptr::copy_nonoverlapping(data.as_ptr(), first, data.len());
            Guarded { map, length, first, count: data.len() }
        }
    }

    /// Address of the first element, as kernels take it.
    pub(crate) fn ptr(&self) -> *mut u8 {
        self.first.cast()
    }
}

impl Deref for Guarded {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `count` initialised floats in the mapping.
        unsafe { std::slice::from_raw_parts(self.first, self.count) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.count) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `place`, unmapped once.
        unsafe { munmap(self.map, self.length) };
    }
}

/// A small generator of reproducible numbers.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// The next 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32 ^ (self.0 >> 13) as u32
    }

    /// A float in -1..1.
    pub(crate) fn float(&mut self) -> f32 {
        self.bits() as i32 as f32 / 2147483648.0
    }

    /// `n` floats in -1..1.
    pub(crate) fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.bits() as usize % n
    }
}

/// The tables this machine can run.
pub(crate) fn tables() -> Vec<(Tier, &'static Kernels)> {
    Tier::ALL.into_iter().filter(|&tier| tier <= Tier::detect()).map(|tier| (tier, table_of(tier))).collect()
}

/// Activation codes of `gemm_f32`.
pub(crate) const ACTS: std::ops::Range<i64> = 0..16;

/// The activation `act` in double precision.
pub(crate) fn act_f64(act: i64, p0: f64, p1: f64, x: f64) -> f64 {
    unsafe extern "C" {
        safe fn erf(x: f64) -> f64;
    }
    match act {
        0 => x,
        1 => x.max(0.0),
        2 => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        3 => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
        4 => x / (1.0 + (-x).exp()),
        5 => x.max(p0).min(p1),
        6 => 1.0 / (1.0 + (-x).exp()),
        7 => x.tanh(),
        8 => x * ((x + 3.0) / 6.0).clamp(0.0, 1.0),
        9 => (p0 * x + p1).clamp(0.0, 1.0),
        10 => {
            if x < 0.0 {
                p0 * x
            } else {
                x
            }
        }
        11 => {
            if x < 0.0 {
                p0 * x.exp_m1()
            } else {
                x
            }
        }
        12 => {
            if x > 0.0 {
                x + (-x).exp().ln_1p()
            } else {
                x.exp().ln_1p()
            }
        }
        13 => x * x.exp().ln_1p().tanh(),
        14 => erf(x),
        15 => x.exp(),
        _ => unreachable!("act {act}"),
    }
}
