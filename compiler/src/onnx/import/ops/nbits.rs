//! Weights of a few bits in blocks, each with a scale: com.microsoft MatMulNBits and GatherBlockQuantized.

use lathe_ir::{DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid, unsupported};

use super::matmul::{product, transposed};
use super::quantize::{centred, dequantized};

/// Bits of an element and elements of a block.
#[derive(Clone, Copy)]
struct Blocks {
    bits: usize,
    size: usize,
}

impl Blocks {
    fn of(cx: &NodeCx<'_, '_>, default_size: i64) -> R<Blocks> {
        let (bits, size) = (cx.int_or("bits", 4)?, cx.int_or("block_size", default_size)?);
        if !matches!(bits, 2 | 4 | 8) {
            return unsupported(format!("bits = {bits}; 2, 4 and 8 work"));
        }
        // Whole bytes, as every writer has it.
        if !(16..=1 << 20).contains(&size) || size % 16 != 0 {
            return invalid(format!("block_size = {size}, a multiple of 16 is needed"));
        }
        Ok(Blocks { bits: bits as usize, size: size as usize })
    }

    /// Rows of `length` elements each out of packed ones, the first in the low bits; every row begins in a byte of its own.
    /// `None` if there are not as many bytes.
    fn unpack(self, packed: &[u8], rows: usize, length: usize) -> Option<Vec<u8>> {
        let row_bytes = length.checked_mul(self.bits)?.div_ceil(8);
        if row_bytes.checked_mul(rows)? != packed.len() {
            return None;
        }
        let mask = ((1u16 << self.bits) - 1) as u8;
        let mut elements = Vec::with_capacity(rows * length);
        for row in packed.chunks_exact(row_bytes.max(1)).take(rows) {
            elements.extend((0..length).map(|at| row[at * self.bits / 8] >> (at * self.bits % 8) & mask));
        }
        Some(elements)
    }
}

fn size(cx: &NodeCx<'_, '_>, name: &str) -> R<usize> {
    match cx.int(name)? {
        size @ 1..=0x7fff_ffff => Ok(size as usize),
        other => invalid(format!("{name} = {other}")),
    }
}

/// The bytes of a constant operand.
fn bytes_of(cx: &NodeCx<'_, '_>, val: Val, name: &str) -> R<Tensor> {
    match cx.tensor(val)? {
        Some(tensor) if tensor.dtype() == DType::U8 => Ok(tensor.clone()),
        Some(tensor) => invalid(format!("{name} is {}, u8 is needed", tensor.ty())),
        None => unsupported(format!("{name} that is not a constant")),
    }
}

fn unpacked(blocks: Blocks, packed: &Tensor, name: &str, shape: &[usize]) -> R<Tensor> {
    let length = shape.last().copied().unwrap_or(1);
    let rows = shape[..shape.len().saturating_sub(1)].iter().product();
    let elements = blocks.unpack(packed.bytes(), rows, length);
    match elements.and_then(|elements| Tensor::from_bytes(DType::U8, shape, elements.into())) {
        Some(tensor) => Ok(tensor),
        None => invalid(format!(
            "{name} is {}, {rows} rows of {length} elements of {} bits are needed",
            packed.ty(),
            blocks.bits
        )),
    }
}

/// MatMulNBits: A times the dequantised B, whose columns are stored as rows. The constant B is dequantised at compile
/// time, so that what is compiled holds f32.
pub(super) fn matmul_nbits(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, packed, scales) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let (inner, columns) = (size(cx, "K")?, size(cx, "N")?);
    let blocks = Blocks::of(cx, 0)?;
    if cx.opt(4).is_some() {
        return unsupported("g_idx: rows that are in no order");
    }
    let count = inner.div_ceil(blocks.size);
    let name = cx.constant_name();
    let packed = bytes_of(cx, packed, "B")?;
    let weights = unpacked(blocks, &packed, "B", &[columns, count * blocks.size])?;
    let weights = cx.constant(&name, weights);
    // One scale and zero point stand before the elements of a block: nothing is repeated.
    let [by_block, by_element] = [1, blocks.size].map(|last| [columns, count, last].map(|size| Dim::from(size as i64)));
    let zero = match cx.opt(3) {
        None => cx.constant("", Tensor::from_i64(DType::U8, &[], &[1 << (blocks.bits - 1)])),
        Some(zero) if cx.dtype(zero)? == DType::U8 => {
            let packed = bytes_of(cx, zero, "zero_points")?;
            let zero = unpacked(blocks, &packed, "zero_points", &[columns, count])?;
            let zero = cx.constant("", zero);
            cx.reshape(zero, by_block.clone())?
        }
        Some(zero) => cx.reshape(zero, by_block.clone())?,
    };
    let weights = cx.reshape(weights, by_element)?;
    let weights = centred(cx, weights, Some(zero))?;
    let scales = cx.cast(scales, DType::F32)?;
    let scales = cx.reshape(scales, by_block)?;
    let weights = cx.op(OpCode::Mul, &[weights, scales], &[])?;
    let weights = cx.reshape(weights, [columns, count * blocks.size].map(|size| Dim::from(size as i64)))?;
    let weights = super::slice::take_axis(cx, weights, 1, &Dim::ZERO, &Dim::from(inner as i64))?;
    let weights = transposed(cx, weights)?;
    let dtype = cx.dtype(a)?;
    let a = cx.cast(a, DType::F32)?;
    let mut result = product(cx, a, weights)?;
    if let Some(bias) = cx.opt(5) {
        let bias = cx.cast(bias, DType::F32)?;
        result = cx.op(OpCode::Add, &[result, bias], &[])?;
    }
    one(cx.cast(result, dtype)?)
}

/// GatherBlockQuantized: rows of a quantised table, dequantised after they were chosen.
pub(super) fn gather_block_quantized(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (mut data, indices, scales) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let mut zero = cx.opt(3);
    let blocks = Blocks::of(cx, 128)?;
    let rank = cx.rank(data)?;
    let gather = cx.axis_or("gather_axis", 0, rank)?;
    let quantised = cx.axis_or("quantize_axis", 1, rank)?;
    if gather == quantised {
        return invalid("gather_axis and quantize_axis are the same");
    }
    if cx.dtype(data)? == DType::U8 {
        if quantised + 1 != rank && blocks.bits < 8 {
            return unsupported("packed bytes with a quantize_axis that is not the last");
        }
        let unpack = |cx: &mut NodeCx<'_, '_>, val: Val, name: &str, last: Option<usize>| -> R<Val> {
            let packed = bytes_of(cx, val, name)?;
            let mut shape = packed.shape().to_vec();
            if let Some(end) = shape.last_mut() {
                *end = last.unwrap_or(*end * (8 / blocks.bits));
            }
            let tensor = unpacked(blocks, &packed, name, &shape)?;
            let own = cx.constant_name();
            Ok(cx.constant(&own, tensor))
        };
        data = unpack(cx, data, "data", None)?;
        let of_scales = cx.sizes(scales)?.and_then(|sizes| sizes.last().copied());
        zero = Some(match zero {
            Some(zero) => unpack(cx, zero, "zero_points", of_scales)?,
            None => cx.constant("", Tensor::from_i64(DType::U8, &[], &[1 << (blocks.bits - 1)])),
        });
    }
    let chosen = |cx: &mut NodeCx<'_, '_>, val: Val| match cx.rank(val)? {
        0 => Ok(val),
        _ => cx.op(OpCode::Gather, &[val, indices], &[("axis", (gather as i64).into())]),
    };
    let to = cx.dtype(scales)?;
    let (data, scales) = (chosen(cx, data)?, chosen(cx, scales)?);
    let zero = zero.map(|zero| chosen(cx, zero)).transpose()?;
    let moved = if gather < quantised { cx.rank(indices)? } else { 1 };
    one(dequantized(cx, data, scales, zero, quantised + moved - 1, blocks.size as i64, to)?)
}
