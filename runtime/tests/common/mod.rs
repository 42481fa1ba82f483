//! What the kernel tests share: the tables this machine can run, and rows of test data.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use lathe_runtime::core::table::{Kernels, SIGNATURES, kernel_index, table_of};
use lathe_runtime::core::tier::Tier;

/// A kernel with one operand and one result.
pub type Unary = unsafe extern "C" fn(i64, *mut u8, *mut u8);

/// The tiers of this machine, with their tables.
pub fn tiers() -> impl Iterator<Item = (Tier, &'static Kernels)> {
    Tier::ALL.into_iter().filter(|&tier| tier <= Tier::detect()).map(|tier| (tier, table_of(tier)))
}

/// The kernel in the slot called `name`, whose signature must be that of [`Unary`].
pub fn unary(table: &Kernels, name: &str) -> Unary {
    let index = kernel_index(name).unwrap();
    assert_eq!(SIGNATURES[index].args, SIGNATURES[kernel_index("v_exp").unwrap()].args);
    // SAFETY: the table is an array of function pointers and slot `index` has this signature.
    unsafe { (table as *const Kernels).cast::<Unary>().add(index).read() }
}

/// Names of all kernels with one operand and one result.
pub fn unary_names() -> Vec<&'static str> {
    let wanted = SIGNATURES[kernel_index("v_exp").unwrap()].args;
    SIGNATURES.iter().filter(|s| s.args == wanted && s.name.starts_with("v_")).map(|s| s.name).collect()
}

/// The address of a row, as kernels take it.
pub fn ptr<T>(row: &[T]) -> *mut u8 {
    row.as_ptr().cast_mut().cast()
}

/// f(x) as a new row.
pub fn apply(f: Unary, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0f32; x.len()];
    // SAFETY: both rows have the given length.
    unsafe { f(x.len() as i64, ptr(x), y.as_mut_ptr().cast()) };
    y
}

/// The bits of a row, all NaN alike.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| if x.is_nan() { f32::NAN } else { *x }.to_bits()).collect()
}

/// A small generator of reproducible numbers.
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A float in lo..hi.
    pub fn float(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * ((self.bits() >> 40) as f32 / 16_777_216.0)
    }

    /// A row of floats in lo..hi.
    pub fn row(&mut self, n: usize, lo: f32, hi: f32) -> Vec<f32> {
        (0..n).map(|_| self.float(lo, hi)).collect()
    }
}

/// A row of everything: ordinary numbers, zeros, infinities, NaN, denormals, huge ones.
pub fn mixed(n: usize) -> Vec<f32> {
    let mut random = Random(7);
    let corners = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, -1e-40, 3e38, -3e38, 1.0, -1.0, 2e5];
    (0..n).map(|i| if i % 5 == 3 { corners[(i / 5) % corners.len()] } else { random.float(-12.0, 12.0) }).collect()
}
