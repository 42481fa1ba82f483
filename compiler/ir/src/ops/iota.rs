//! Tensors made of positions and dimensions: iota, dims.

use super::{check, index, number};
use crate::attr::AttrKind;
use crate::dim::Dim;
use crate::dtype::DType;
use crate::op::{OpDef, OpError, PLAIN, attr, one};
use crate::tensor::Tensor;
use crate::types::TensorType;

pub(super) const IOTA: OpDef = OpDef {
    name: "iota",
    operands: &[],
    attrs: &[attr("shape", AttrKind::Dims), attr("axis", AttrKind::Int), attr("dtype", AttrKind::DType)],
    traits: PLAIN,
    infer: |cx| {
        let (shape, dtype) = (cx.dims("shape"), cx.dtype("dtype"));
        check::sizes(cx, "shape", shape.len())?;
        if check::axis_below(cx.int("axis"), shape.len()).is_none() {
            return Err(OpError::invalid(format!("axis {} is not one of the shape {shape:?}", cx.int("axis"))));
        }
        if dtype == DType::Bool || dtype.is_storage() {
            return Err(OpError::invalid(format!("dtype is {dtype}, a number is needed")));
        }
        Ok(one(TensorType::new(dtype, shape.iter().cloned())))
    },
    eval: |cx| {
        let (axis, shape, dtype) = (cx.int("axis") as usize, cx.result_shape(0)?, cx.dtype("dtype"));
        let mut values = Vec::new();
        index::for_each(&shape, |at| values.push(at[axis]));
        Ok(vec![if dtype.is_float() {
            Tensor::from_f64(dtype, &shape, &values.into_iter().map(|value| value as f64).collect::<Vec<_>>())
        } else {
            number::from_ints(dtype, &shape, values.into_iter().map(|value| value as i128))
        }])
    },
    doc: "Each element is its index along the axis, wrapped or rounded to the element type. ONNX: Range, EyeLike.",
};

pub(super) const DIMS: OpDef = OpDef {
    name: "dims",
    operands: &[],
    attrs: &[attr("values", AttrKind::Dims)],
    traits: PLAIN,
    infer: |cx| {
        let values = cx.dims("values");
        if values.iter().any(Dim::is_overflow) {
            return Err(OpError::invalid(format!("values {values:?} hold an overflow")));
        }
        Ok(one(TensorType::fixed(DType::I64, &[values.len() as i64])))
    },
    eval: |cx| {
        let values = cx
            .dims("values")
            .iter()
            .map(|dim| dim.as_const().ok_or_else(|| OpError::invalid(format!("the value of {dim} is not known"))));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        Ok(vec![Tensor::from_i64(DType::I64, &[values.len()], &values)])
    },
    doc: "The values of dimensions as an i64 vector: the only way dimensions become data. ONNX: Shape, Size.",
};
