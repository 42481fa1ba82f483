//! Exact integers of the evaluator: every element of every integer type fits an i128, results wrap to the width.

use crate::dtype::DType;
use crate::tensor::Tensor;

/// Element `index` of an integer or bool tensor, exactly (a u64 too).
pub(crate) fn int_at(x: &Tensor, index: usize) -> i128 {
    let value = x.i64_at(index);
    if x.dtype() == DType::U64 { i128::from(value as u64) } else { i128::from(value) }
}

/// All elements of an integer or bool tensor.
pub(crate) fn ints(x: &Tensor) -> impl Iterator<Item = i128> + '_ {
    (0..x.len()).map(|index| int_at(x, index))
}

/// A tensor of integers wrapped to the width of `dtype` (bool: not equal to 0).
pub(crate) fn from_ints(dtype: DType, shape: &[usize], values: impl IntoIterator<Item = i128>) -> Tensor {
    // The low 64 bits of an i128 are those of the wrapped result, of which `from_i64` takes the low ones again.
    let is_bool = dtype == DType::Bool;
    let wrap = |value: i128| if is_bool { i64::from(value != 0) } else { value as i64 };
    Tensor::from_i64(dtype, shape, &values.into_iter().map(wrap).collect::<Vec<_>>())
}

/// Smallest and largest value of an integer type or bool.
pub(crate) fn int_range(dtype: DType) -> (i128, i128) {
    if dtype == DType::Bool {
        return (0, 1);
    }
    let bits = dtype.bits();
    if dtype.is_unsigned() { (0, (1i128 << bits) - 1) } else { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) }
}

/// Sum in order, from +0 (the standard library's starts from -0).
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// The larger of two floats: NaN if one of them is NaN, +0 before -0.
pub(crate) fn max_f64(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a > b || (a == b && a.is_sign_positive()) {
        a
    } else {
        b
    }
}

/// The smaller of two floats: NaN if one of them is NaN, -0 before +0.
pub(crate) fn min_f64(a: f64, b: f64) -> f64 {
    -max_f64(-a, -b)
}
