//! Reads by run-time indices: gather, gather_elements, gather_nd. Negative indices count from the end; an index
//! outside of its axis is an error.

use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::op::{InferCx, OpDef, OpError, PLAIN, attr, attr_or, one, operand};
use crate::tensor::Tensor;

/// Index `at` of `indices` counted from the front, for an axis of `size` elements.
pub(super) fn resolve(indices: &Tensor, at: usize, size: usize) -> Result<usize, OpError> {
    let given = super::number::int_at(indices, at);
    let from_front = if given < 0 { given + size as i128 } else { given };
    match usize::try_from(from_front) {
        Ok(found) if found < size => Ok(found),
        _ => Err(OpError::invalid(format!("index {given} is outside of an axis of {size} elements"))),
    }
}

pub(super) const GATHER: OpDef = OpDef {
    name: "gather",
    operands: &[operand("x"), operand("indices")],
    attrs: &[attr("axis", AttrKind::Int)],
    traits: PLAIN,
    infer: |cx| {
        let (x, indices) = (cx.operand(0), cx.operand(1));
        let axis = check::axis(cx)?;
        check::integer(cx, 1)?;
        let shape = x.shape[..axis].iter().chain(&indices.shape).chain(&x.shape[axis + 1..]);
        Ok(one(x.with_shape(shape.cloned())))
    },
    eval: |cx| {
        let (x, indices, axis) = (cx.operand(0), cx.operand(1), cx.int("axis") as usize);
        let shape = cx.result_shape(0)?;
        let size = x.shape()[axis];
        let found = (0..indices.len()).map(|at| resolve(indices, at, size)).collect::<Result<Vec<_>, _>>()?;
        let mut out = Vec::new();
        if !shape.contains(&0) {
            let outer: usize = x.shape()[..axis].iter().product();
            let block = x.bytes().len() / outer / size;
            for row in 0..outer {
                for &at in &found {
                    let from = (row * size + at) * block;
                    out.extend_from_slice(&x.bytes()[from..from + block]);
                }
            }
        }
        index::from_bytes(x, &shape, out)
    },
    doc: "result[.., i.., ..] = x[.., indices[i..], ..]: slices of x along an axis. ONNX: Gather.",
};

pub(super) const GATHER_ELEMENTS: OpDef = OpDef {
    name: "gather_elements",
    operands: &[operand("x"), operand("indices")],
    attrs: &[attr("axis", AttrKind::Int)],
    traits: PLAIN,
    infer: |cx| {
        let axis = check::axis(cx)?;
        elements_indices(cx, axis)?;
        Ok(one(cx.operand(0).with_shape(cx.operand(1).shape.iter().cloned())))
    },
    eval: |cx| {
        let (x, indices, axis) = (cx.operand(0), cx.operand(1), cx.int("axis") as usize);
        let (shape, strides) = (cx.result_shape(0)?, index::strides(x.shape()));
        let size = x.shape()[axis];
        let found = (0..indices.len()).map(|at| resolve(indices, at, size)).collect::<Result<Vec<_>, _>>()?;
        let mut found = found.into_iter();
        index::pick(x, &shape, |at| {
            index::offset(at, &strides) - at[axis] * strides[axis] + found.next().unwrap_or(0) * strides[axis]
        })
    },
    doc: "result[.., i, ..] = x[.., indices[.., i, ..], ..]: one element for each index. ONNX: GatherElements.",
};

/// Checks the indices of gather_elements and scatter_elements: integers, as many axes as x, no longer than x on the
/// axes other than `axis`.
pub(super) fn elements_indices(cx: &InferCx<'_>, axis: usize) -> Result<(), OpError> {
    let (x, indices) = (cx.operand(0), cx.operand(1));
    check::integer(cx, 1)?;
    check::rank_as_first(cx, 1)?;
    for other in (0..x.rank()).filter(|&other| other != axis) {
        if check::known_gt(cx, &indices.shape[other], &x.shape[other]) {
            return Err(OpError::invalid(format!("indices is {indices}, longer on axis {other} than x, which is {x}")));
        }
    }
    Ok(())
}

pub(super) const GATHER_ND: OpDef = OpDef {
    name: "gather_nd",
    operands: &[operand("x"), operand("indices")],
    attrs: &[attr_or("batch_dims", AttrKind::Int, || Attr::Int(0))],
    traits: PLAIN,
    infer: |cx| {
        let (x, indices) = (cx.operand(0), cx.operand(1));
        let tuple = tuple_len(cx)?;
        let batch = usize::try_from(cx.int("batch_dims")).ok().filter(|&batch| batch < indices.rank());
        let batch = batch.filter(|&batch| batch + tuple <= x.rank()).ok_or_else(|| {
            OpError::invalid(format!(
                "x is {x} and indices {indices}: too few axes for {} batch axes and indices of {tuple} axes",
                cx.int("batch_dims")
            ))
        })?;
        for axis in 0..batch {
            cx.same_dim(&x.shape[axis], &indices.shape[axis], "batch dimensions of x and indices")?;
        }
        let shape = indices.shape[..indices.rank() - 1].iter().chain(&x.shape[batch + tuple..]);
        Ok(one(x.with_shape(shape.cloned())))
    },
    eval: |cx| {
        let (x, indices, batch) = (cx.operand(0), cx.operand(1), cx.int("batch_dims") as usize);
        let shape = cx.result_shape(0)?;
        let tuples = tuples(x, indices, batch)?;
        let (rank, strides) = (indices.shape().len(), index::strides(indices.shape()));
        let tuple = indices.shape()[rank - 1];
        let inner = index::strides(&x.shape()[batch + tuple..]);
        index::pick(x, &shape, |at| {
            let row = index::offset(&at[..rank - 1], &strides) / tuple;
            tuples[row] + index::offset(&at[rank - 1..], &inner)
        })
    },
    doc: "result[b.., i.., ..] = x[b.., indices[b.., i.., :]..., ..]: slices of x named by index tuples, the leading \
          batch_dims axes in step. ONNX: GatherND.",
};

/// The last dimension of the indices of gather_nd and scatter_nd: a constant of at least 1.
pub(super) fn tuple_len(cx: &InferCx<'_>) -> Result<usize, OpError> {
    check::integer(cx, 1)?;
    check::rank_at_least(cx, 1, 1)?;
    let indices = cx.operand(1);
    match indices.shape[indices.rank() - 1].as_size() {
        Some(len) if len >= 1 && len <= cx.operand(0).rank() => Ok(len),
        _ => Err(OpError::invalid(format!(
            "indices is {indices}: its last dimension must be a constant from 1 to the number of axes of x, {}",
            cx.operand(0)
        ))),
    }
}

/// For each index tuple in row-major order the position in `x` of the slice that it names.
pub(super) fn tuples(x: &Tensor, indices: &Tensor, batch: usize) -> Result<Vec<usize>, OpError> {
    let strides = index::strides(x.shape());
    let (outer, tuple) = indices.shape().split_at(indices.shape().len() - 1);
    let mut found = Vec::new();
    let mut error = None;
    index::for_each(outer, |at| {
        let row = found.len() * tuple[0];
        let base = index::offset(&at[..batch], &strides);
        let position = (0..tuple[0]).try_fold(base, |sum, axis| {
            resolve(indices, row + axis, x.shape()[batch + axis]).map(|i| sum + i * strides[batch + axis])
        });
        found.push(position.unwrap_or_else(|failed| {
            error.get_or_insert(failed);
            0
        }));
    });
    error.map_or(Ok(found), Err)
}
