//! `matmul(a, b, bias?, residual?) {act, p0, p1}`: batched matrix product with an epilogue.
//!
//! ONNX: MatMul, Gemm, FusedMatMul. `a` is [.., M, K], `b` [.., K, N], leading axes broadcast; `bias` is [N];
//! `residual` has the result's shape. Result = act(a * b + bias + residual).

use super::number::sum;
use super::{check, index};
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
        let dtype = check::number(cx, 0)?;
        cx.same_dtype(0, 1)?;
        if dtype.is_int() && cx.word("act") != "none" {
            return Err(OpError::invalid(format!("act {} needs floats, a is {}", cx.word("act"), cx.operand(0))));
        }
        let (a, b) = (cx.operand(0), cx.operand(1));
        if a.rank() < 2 || b.rank() < 2 {
            return Err(OpError::invalid(format!("a is {a} and b is {b}, both need at least two axes")));
        }
        let (a_batch, a_matrix) = a.shape.split_at(a.rank() - 2);
        let (b_batch, b_matrix) = b.shape.split_at(b.rank() - 2);
        cx.same_dim(&a_matrix[1], &b_matrix[0], "inner dimensions")?;
        let mut shape = cx.broadcast(a_batch, b_batch)?;
        shape.extend([a_matrix[0].clone(), b_matrix[1].clone()]);
        check::type_is(cx, 2, &TensorType::new(dtype, [b_matrix[1].clone()]))?;
        let result = TensorType { dtype, shape };
        check::type_is(cx, 3, &result)?;
        Ok(one(result))
    },
    eval: |cx| {
        let (a, b) = (cx.operand(0), cx.operand(1));
        let shape = cx.result_shape(0)?;
        let rank = shape.len();
        let (m, n, k) = (shape[rank - 2], shape[rank - 1], a.shape()[a.shape().len() - 1]);
        let batch = &shape[..rank - 2];
        let mut starts = Vec::new();
        if !shape.contains(&0) {
            let batches = |x: &Tensor| index::broadcast_positions(&x.shape()[..x.shape().len() - 2], batch);
            starts = batches(a).into_iter().zip(batches(b)).map(|(a, b)| (a * m * k, b * k * n)).collect();
        }
        let dots = dots(&starts, [m, n, k]).enumerate();
        if a.dtype().is_int() {
            let (av, bv) = (a.to_i64(), b.to_i64());
            let values = dots.map(|(at, (a_at, b_at, column))| {
                let product = |i: usize| av[a_at + i].wrapping_mul(bv[b_at + i * n]);
                let dot = (0..k).map(product).fold(0, i64::wrapping_add);
                let bias = cx.optional(2).map_or(0, |bias| bias.i64_at(column));
                let residual = cx.optional(3).map_or(0, |residual| residual.i64_at(at));
                dot.wrapping_add(bias).wrapping_add(residual)
            });
            return Ok(vec![Tensor::from_i64(a.dtype(), &shape, &values.collect::<Vec<_>>())]);
        }
        let (av, bv) = (a.to_f64(), b.to_f64());
        let activation = Activation::of(cx.word("act"), cx.float("p0"), cx.float("p1"));
        let values = dots.map(|(at, (a_at, b_at, column))| {
            let mut total = sum((0..k).map(|i| av[a_at + i] * bv[b_at + i * n]));
            if let Some(bias) = cx.optional(2) {
                total += bias.f64_at(column);
            }
            if let Some(residual) = cx.optional(3) {
                total += residual.f64_at(at);
            }
            activation.apply(total)
        });
        Ok(vec![Tensor::from_f64(a.dtype(), &shape, &values.collect::<Vec<_>>())])
    },
    doc: "act(a * b + bias + residual) over the last two axes, leading axes broadcast; integers wrap. ONNX: MatMul, \
          Gemm, FusedMatMul.",
};

/// For every element of the products of the matrices at `starts`, in row-major order: where its row of a and its column
/// of b start, and the column's number.
fn dots(starts: &[(usize, usize)], [m, n, k]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    starts.iter().flat_map(move |&(a_at, b_at)| {
        (0..m).flat_map(move |row| (0..n).map(move |column| (a_at + row * k, b_at + column, column)))
    })
}
