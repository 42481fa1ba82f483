//! `topk(x) {axis, k, largest}`: the k largest (or smallest) elements and their positions. ONNX: TopK.

use super::{arg, check, index};
use crate::attr::{Attr, AttrKind};
use crate::dtype::DType;
use crate::op::{OpDef, OpError, PLAIN, Types, attr, attr_or, operand};
use crate::tensor::Tensor;

pub(super) const TOPK: OpDef = OpDef {
    name: "topk",
    operands: &[operand("x")],
    attrs: &[
        attr("axis", AttrKind::Int),
        attr("k", AttrKind::Dims),
        attr_or("largest", AttrKind::Bool, || Attr::Bool(true)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let x = cx.operand(0);
        check::number(cx, 0)?;
        let axis = check::axis(cx)?;
        check::sizes(cx, "k", 1)?;
        let k = &cx.dims("k")[0];
        if check::known_gt(cx, k, &x.shape[axis]) {
            return Err(OpError::invalid(format!("k is {k}, more than axis {axis} of x has, {x}")));
        }
        let mut shape = x.shape.clone();
        shape[axis] = k.clone();
        let values = x.with_shape(shape);
        Ok(Types::from_iter([values.clone(), values.with_dtype(DType::I64)]))
    },
    eval: |cx| {
        let (x, axis, largest) = (cx.operand(0), cx.int("axis") as usize, cx.flag("largest"));
        let (shape, size) = (cx.result_shape(0)?, x.dtype().size());
        let (rows, result_rows) = (index::rows(x.shape(), axis), index::rows(&shape, axis));
        let count: usize = shape.iter().product();
        let (mut values, mut positions) = (vec![0; count * size], vec![0; count]);
        for (start, to) in rows.starts.iter().zip(result_rows.starts) {
            let at = |i: usize| start + i * rows.step;
            let mut order: Vec<usize> = (0..rows.len).collect();
            order.sort_by(|&i, &j| if largest { arg::compare(x, at(j), at(i)) } else { arg::compare(x, at(i), at(j)) });
            for (rank, &i) in order.iter().take(result_rows.len).enumerate() {
                let to = to + rank * result_rows.step;
                values[to * size..(to + 1) * size].copy_from_slice(&x.bytes()[at(i) * size..(at(i) + 1) * size]);
                positions[to] = i as i64;
            }
        }
        let mut results = index::from_bytes(x, &shape, values)?;
        results.push(Tensor::from_i64(DType::I64, &shape, &positions));
        Ok(results)
    },
    doc: "The k largest (or smallest) elements along an axis in order, and their i64 positions; of equal ones the lower \
          position first; NaN counts as larger than everything. ONNX: TopK.",
};
