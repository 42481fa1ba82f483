//! Weights of test files that are drawn from a seed.

use crate::dtype::DType;
use crate::tensor::Tensor;

/// Pseudo-random values: SplitMix64, floats about normal (sum of four uniforms) times 0.1. Those of storage types, which
/// hold few numbers that small, are not made smaller, and those of f8e8m0 have no sign.
pub(super) fn draw(dtype: DType, sizes: &[usize], seed: u64) -> Tensor {
    let count: usize = sizes.iter().product();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    if dtype.holds_floats() {
        let mut uniform = move || (next() >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        let scale = if dtype.is_storage() { 1.0 } else { 0.1 };
        let mut normal = || scale * (uniform() + uniform() + uniform() + uniform()) * 3f64.sqrt();
        let mut value = || if dtype == DType::F8E8M0 { normal().abs() } else { normal() };
        let values: Vec<f64> = (0..count).map(|_| value()).collect();
        Tensor::from_f64(dtype, sizes, &values)
    } else {
        let low = if dtype.is_unsigned() { 0 } else { -4 };
        let values: Vec<i64> = (0..count).map(|_| low + (next() % (5 - low) as u64) as i64).collect();
        Tensor::from_i64(dtype, sizes, &values)
    }
}
