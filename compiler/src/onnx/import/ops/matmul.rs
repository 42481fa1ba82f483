//! Matrix products: MatMul, Gemm, FusedMatMul.

use lathe_ir::{Dim, OpCode};

use crate::onnx::import::node::{NodeCx, one};
use crate::onnx::import::values::{R, Val, invalid};

/// MatMul as numpy does it: a list counts as a row on the left and as a column on the right.
pub(super) fn matmul(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (a, b) = (cx.input(0)?, cx.input(1)?);
    one(product(cx, a, b)?)
}

/// The matrix product of numpy.
pub(super) fn product(cx: &mut NodeCx<'_, '_>, a: Val, b: Val) -> R<Val> {
    let (a_shape, b_shape) = (cx.shape(a)?, cx.shape(b)?);
    let left = match a_shape.as_slice() {
        [] => return invalid("the first operand is a scalar"),
        [inner] => cx.reshape(a, [Dim::ONE, inner.clone()])?,
        _ => a,
    };
    let right = match b_shape.as_slice() {
        [] => return invalid("the second operand is a scalar"),
        [inner] => cx.reshape(b, [inner.clone(), Dim::ONE])?,
        _ => b,
    };
    let result = cx.op(OpCode::MatMul, &[left, right], &[])?;
    let mut shape = cx.shape(result)?;
    let rank = shape.len();
    if b_shape.len() == 1 {
        shape.remove(rank - 1);
    }
    if a_shape.len() == 1 {
        shape.remove(rank - 2);
    }
    cx.reshape(result, shape)
}

/// Exchanges the last two axes.
pub(super) fn transposed(cx: &mut NodeCx<'_, '_>, x: Val) -> R<Val> {
    let rank = cx.rank(x)?;
    if rank < 2 {
        return Ok(x);
    }
    let perm: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    cx.transpose(x, &perm)
}

/// `x * factor`; `x` itself for 1.
pub(super) fn scaled(cx: &mut NodeCx<'_, '_>, x: Val, factor: f64) -> R<Val> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = cx.scalar(cx.dtype(x)?, factor);
    cx.op(OpCode::Mul, &[x, factor], &[])
}

/// Gemm: alpha * A * B + beta * C. A row of C is the bias.
pub(super) fn gemm(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (mut a, mut b) = (cx.input(0)?, cx.input(1)?);
    if cx.rank(a)? != 2 || cx.rank(b)? != 2 {
        return invalid("A and B must be matrices");
    }
    let (alpha, beta) = (cx.float_or("alpha", 1.0)?, cx.float_or("beta", 1.0)?);
    if cx.flag_or("transA", false)? {
        a = transposed(cx, a)?;
    }
    if cx.flag_or("transB", false)? {
        b = transposed(cx, b)?;
    }
    let bias = match cx.opt(2) {
        Some(c) if beta != 0.0 => Some(scaled(cx, c, beta)?),
        _ => None,
    };
    let columns = cx.shape(b)?[1].clone();
    // One number for each column goes into the product itself.
    let row = match bias {
        Some(bias) => {
            let shape = cx.shape(bias)?;
            let leading_ones = shape.iter().rev().skip(1).all(|dim| dim.is(1));
            (leading_ones && shape.last() == Some(&columns)).then_some(bias)
        }
        None => None,
    };
    if let (Some(row), true) = (row, alpha == 1.0) {
        let row = cx.reshape(row, [columns])?;
        return one(cx.op(OpCode::MatMul, &[a, b, row], &[])?);
    }
    let product = cx.op(OpCode::MatMul, &[a, b], &[])?;
    let product = scaled(cx, product, alpha)?;
    one(match bias {
        Some(bias) => {
            let shape = cx.shape(product)?;
            let bias = cx.spread_to(bias, &shape)?;
            cx.op(OpCode::Add, &[product, bias], &[])?
        }
        None => product,
    })
}

/// com.microsoft FusedMatMul: a product of operands of which some are transposed, times alpha.
pub(super) fn fused_matmul(cx: &mut NodeCx<'_, '_>) -> R<Vec<Val>> {
    let (mut a, mut b) = (cx.input(0)?, cx.input(1)?);
    for (flag, batch, operand) in [("transA", "transBatchA", &mut a), ("transB", "transBatchB", &mut b)] {
        if cx.flag_or(batch, false)? {
            let rank = cx.rank(*operand)?;
            if rank < 2 {
                return invalid(format!("{batch} on an operand of {rank} axes"));
            }
            // The first axis moves behind the other leading ones.
            let perm: Vec<usize> = (1..rank - 1).chain([0, rank - 1]).collect();
            *operand = cx.transpose(*operand, &perm)?;
        }
        if cx.flag_or(flag, false)? {
            *operand = transposed(cx, *operand)?;
        }
    }
    let alpha = cx.float_or("alpha", 1.0)?;
    let result = product(cx, a, b)?;
    one(scaled(cx, result, alpha)?)
}
