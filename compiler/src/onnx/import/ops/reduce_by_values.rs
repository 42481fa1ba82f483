//! Reductions over axes that only the run knows. One axis after the other: its reduction and the operand lie one behind
//! the other, and what goes on is the one or the other part. So the number of axes stays what it is; without `keepdims` it
//! is known if the number of reduced ones is.

use lathe_ir::{Attr, DType, Dim, OpCode, Tensor};

use crate::onnx::import::node::NodeCx;
use crate::onnx::import::values::{R, Val, invalid, needs_value};

use super::reduce::Step;
use super::slice::join;

/// For each axis whether it is reduced, a bool scalar.
pub(super) struct Chosen {
    axes: Vec<Val>,
    /// How many are, if that is known.
    count: Option<usize>,
}

impl Chosen {
    /// The axes that a list holds; an empty one stands for all of them, or for none with `noop_with_empty_axes`. The list's
    /// length may be 0.
    pub(super) fn new(cx: &mut NodeCx<'_, '_>, list: Val, rank: usize) -> R<Chosen> {
        let shape = cx.shape(list)?;
        let [length] = shape.as_slice() else {
            return invalid(format!("axes is {}, a list is needed", cx.ty(list)?));
        };
        cx.may_be_empty(length);
        if rank == 0 {
            return Ok(Chosen { axes: Vec::new(), count: Some(0) });
        }
        // An index outside of the axes is an error of the run; negative ones count from the end.
        let all: Vec<i64> = (0..rank as i64).collect();
        let all = cx.constant("", Tensor::from_i64(DType::I64, &[rank], &all));
        let listed = cx.gather(all, list, 0)?;
        let listed = cx.reshape(listed, [length.clone(), Dim::ONE])?;
        let is_same = cx.op(OpCode::Eq, &[listed, all], &[])?;
        let is_same = cx.cast(is_same, DType::I64)?;
        let found = cx.along(OpCode::ReduceMax, is_same, &[0], false)?;
        let zero = cx.whole(0);
        let mut found = cx.lt(zero, found)?;
        let none_is_all = !cx.flag_or("noop_with_empty_axes", false)?;
        if none_is_all && length.as_const() != Some(0) {
            let length = cx.dim_scalar(length, DType::I64)?;
            let is_empty = cx.op(OpCode::Eq, &[length, zero], &[])?;
            found = cx.op(OpCode::Or, &[found, is_empty], &[])?;
        }
        let axes = (0..rank).map(|axis| cx.element(found, axis)).collect::<R<_>>()?;
        Ok(Chosen { axes, count: length.as_size() })
    }

    /// The reduction with all axes kept.
    pub(super) fn reduce(&self, cx: &mut NodeCx<'_, '_>, step: Step, x: Val) -> R<Val> {
        let dtype = cx.dtype(x)?;
        // Every axis rounds, so narrow floats wait until the end.
        let wide = if dtype.is_float() && dtype.size() < 4 { DType::F32 } else { dtype };
        let (by, mean) = match step {
            Step::Op(OpCode::ReduceMean) if !dtype.is_float() => {
                return needs_value("axes must be a constant for a mean of integers");
            }
            Step::Op(OpCode::ReduceMean) => (Step::Op(OpCode::ReduceSum), true),
            other => (other, false),
        };
        let mut result = cx.cast(x, wide)?;
        let mut count = cx.whole(1);
        for (axis, &is_reduced) in self.axes.iter().enumerate() {
            let size = cx.shape(x)?[axis].clone();
            if size.is(1) {
                let one_of_it = by.run(cx, result, &[axis as i64], true)?;
                result = cx.select(is_reduced, one_of_it, result)?;
                continue;
            }
            if mean {
                let (one, size) = (cx.whole(1), cx.dim_scalar(&size, DType::I64)?);
                let own = cx.select(is_reduced, size, one)?;
                count = cx.mul(count, own)?;
            }
            result = one_axis(cx, by, result, axis, is_reduced)?;
        }
        if mean {
            let count = cx.cast(count, wide)?;
            result = cx.div(result, count)?;
        }
        cx.cast(result, dtype)
    }

    /// The value without the axes that are reduced.
    pub(super) fn without(&self, cx: &mut NodeCx<'_, '_>, x: Val) -> R<Val> {
        let Some(count) = self.count.filter(|count| *count <= self.axes.len()) else {
            return needs_value("axes must be a constant where keepdims is 0: they decide how many axes are left");
        };
        let shape = cx.shape(x)?;
        let left = self.axes.len() - count;
        // How many axes before this one are kept.
        let mut before = cx.whole(0);
        let mut sizes: Vec<Option<Val>> = vec![None; left];
        let mut most = Dim::ONE;
        for (&is_reduced, size) in self.axes.iter().zip(&shape) {
            let (zero, one) = (cx.whole(0), cx.whole(1));
            let own = cx.dim_scalar(size, DType::I64)?;
            let own = cx.select(is_reduced, zero, own)?;
            for (place, sum) in sizes.iter_mut().enumerate() {
                let place = cx.whole(place as i64);
                let is_here = cx.op(OpCode::Eq, &[before, place], &[])?;
                let part = cx.select(is_here, own, zero)?;
                *sum = Some(match *sum {
                    Some(sum) => cx.add(sum, part)?,
                    None => part,
                });
            }
            let kept = cx.select(is_reduced, zero, one)?;
            before = cx.add(before, kept)?;
            most = most.maximum(size);
        }
        let mut kept = Vec::new();
        for size in sizes.into_iter().flatten() {
            kept.push(cx.data_size(size, Some(&most), "a size that is left")?);
        }
        cx.reshape(x, kept)
    }
}

/// The reduction along one axis if that is wanted, else the value.
fn one_axis(cx: &mut NodeCx<'_, '_>, by: Step, x: Val, axis: usize, is_reduced: Val) -> R<Val> {
    let mut sizes = cx.shape(x)?;
    let (zero, one) = (cx.whole(0), cx.whole(1));
    let whole = cx.dim_scalar(&sizes[axis], DType::I64)?;
    let size = cx.select(is_reduced, one, whole)?;
    let most = cx.known().max(&sizes[axis], &Dim::ONE);
    let size = cx.data_size(size, Some(&most), "a reduced size")?;
    let reduced = by.run(cx, x, &[axis as i64], true)?;
    let both = join(cx, &[reduced, x], axis)?;
    let start = cx.select(is_reduced, zero, one)?;
    let mut starts = vec![zero; sizes.len()];
    starts[axis] = start;
    let starts: Vec<Val> = starts.into_iter().map(|start| cx.reshape(start, [Dim::ONE])).collect::<R<_>>()?;
    let starts = join(cx, &starts, 0)?;
    sizes[axis] = size;
    cx.op(OpCode::DynSlice, &[both, starts], &[("sizes", Attr::Dims(sizes))])
}
