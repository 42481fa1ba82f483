//! Tensors with values: literals, weights once read, and what the evaluator computes with.

use crate::dtype::DType;
use crate::narrow::{self, Conversion};
use crate::types::TensorType;
use bytes::Bytes;
use half::{bf16, f16};
use std::fmt;

/// A dense tensor: element type, sizes, little-endian row-major bytes. A bool is a byte of 0 or 1, an element of a storage
/// type a byte of its own (see [`crate::narrow`]).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Bytes,
}

/// Largest number of elements of a tensor made by evaluation, so that a hostile `ConstantOfShape` cannot exhaust
/// memory.
pub const MAX_ELEMENTS: usize = 1 << 31;

/// Product of sizes, or `None` beyond [`MAX_ELEMENTS`].
pub fn element_count(shape: &[usize]) -> Option<usize> {
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
    (product <= MAX_ELEMENTS).then_some(product)
}

impl Tensor {
    /// A tensor over given bytes; `None` if their number does not fit the shape.
    pub fn from_bytes(dtype: DType, shape: &[usize], data: Bytes) -> Option<Tensor> {
        let count = shape.iter().try_fold(dtype.size(), |product, &size| product.checked_mul(size))?;
        (count == data.len()).then(|| Tensor { dtype, shape: shape.to_vec(), data })
    }

    /// A tensor of floats rounded to `dtype` (integers: truncated and saturated, NaN gives 0; bool: not equal to 0; storage
    /// types: as `cast` does by default).
    ///
    /// # Panics
    /// If the number of values does not fit the shape; callers compute both from the same type.
    pub fn from_f64(dtype: DType, shape: &[usize], values: &[f64]) -> Tensor {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        let mut data = Vec::with_capacity(values.len() * dtype.size());
        for &value in values {
            push_f64(&mut data, dtype, value);
        }
        Tensor { dtype, shape: shape.to_vec(), data: data.into() }
    }

    /// A tensor of integers, wrapped to the width of `dtype`; floats are rounded, bool is "not equal to 0".
    ///
    /// # Panics
    /// If the number of values does not fit the shape; callers compute both from the same type.
    pub fn from_i64(dtype: DType, shape: &[usize], values: &[i64]) -> Tensor {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        let mut data = Vec::with_capacity(values.len() * dtype.size());
        for &value in values {
            push_i64(&mut data, dtype, value);
        }
        Tensor { dtype, shape: shape.to_vec(), data: data.into() }
    }

    /// An f32 tensor.
    pub fn from_f32(shape: &[usize], values: &[f32]) -> Tensor {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor { dtype: DType::F32, shape: shape.to_vec(), data: data.into() }
    }

    /// A scalar of the given type.
    pub fn scalar(dtype: DType, value: f64) -> Tensor {
        Tensor::from_f64(dtype, &[], &[value])
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// True if there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The raw bytes, little endian, row major.
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// The type with constant dimensions.
    pub fn ty(&self) -> TensorType {
        TensorType::new(self.dtype, self.shape.iter().map(|&size| (size as i64).into()))
    }

    /// The same bytes under another shape; `None` if the element counts differ.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Tensor> {
        Tensor::from_bytes(self.dtype, shape, self.data.clone())
    }

    /// Element `index` (row major) as f64; integers beyond 2^53 are rounded.
    pub fn f64_at(&self, index: usize) -> f64 {
        let size = self.dtype.size();
        let raw = &self.data[index * size..(index + 1) * size];
        match self.dtype {
            DType::F32 => f64::from(f32::from_le_bytes(array(raw))),
            DType::F64 => f64::from_le_bytes(array(raw)),
            DType::F16 => f64::from(f16::from_le_bytes(array(raw)).to_f32()),
            DType::BF16 => f64::from(bf16::from_le_bytes(array(raw)).to_f32()),
            DType::U64 => u64::from_le_bytes(array(raw)) as f64,
            dtype => narrow::decode(dtype, raw[0]).unwrap_or_else(|| self.i64_at(index) as f64),
        }
    }

    /// Element `index` (row major) as i64: u64 is reinterpreted, floats are truncated and saturated.
    pub fn i64_at(&self, index: usize) -> i64 {
        let size = self.dtype.size();
        let raw = &self.data[index * size..(index + 1) * size];
        match self.dtype {
            DType::I8 => i64::from(raw[0] as i8),
            DType::U8 | DType::Bool => i64::from(raw[0]),
            DType::I16 => i64::from(i16::from_le_bytes(array(raw))),
            DType::U16 => i64::from(u16::from_le_bytes(array(raw))),
            DType::I32 => i64::from(i32::from_le_bytes(array(raw))),
            DType::U32 => i64::from(u32::from_le_bytes(array(raw))),
            DType::I64 | DType::U64 => i64::from_le_bytes(array(raw)),
            dtype if dtype.is_storage_int() => i64::from(narrow::low_bits(dtype, raw[0]) as i8),
            _ => self.f64_at(index) as i64,
        }
    }

    /// All elements as f64.
    pub fn to_f64(&self) -> Vec<f64> {
        (0..self.len()).map(|index| self.f64_at(index)).collect()
    }

    /// All elements as i64 (see [`Tensor::i64_at`]).
    pub fn to_i64(&self) -> Vec<i64> {
        (0..self.len()).map(|index| self.i64_at(index)).collect()
    }

    /// The value that every element has, bit for bit, as a scalar tensor; `None` if empty or not uniform.
    pub fn splat(&self) -> Option<Tensor> {
        let size = self.dtype.size();
        let first = self.data.get(..size)?;
        let uniform = self.data.chunks_exact(size).all(|element| element == first);
        uniform.then(|| Tensor { dtype: self.dtype, shape: Vec::new(), data: self.data.slice(..size) })
    }
}

fn array<const N: usize>(raw: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(raw);
    bytes
}

/// Appends one element: floats rounded to nearest even, integers truncated and saturated, bool "not equal to 0".
pub(crate) fn push_f64(data: &mut Vec<u8>, dtype: DType, value: f64) {
    match dtype {
        DType::F32 => data.extend((value as f32).to_le_bytes()),
        DType::F64 => data.extend(value.to_le_bytes()),
        DType::F16 => data.extend(f16::from_f32(round_to_odd(value)).to_le_bytes()),
        DType::BF16 => data.extend(bf16::from_f32(round_to_odd(value)).to_le_bytes()),
        DType::Bool => data.push(u8::from(value != 0.0)),
        DType::I8 => data.extend((value as i8).to_le_bytes()),
        DType::U8 => data.push(value as u8),
        DType::I16 => data.extend((value as i16).to_le_bytes()),
        DType::U16 => data.extend((value as u16).to_le_bytes()),
        DType::I32 => data.extend((value as i32).to_le_bytes()),
        DType::U32 => data.extend((value as u32).to_le_bytes()),
        DType::I64 => data.extend((value as i64).to_le_bytes()),
        DType::U64 => data.extend((value as u64).to_le_bytes()),
        _ => data.push(narrow::encode(dtype, value, Conversion::default())),
    }
}

/// Appends one element: integers wrapped to the width, floats rounded, bool "not equal to 0".
pub(crate) fn push_i64(data: &mut Vec<u8>, dtype: DType, value: i64) {
    match dtype {
        DType::I8 | DType::U8 => data.push(value as u8),
        DType::I16 | DType::U16 => data.extend((value as u16).to_le_bytes()),
        DType::I32 | DType::U32 => data.extend((value as u32).to_le_bytes()),
        DType::I64 | DType::U64 => data.extend(value.to_le_bytes()),
        DType::Bool => data.push(u8::from(value != 0)),
        DType::F32 => data.extend((value as f32).to_le_bytes()),
        DType::F64 => data.extend((value as f64).to_le_bytes()),
        DType::I4 | DType::U4 | DType::I2 | DType::U2 => data.push(narrow::low_bits(dtype, value as u8)),
        _ => push_f64(data, dtype, int_to_odd(value.into())),
    }
}

/// The f32 with which a second rounding to a narrower float gives what one rounding of `value` would: where `value`
/// lies between two f32, the one whose last bit is 1. (`half` rounds f64 twice, or not, as the CPU has it.)
fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    if back == value || value.is_nan() {
        return nearest;
    }
    let toward_zero = nearest.to_bits() - u32::from(back.abs() > value.abs());
    f32::from_bits(toward_zero | 1)
}

/// As [`round_to_odd`], from an integer to f64.
pub(crate) fn int_to_odd(value: i128) -> f64 {
    let nearest = value as f64;
    let back = nearest as i128;
    if back == value {
        return nearest;
    }
    let toward_zero = nearest.to_bits() - u64::from(back.unsigned_abs() > value.unsigned_abs());
    f64::from_bits(toward_zero | 1)
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.ty())?;
        let shown = self.len().min(16);
        f.debug_list().entries((0..shown).map(|index| self.f64_at(index))).finish()?;
        if shown < self.len() { f.write_str("..") } else { Ok(()) }
    }
}
