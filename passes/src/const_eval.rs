//! Evaluation of ops on constants at compile time.
//!
//! The reference evaluator gives every op its meaning and is far too slow for weights of 100 MB. The paths here do the
//! frequent cases at memory speed and give the same bits: movement by bytes, and f32 arithmetic whose operations are
//! correctly rounded (so computing in f64 and rounding once, as the evaluator does, gives the same).

use lathe_ir::{Attr, Bindings, DType, Env, OpCode, OpError, Tensor, TensorType, eval_op};
use std::sync::OnceLock;

/// Largest number of multiplications and additions that the reference evaluator is asked to do for one op.
const REFERENCE_WORK: f64 = 2e8;

/// An op to evaluate: operand values, attributes, and the result type, which is fixed.
pub struct ConstOp<'a> {
    /// Symbols and weights.
    pub env: &'a Env,
    /// Which op.
    pub code: OpCode,
    /// Operand values.
    pub operands: &'a [Option<Tensor>],
    /// Attributes in the order of the definition.
    pub attrs: &'a [Attr],
    /// Types of the results.
    pub results: &'a [TensorType],
    /// Multiplications and additions that the op takes, roughly.
    pub work: f64,
}

/// Evaluates ops on constants.
pub trait ConstEvaluator {
    /// The results, or `None` if it would take too long.
    ///
    /// # Errors
    /// The op is not defined on these values, for example a division of integers by 0.
    fn eval(&self, op: &ConstOp<'_>) -> Result<Option<Vec<Tensor>>, OpError>;
}

/// The fast paths of this file, and the reference evaluator for everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostEvaluator;

impl ConstEvaluator for HostEvaluator {
    fn eval(&self, op: &ConstOp<'_>) -> Result<Option<Vec<Tensor>>, OpError> {
        if let Some(result) = fast(op) {
            return Ok(Some(vec![result]));
        }
        if op.work > REFERENCE_WORK {
            return Ok(None);
        }
        eval_op(op.env, &Bindings::new(), op.code, op.operands, op.attrs, &[]).map(Some)
    }
}

fn fast(op: &ConstOp<'_>) -> Option<Tensor> {
    let ty = op.results.first()?;
    let shape = ty.sizes()?;
    let operand = |index: usize| op.operands.get(index).and_then(Option::as_ref);
    let x = operand(0)?;
    match (op.code.name(), op.attrs) {
        ("reshape", _) => x.reshaped(&shape),
        ("transpose", [Attr::Ints(perm)]) => {
            let own = strides(x.shape());
            let read: Vec<isize> = perm.iter().map(|&axis| own[axis as usize]).collect();
            strided_copy(x, 0, &read, &shape)
        }
        ("broadcast", _) => strided_copy(x, 0, &broadcast_strides(x.shape(), &shape), &shape),
        ("slice", [Attr::Dims(starts), _, Attr::Ints(steps)]) => {
            let own = strides(x.shape());
            let mut offset = 0;
            for (start, stride) in starts.iter().zip(&own) {
                offset += isize::try_from(start.as_const()?).ok()? * stride;
            }
            let read: Vec<isize> = steps.iter().zip(&own).map(|(&step, stride)| step as isize * stride).collect();
            strided_copy(x, offset, &read, &shape)
        }
        ("concat", [Attr::Int(axis)]) => concat(op.operands, *axis as usize, &shape),
        ("cast", [Attr::DType(DType::F32), ..]) => cast_f32(x),
        (name, _) if x.dtype() == DType::F32 => match operand(1) {
            Some(y) if y.dtype() == DType::F32 && op.operands.len() == 2 => binary_f32(name, x, y, &shape),
            None => unary_f32(name, x),
            _ => None,
        },
        _ => None,
    }
}

/// Row-major strides in elements.
fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

fn broadcast_strides(shape: &[usize], to: &[usize]) -> Vec<isize> {
    let own = strides(shape);
    let missing = to.len() - shape.len();
    let stride = |axis: usize| if shape[axis] == 1 { 0 } else { own[axis] };
    (0..to.len()).map(|axis| axis.checked_sub(missing).map_or(0, stride)).collect()
}

/// The tensor whose element at index i is element `offset + sum i * stride` of `x`.
fn strided_copy(x: &Tensor, offset: isize, read: &[isize], shape: &[usize]) -> Option<Tensor> {
    let size = x.dtype().size();
    let count: usize = shape.iter().product();
    let mut out = vec![0u8; count.checked_mul(size)?];
    if count > 0 {
        match size {
            1 => walk::<1>(x.bytes(), offset, read, shape, &mut out),
            2 => walk::<2>(x.bytes(), offset, read, shape, &mut out),
            4 => walk::<4>(x.bytes(), offset, read, shape, &mut out),
            _ => walk::<8>(x.bytes(), offset, read, shape, &mut out),
        }
    }
    Tensor::from_bytes(x.dtype(), shape, out.into())
}

/// Writes the rows of the result in order. Rows of a transpose read with a long stride, so rows are done in bands: as
/// many neighbouring rows as share a cache line of the source.
fn walk<const SIZE: usize>(bytes: &[u8], offset: isize, read: &[isize], shape: &[usize], out: &mut [u8]) {
    let source: &[[u8; SIZE]] = bytes.as_chunks::<SIZE>().0;
    let target: &mut [[u8; SIZE]] = out.as_chunks_mut::<SIZE>().0;
    let Some((&columns, outer)) = shape.split_last() else {
        target[0] = source[offset as usize];
        return;
    };
    let step = read[outer.len()];
    let (rows, row_step, outer) = match outer.split_last() {
        Some((&rows, outer)) => (rows, read[outer.len()], outer),
        None => (1, 0, outer),
    };
    let mut index = vec![0usize; outer.len()];
    let mut at = offset;
    for plane in target.chunks_exact_mut(rows * columns) {
        if step == 1 {
            for (row, line) in plane.chunks_exact_mut(columns).enumerate() {
                let start = (at + row as isize * row_step) as usize;
                line.copy_from_slice(&source[start..start + columns]);
            }
        } else {
            for (band, lines) in plane.chunks_mut(16 * columns).enumerate() {
                let height = lines.len() / columns;
                let start = at + (band * 16) as isize * row_step;
                for column in 0..columns {
                    for row in 0..height {
                        let from = start + row as isize * row_step + column as isize * step;
                        lines[row * columns + column] = source[from as usize];
                    }
                }
            }
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            at += read[axis];
            if index[axis] < outer[axis] {
                break;
            }
            at -= read[axis] * outer[axis] as isize;
            index[axis] = 0;
        }
    }
}

fn concat(operands: &[Option<Tensor>], axis: usize, shape: &[usize]) -> Option<Tensor> {
    let parts: Vec<&Tensor> = operands.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let dtype = parts.first()?.dtype();
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product::<usize>() * dtype.size();
    let mut out = Vec::with_capacity(outer * shape[axis] * inner);
    for row in 0..outer {
        for part in &parts {
            let width = part.shape()[axis] * inner;
            out.extend_from_slice(&part.bytes()[row * width..(row + 1) * width]);
        }
    }
    Tensor::from_bytes(dtype, shape, out.into())
}

fn floats(x: &Tensor) -> impl Iterator<Item = f32> + '_ {
    x.bytes().as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw))
}

fn collect(shape: &[usize], values: impl Iterator<Item = f32>) -> Option<Tensor> {
    let mut out = Vec::with_capacity(shape.iter().product::<usize>() * 4);
    values.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    Tensor::from_bytes(DType::F32, shape, out.into())
}

fn unary_f32(name: &str, x: &Tensor) -> Option<Tensor> {
    let f: fn(f32) -> f32 = match name {
        "neg" => |x| -x,
        "abs" => f32::abs,
        "sqrt" => f32::sqrt,
        "recip" => |x| 1.0 / x,
        _ => return None,
    };
    collect(x.shape(), floats(x).map(f))
}

fn binary_f32(name: &str, x: &Tensor, y: &Tensor, shape: &[usize]) -> Option<Tensor> {
    let f: fn(f32, f32) -> f32 = match name {
        "add" => |a, b| a + b,
        "sub" => |a, b| a - b,
        "mul" => |a, b| a * b,
        "div" => |a, b| a / b,
        _ => return None,
    };
    // Whatever is broadcast is laid out in full first: a scalar or a vector against a matrix costs one more pass.
    let full = |t: &Tensor| {
        if t.shape() == shape {
            Some(t.clone())
        } else {
            strided_copy(t, 0, &broadcast_strides(t.shape(), shape), shape)
        }
    };
    let (x, y) = (full(x)?, full(y)?);
    collect(shape, floats(&x).zip(floats(&y)).map(|(a, b)| f(a, b)))
}

fn cast_f32(x: &Tensor) -> Option<Tensor> {
    match x.dtype() {
        DType::F32 => Some(x.clone()),
        DType::F64 => {
            let values = x.bytes().as_chunks::<8>().0.iter().map(|raw| f64::from_le_bytes(*raw) as f32);
            collect(x.shape(), values)
        }
        DType::F16 => {
            let table = f16_table();
            let values = x.bytes().as_chunks::<2>().0.iter().map(|raw| table[usize::from(u16::from_le_bytes(*raw))]);
            collect(x.shape(), values)
        }
        dtype if dtype.size() == 1 && dtype != DType::Bool => {
            let all = Tensor::from_bytes(dtype, &[256], (0..=u8::MAX).collect())?;
            let table: Vec<f32> = all.to_f64().into_iter().map(|value| value as f32).collect();
            collect(x.shape(), x.bytes().iter().map(|&element| table[usize::from(element)]))
        }
        DType::BF16 => {
            let widen = |raw: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*raw)) << 16);
            collect(x.shape(), x.bytes().as_chunks::<2>().0.iter().map(widen))
        }
        _ => None,
    }
}

/// Every f16 as f32, by its bits.
fn f16_table() -> &'static [f32] {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let all = Tensor::from_bytes(DType::F16, &[1 << 16], bytes.into());
        all.map_or_else(Vec::new, |all| (0..all.len()).map(|index| all.f64_at(index) as f32).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(shape: &[usize], seed: u64) -> Tensor {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / 65536.0 - 100.0
            })
            .collect();
        Tensor::from_f32(shape, &values)
    }

    fn agree(name: &str, operands: &[Tensor], attrs: Vec<Attr>) {
        let code = OpCode::from_name(name).expect("an op");
        let env = Env::default();
        let operands: Vec<Option<Tensor>> = operands.iter().cloned().map(Some).collect();
        let want = eval_op(&env, &Bindings::new(), code, &operands, &attrs, &[]).expect("evaluates");
        let results: Vec<TensorType> = want.iter().map(Tensor::ty).collect();
        let op = ConstOp { env: &env, code, operands: &operands, attrs: &attrs, results: &results, work: 0.0 };
        let have = fast(&op).unwrap_or_else(|| panic!("{name} has no fast path"));
        assert_eq!(have, want[0], "{name}");
    }

    #[test]
    fn fast_paths_give_the_bits_of_the_evaluator() {
        let x = draw(&[3, 1, 5, 19], 1);
        for perm in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 3, 1], [1, 3, 0, 2]] {
            agree("transpose", std::slice::from_ref(&x), vec![Attr::ints(&perm)]);
        }
        agree("transpose", &[draw(&[40, 37], 2)], vec![Attr::ints(&[1, 0])]);
        agree("reshape", std::slice::from_ref(&x), vec![Attr::dims([15, 19].map(Into::into))]);
        for name in ["add", "sub", "mul", "div"] {
            agree(name, &[x.clone(), draw(&[3, 4, 5, 1], 3)], vec![]);
            agree(name, &[x.clone(), draw(&[], 4)], vec![]);
        }
        agree("neg", std::slice::from_ref(&x), vec![]);
        for from in DType::all().filter(|from| from.size() == 1 && *from != DType::Bool) {
            let values = Tensor::from_bytes(from, &[256], (0..=u8::MAX).collect()).expect("256 elements");
            agree("cast", &[values], vec![Attr::DType(DType::F32), Attr::Bool(true), Attr::str("up")]);
        }
        for from in [DType::F64, DType::F16, DType::BF16] {
            let values = Tensor::from_f64(from, &[3, 7], &draw(&[21], 5).to_f64());
            agree("cast", &[values], vec![Attr::DType(DType::F32), Attr::Bool(true), Attr::str("up")]);
        }
    }
}
