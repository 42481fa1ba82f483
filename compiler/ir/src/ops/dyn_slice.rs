//! `dyn_slice(x, starts) {sizes}`: a block of known size from a place known at run time. ONNX: Slice with run-time starts.

use super::{check, index};
use crate::attr::AttrKind;
use crate::dim::Dim;
use crate::dtype::DType;
use crate::op::{OpDef, OpError, PLAIN, attr, one, operand};
use crate::types::TensorType;

pub(super) const DYN_SLICE: OpDef = OpDef {
    name: "dyn_slice",
    operands: &[operand("x"), operand("starts")],
    attrs: &[attr("sizes", AttrKind::Dims)],
    traits: PLAIN,
    infer: |cx| {
        let (x, sizes) = (cx.operand(0), cx.dims("sizes"));
        check::sizes(cx, "sizes", x.rank())?;
        check::type_is(cx, 1, &TensorType::new(DType::I64, [Dim::from(x.rank() as i64)]))?;
        if let Some(axis) = (0..x.rank()).find(|&axis| check::known_gt(cx, &sizes[axis], &x.shape[axis])) {
            return Err(OpError::invalid(format!("{} elements are more than axis {axis} of x has, {x}", sizes[axis])));
        }
        Ok(one(x.with_shape(sizes.iter().cloned())))
    },
    eval: |cx| {
        let (x, starts, shape) = (cx.operand(0), cx.operand(1), cx.result_shape(0)?);
        let strides = index::strides(x.shape());
        let start_of = |axis: usize| starts.i64_at(axis).clamp(0, (x.shape()[axis] - shape[axis]) as i64) as usize;
        let starts: Vec<usize> = (0..shape.len()).map(start_of).collect();
        let base = if shape.contains(&0) { 0 } else { index::offset(&starts, &strides) };
        index::pick(x, &shape, |at| base + index::offset(at, &strides))
    },
    doc: "The block of that size from run-time starts, each clamped to 0..=(dimension - size). ONNX: Slice with starts \
          that depend on data.",
};
