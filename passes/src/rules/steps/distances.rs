//! Steps that find a product in a sum over an axis.

use super::{dims, reshaped};
use crate::egraph::pattern::var;
use crate::rules::Step;
use lathe_ir::{Attr, Dim, OpCode, Tensor};

/// `s` puts an axis of size 1 before the last of `x`, along which the constant `c` has its rows, and `a` is the last
/// axis: every row of `x` is compared with every row of `c`. Binds `w` to twice the rows of `c` as columns, `n` to their
/// squared lengths beside the product with that, and `l` to the last axis of `x`.
pub(in crate::rules) fn compared_rows(found: (&str, &str, &str), x: &str, s: &str, c: &str, a: &str) -> Step {
    let (w, n, l) = (var(found.0), var(found.1), var(found.2));
    let (x, s, c, a) = (var(x), var(s), var(c), var(a));
    Box::new(move |m| {
        let (id, ty, of, outer, axes) = (m.id(c)?, m.ty(c)?, m.ty(x)?, dims(m, s)?, m.ints(a)?);
        let rank = of.rank();
        let at = rank.checked_sub(1).filter(|&at| at > 0)?;
        let mut opened = of.shape.to_vec();
        opened.insert(at, Dim::ONE);
        if opened != outer || axes != [rank as i64] || ty.rank() < 2 || ty.rank() > outer.len() {
            return None;
        }
        // The rows of c, for each matrix of x where they differ.
        let (lead, rows) = ty.shape.split_at(ty.rank() - 2);
        let (mut lead, own) = match lead.split_last() {
            Some((own, lead)) => (lead.to_vec(), own.clone()),
            None => (Vec::new(), Dim::ONE),
        };
        if !own.is(1) || rows[1] != of.shape[at] || ty.sizes().is_none() {
            return None;
        }
        if lead.iter().all(|dim| dim.is(1)) {
            lead.clear();
        }
        let shape = [&lead[..], rows].concat();
        let rows_of_c = reshaped(m, id, &ty, &shape)?;
        let mut perm: Vec<i64> = (0..shape.len() as i64).collect();
        perm.swap(shape.len() - 1, shape.len() - 2);
        let columns = m.op(OpCode::Transpose, &[("perm", Attr::ints(&perm))], &[rows_of_c])?;
        let two = m.constant(Tensor::scalar(ty.dtype, 2.0));
        let twice = m.op(OpCode::Mul, &[], &[columns, two])?;
        let squares = m.op(OpCode::Square, &[], &[rows_of_c])?;
        let last = Attr::ints(&[shape.len() as i64 - 1]);
        let lengths = m.op(OpCode::ReduceSum, &[("axes", last), ("keepdims", Attr::Bool(true))], &[squares])?;
        let beside =
            if lead.is_empty() { vec![rows[0].clone()] } else { [&lead[..], &[Dim::ONE, rows[0].clone()]].concat() };
        let lengths = m.op(OpCode::Reshape, &[("shape", Attr::dims(beside))], &[lengths])?;
        m.set(w, twice)?;
        m.set(n, lengths)?;
        m.set_attr(l, Attr::ints(&[at as i64]))
    })
}
