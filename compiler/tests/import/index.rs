//! Gather and scatter.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn gather_rows() {
    Case::new(17)
        .input("x", f32s(&[4, 2], 0))
        .input("i", Tensor::from_f64(DType::I64, &[2, 2], &[0.0, -1.0, 2.0, 1.0]))
        .node("Gather", &["x", "i"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2, 2], &[-2.5, -1.625, -2.125, -0.125, 2.125, -1.375, 2.0, -1.875])]);
}

#[test]
fn gather_one_column() {
    Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .weight("i", Tensor::scalar(DType::I64, -1.0))
        .weight("j", i64s(&[0]))
        .node("Gather", &["x", "i"], &["y"], &[("axis", A::Int(1))])
        .node("Gather", &["x", "j"], &["z"], &[("axis", A::Int(1))])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[2], &[2.0, -1.375]), (DType::F32, &[2, 1], &[-2.5, -1.875])]);
}

#[test]
fn gather_elements() {
    Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .input("i", Tensor::from_f64(DType::I64, &[2, 2], &[0.0, -1.0, 2.0, 1.0]))
        .node("GatherElements", &["x", "i"], &["y"], &[("axis", A::Int(1))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-2.5, 2.0, -1.375, 2.125])]);
}

#[test]
fn gather_tuples() {
    Case::new(17)
        .input("x", f32s(&[2, 3, 2], 0))
        .input("i", Tensor::from_f64(DType::I64, &[2, 1], &[2.0, 0.0]))
        .input("j", Tensor::from_f64(DType::I64, &[2, 2], &[1.0, 2.0, 0.0, 0.0]))
        .node("GatherND", &["x", "i"], &["y"], &[("batch_dims", A::Int(1))])
        .node("GatherND", &["x", "j"], &["z"], &[])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[2, 2], &[2.125, -1.375, -2.125, -0.125]),
            (DType::F32, &[2, 2], &[1.875, -0.5, -2.5, -1.625]),
        ]);
}

#[test]
fn scatter_elements() {
    Case::new(18)
        .input("x", f32s(&[2, 3], 0))
        .input("i", Tensor::from_f64(DType::I64, &[2, 2], &[0.0, -1.0, 2.0, 2.0]))
        .input("u", f32s(&[2, 2], 9))
        .node("ScatterElements", &["x", "i", "u"], &["y"], &[("axis", A::Int(1))])
        .node("ScatterElements", &["x", "i", "u"], &["z"], &[("axis", A::Int(1)), ("reduction", A::Str("add"))])
        .node("ScatterElements", &["x", "i", "u"], &["w"], &[("axis", A::Int(1)), ("reduction", A::Str("max"))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 3], &[-1.875, -1.625, -1.0, -1.875, 2.125, -1.25]),
            (DType::F32, &[2, 3], &[-4.375, -1.625, 1.0, -1.875, 2.125, -5.125]),
            (DType::F32, &[2, 3], &[-1.875, -1.625, 2.0, -1.875, 2.125, -1.25]),
        ]);
}

#[test]
fn scatter_tuples() {
    Case::new(18)
        .input("x", f32s(&[3, 2], 0))
        .input("i", Tensor::from_f64(DType::I64, &[2, 1], &[2.0, 0.0]))
        .input("u", f32s(&[2, 2], 9))
        .node("ScatterND", &["x", "i", "u"], &["y"], &[])
        .node("ScatterND", &["x", "i", "u"], &["z"], &[("reduction", A::Str("mul"))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3, 2], &[-2.5, -1.25, 2.0, -1.875, -1.875, -1.0]),
            (DType::F32, &[3, 2], &[6.25, 2.03125, 2.0, -1.875, -3.984375, 1.375]),
        ]);
}
