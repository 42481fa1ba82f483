//! `matmul(a, b, bias?, residual?) {act, p0, p1}`: batched matrix product with an epilogue.
//!
//! ONNX: MatMul, Gemm, FusedMatMul. `a` is [.., M, K], `b` [.., K, N], leading axes broadcast; `bias` is [N];
//! `residual` has the result's shape. Result = act(a * b + bias + residual).

use super::index;
use crate::activation::{ACTIVATIONS, Activation};
use crate::attr::{Attr, AttrKind};
use crate::op::{OpDef, OpError, PLAIN, attr_or, one, operand, optional};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const MATMUL: OpDef = OpDef {
    name: "matmul",
    operands: &[operand("a"), operand("b"), optional("bias"), optional("residual")],
    attrs: &[
        attr_or("act", AttrKind::Str(ACTIVATIONS), || Attr::str("none")),
        attr_or("p0", AttrKind::Float, || Attr::float(0.0)),
        attr_or("p1", AttrKind::Float, || Attr::float(0.0)),
    ],
    traits: PLAIN,
    infer: |cx| {
        let dtype = cx.same_dtype(0, 1)?;
        let (a, b) = (cx.operand(0), cx.operand(1));
        if a.rank() < 2 || b.rank() < 2 {
            return Err(OpError::invalid("both operands need at least two axes"));
        }
        let (a_batch, a_matrix) = a.shape.split_at(a.rank() - 2);
        let (b_batch, b_matrix) = b.shape.split_at(b.rank() - 2);
        cx.same_dim(&a_matrix[1], &b_matrix[0], "inner dimensions")?;
        let mut shape = cx.broadcast(a_batch, b_batch)?;
        shape.extend([a_matrix[0].clone(), b_matrix[1].clone()]);
        if let Some(bias) = cx.optional(2) {
            if bias.rank() != 1 || bias.dtype != dtype {
                return Err(OpError::invalid(format!("bias is {bias}, it must be {dtype}[{}]", b_matrix[1])));
            }
            cx.same_dim(&bias.shape[0], &b_matrix[1], "bias and columns")?;
        }
        if let Some(residual) = cx.optional(3) {
            if residual.rank() != shape.len() || residual.dtype != dtype {
                return Err(OpError::invalid(format!("residual is {residual}, it must be like the result")));
            }
            for (have, want) in residual.shape.iter().zip(&shape) {
                cx.same_dim(have, want, "residual and result")?;
            }
        }
        Ok(one(TensorType { dtype, shape }))
    },
    eval: |cx| {
        let (a, b) = (cx.operand(0), cx.operand(1));
        let shape = cx.result_shape(0)?;
        let rank = shape.len();
        let (m, n, k) = (shape[rank - 2], shape[rank - 1], a.shape()[a.shape().len() - 1]);
        let batch = &shape[..rank - 2];
        let a_batches = index::broadcast_positions(&a.shape()[..a.shape().len() - 2], batch);
        let b_batches = index::broadcast_positions(&b.shape()[..b.shape().len() - 2], batch);
        let (av, bv) = (a.to_f64(), b.to_f64());
        let activation = Activation::of(cx.word("act"), cx.float("p0"), cx.float("p1"));
        let is_int = cx.result_dtype(0).is_int();
        let mut values = Vec::with_capacity(shape.iter().product());
        for (a_at, b_at) in a_batches.into_iter().zip(b_batches) {
            for row in 0..m {
                for column in 0..n {
                    let mut sum = 0.0;
                    for inner in 0..k {
                        sum += av[a_at * m * k + row * k + inner] * bv[b_at * k * n + inner * n + column];
                    }
                    if let Some(bias) = cx.optional(2) {
                        sum += bias.f64_at(column);
                    }
                    if let Some(residual) = cx.optional(3) {
                        sum += residual.f64_at(values.len());
                    }
                    values.push(activation.apply(sum));
                }
            }
        }
        if is_int {
            let ints: Vec<i64> = values.iter().map(|&value| value as i64).collect();
            return Ok(vec![Tensor::from_i64(cx.result_dtype(0), &shape, &ints)]);
        }
        Ok(vec![Tensor::from_f64(cx.result_dtype(0), &shape, &values)])
    },
    doc: "act(a * b + bias + residual) over the last two axes, leading axes broadcast. ONNX: MatMul, Gemm, FusedMatMul.",
};
