//! Reductions over axes: sum, mean, max, min, prod. Floats are accumulated in f64 and rounded once, integers exactly
//! and then wrapped. Without axes they reduce nothing.

use super::number::{from_ints, int_at, int_range, max_f64, min_f64, sum};
use super::{check, index};
use crate::attr::{Attr, AttrKind};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::op::{EvalCx, InferCx, OpDef, OpError, PLAIN, Types, attr, attr_or, one, operand};
use crate::tensor::Tensor;

fn numbers(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::number(cx, 0)?;
    any(cx)
}

fn any(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    check::computed(cx, 0)?;
    let x = cx.operand(0);
    let axes = check::axes(cx)?;
    Ok(one(x.with_shape(reduced(&x.shape, &axes, cx.flag("keepdims"), Dim::ONE))))
}

/// The sizes that are left when `axes` are reduced.
pub(super) fn reduced<T: Clone>(shape: &[T], axes: &[usize], keepdims: bool, one: T) -> Vec<T> {
    let kept = shape.iter().enumerate().filter_map(|(axis, size)| match axes.contains(&axis) {
        false => Some(size.clone()),
        true => keepdims.then(|| one.clone()),
    });
    kept.collect()
}

/// The elements that one result element reduces: positions `start + offset`, in row-major order.
struct Group<'a> {
    x: &'a Tensor,
    start: usize,
    offsets: &'a [usize],
}

impl Group<'_> {
    fn floats(&self) -> impl Iterator<Item = f64> + '_ {
        self.offsets.iter().map(|offset| self.x.f64_at(self.start + offset))
    }

    fn ints(&self) -> impl Iterator<Item = i128> + '_ {
        self.offsets.iter().map(|offset| int_at(self.x, self.start + offset))
    }
}

fn eval(
    cx: &EvalCx<'_>,
    float: fn(Group<'_>) -> f64,
    int: fn(Group<'_>) -> Result<i128, OpError>,
) -> Result<Vec<Tensor>, OpError> {
    let (x, shape) = (cx.operand(0), cx.result_shape(0)?);
    let axes: Vec<usize> = cx.ints("axes").iter().map(|&axis| axis as usize).collect();
    let strides = index::strides(x.shape());
    let only = |reduced: bool| -> Vec<usize> {
        let size = |(axis, &size): (usize, &usize)| if axes.contains(&axis) == reduced { size } else { 1 };
        x.shape().iter().enumerate().map(size).collect()
    };
    let mut offsets = Vec::new();
    if !x.is_empty() {
        index::for_each(&only(true), |at| offsets.push(index::offset(at, &strides)));
    }
    let (mut floats, mut ints, mut error) = (Vec::new(), Vec::new(), None);
    index::for_each(&only(false), |at| {
        let start = if offsets.is_empty() { 0 } else { index::offset(at, &strides) };
        let group = Group { x, start, offsets: &offsets };
        if x.dtype().is_float() {
            floats.push(float(group));
        } else {
            ints.push(int(group).unwrap_or_else(|failed| {
                error.get_or_insert(failed);
                0
            }));
        }
    });
    match error {
        Some(error) => Err(error),
        None if x.dtype().is_float() => Ok(vec![Tensor::from_f64(x.dtype(), &shape, &floats)]),
        None => Ok(vec![from_ints(x.dtype(), &shape, ints)]),
    }
}

macro_rules! reduction {
    ($(#[doc = $doc:literal] $const:ident = $name:literal, $infer:ident, $float:expr, $int:expr;)+) => {$(
        pub(super) const $const: OpDef = OpDef {
            name: $name,
            operands: &[operand("x")],
            attrs: &[attr("axes", AttrKind::Ints), attr_or("keepdims", AttrKind::Bool, || Attr::Bool(true))],
            traits: PLAIN,
            infer: $infer,
            eval: |cx| eval(cx, $float, $int),
            doc: $doc,
        };
    )+};
}

reduction! {
    #[doc = "Sum; of nothing 0. ONNX: ReduceSum, part of ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceSumSquare."]
    REDUCE_SUM = "reduce_sum", numbers, |group| sum(group.floats()), |group| Ok(group.ints().sum());
    #[doc = "Sum divided by the count: of nothing NaN; integers are added up in 64 bits, which wrap, and truncate, of nothing an error. ONNX: ReduceMean, GlobalAveragePool."]
    REDUCE_MEAN = "reduce_mean", numbers,
        |group| sum(group.floats()) / group.offsets.len() as f64,
        |group| {
            let count = group.offsets.len() as i128;
            let sum = group.ints().sum::<i128>();
            let sum = if group.x.dtype() == DType::U64 { i128::from(sum as u64) } else { i128::from(sum as i64) };
            let mean = sum.checked_div(count);
            mean.ok_or_else(|| OpError::invalid("the integer mean of no elements"))
        };
    #[doc = "Largest element; NaN if one is NaN; of nothing -inf or the type's least value. ONNX: ReduceMax, GlobalMaxPool."]
    REDUCE_MAX = "reduce_max", any,
        |group| group.floats().fold(f64::NEG_INFINITY, max_f64),
        |group| Ok(group.ints().fold(int_range(group.x.dtype()).0, i128::max));
    #[doc = "Smallest element; NaN if one is NaN; of nothing inf or the type's largest value. ONNX: ReduceMin."]
    REDUCE_MIN = "reduce_min", any,
        |group| group.floats().fold(f64::INFINITY, min_f64),
        |group| Ok(group.ints().fold(int_range(group.x.dtype()).1, i128::min));
    #[doc = "Product; of nothing 1. ONNX: ReduceProd."]
    REDUCE_PROD = "reduce_prod", numbers,
        |group| group.floats().product(),
        |group| Ok(group.ints().fold(1, |product, value| i128::from(product as i64).wrapping_mul(value)));
}

/// Type of a reduction over the attribute `axis` to i64 positions.
pub(super) fn positions(cx: &mut InferCx<'_>) -> Result<Types, OpError> {
    let x = cx.operand(0);
    check::number(cx, 0)?;
    let axis = check::axis(cx)?;
    if x.shape[axis].is(0) {
        return Err(OpError::invalid(format!("axis {axis} of x, which is {x}, is empty")));
    }
    let shape = reduced(&x.shape, &[axis], cx.flag("keepdims"), Dim::ONE);
    Ok(one(x.with_shape(shape).with_dtype(DType::I64)))
}
