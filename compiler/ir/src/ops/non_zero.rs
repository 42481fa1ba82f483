//! `non_zero(x)`: where a tensor is not zero. ONNX: NonZero, Compress.

use super::{check, index};
use crate::dtype::DType;
use crate::op::{OpDef, PLAIN, Types, operand};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const NON_ZERO: OpDef = OpDef {
    name: "non_zero",
    operands: &[operand("x")],
    attrs: &[],
    traits: PLAIN,
    infer: |cx| {
        check::rank_at_least(cx, 0, 1)?;
        check::computed(cx, 0)?;
        let x = cx.operand(0);
        let places = TensorType::new(DType::I64, [(x.rank() as i64).into(), x.elements()]);
        Ok(Types::from_iter([places, TensorType::new(DType::I64, [])]))
    },
    eval: |cx| {
        let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
        let count = shape[1];
        let mut places = vec![0i64; shape[0] * count];
        let (mut at, mut found) = (0, 0);
        let is_float = x.dtype().is_float();
        index::for_each(x.shape(), |position| {
            if if is_float { x.f64_at(at) != 0.0 } else { x.i64_at(at) != 0 } {
                for (axis, &i) in position.iter().enumerate() {
                    places[axis * count + found] = i as i64;
                }
                found += 1;
            }
            at += 1;
        });
        Ok(vec![Tensor::from_i64(DType::I64, &shape, &places), Tensor::from_i64(DType::I64, &[], &[found as i64])])
    },
    doc: "Indices of the elements that are not 0 (NaN is not), in row-major order, one row for each axis, zeros behind \
          the last; and how many there are. ONNX: NonZero, Compress.",
};
