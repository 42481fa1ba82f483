//! `transpose(x) {perm}`: result axis i is operand axis perm[i]. ONNX: Transpose.

use super::index;
use crate::attr::AttrKind;
use crate::op::{MOVEMENT, OpDef, OpError, attr, one, operand};

pub(super) const TRANSPOSE: OpDef = OpDef {
    name: "transpose",
    operands: &[operand("x")],
    attrs: &[attr("perm", AttrKind::Ints)],
    traits: MOVEMENT,
    infer: |cx| {
        let x = cx.operand(0);
        let perm = cx.ints("perm");
        let mut sorted = perm.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank() as i64) {
            return Err(OpError::invalid(format!("perm {perm:?} is no permutation of the axes of x, {x}")));
        }
        Ok(one(x.with_shape(perm.iter().map(|&axis| x.shape[axis as usize].clone()))))
    },
    eval: |cx| {
        let x = cx.operand(0);
        let own = index::strides(x.shape());
        let axes: Vec<usize> = cx.ints("perm").iter().map(|&axis| axis as usize).collect();
        let shape: Vec<usize> = axes.iter().map(|&axis| x.shape()[axis]).collect();
        let strides: Vec<usize> = axes.iter().map(|&axis| own[axis]).collect();
        index::pick(x, &shape, |at| index::offset(at, &strides))
    },
    doc: "Result axis i is operand axis perm[i]. ONNX: Transpose.",
};
