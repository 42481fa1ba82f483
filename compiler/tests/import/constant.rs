//! Constants, ranges, triangles, one-hot.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn constants_of_every_kind() {
    Case::new(17)
        .input("x", f32s(&[2], 0))
        .node("Constant", &[""], &["t"], &[("value", A::Tensor(Tensor::from_f64(DType::F32, &[2], &[1.5, 2.5])))])
        .node("Constant", &[""], &["f"], &[("value_float", A::Float(0.5))])
        .node("Constant", &[""], &["fs"], &[("value_floats", A::Floats(&[1.0, 2.0]))])
        .node("Constant", &[""], &["i"], &[("value_int", A::Int(3))])
        .node("Constant", &[""], &["is"], &[("value_ints", A::Ints(&[4, 5]))])
        .node("Add", &["x", "t"], &["a"], &[])
        .node("Mul", &["a", "f"], &["b"], &[])
        .node("Sub", &["b", "fs"], &["c"], &[])
        .node("Identity", &["i"], &["i1"], &[])
        .node("Identity", &["is"], &["i2"], &[])
        .outputs(&["c", "i1", "i2"])
        .gives(&[(DType::F32, &[2], &[-1.5, -1.5625]), (DType::I64, &[], &[3.0]), (DType::I64, &[2], &[4.0, 5.0])]);
}

#[test]
fn constant_of_shape() {
    Case::new(17)
        .weight("s", i64s(&[2, 3]))
        .node("ConstantOfShape", &["s"], &["y"], &[])
        .node("ConstantOfShape", &["s"], &["z"], &[("value", A::Tensor(Tensor::from_f64(DType::I32, &[1], &[7.0])))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[2, 3], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            (DType::I32, &[2, 3], &[7.0, 7.0, 7.0, 7.0, 7.0, 7.0]),
        ]);
}

#[test]
fn dropout_passes_through() {
    Case::new(17)
        .input("x", f32s(&[3], 0))
        .node("Dropout", &["x"], &["y", "m"], &[])
        .outputs(&["y", "m"])
        .gives(&[(DType::F32, &[3], &[-2.5, -1.625, 2.0]), (DType::Bool, &[3], &[1.0, 1.0, 1.0])]);
}

#[test]
fn ranges() {
    Case::new(17)
        .input("x", f32s(&[1], 0))
        .weight("a", Tensor::scalar(DType::I64, 3.0))
        .weight("b", Tensor::scalar(DType::I64, -8.0))
        .weight("d", Tensor::scalar(DType::I64, -3.0))
        .weight("fa", Tensor::scalar(DType::F32, 0.5))
        .weight("fb", Tensor::scalar(DType::F32, 2.6))
        .weight("fd", Tensor::scalar(DType::F32, 0.5))
        .node("Range", &["a", "b", "d"], &["y"], &[])
        .node("Range", &["fa", "fb", "fd"], &["z"], &[])
        .outputs(&["y", "z"])
        .gives(&[(DType::I64, &[4], &[3.0, 0.0, -3.0, -6.0]), (DType::F32, &[5], &[0.5, 1.0, 1.5, 2.0, 2.5])]);
}

#[test]
fn eye() {
    Case::new(17)
        .input("x", f32s(&[3, 4], 0))
        .node("EyeLike", &["x"], &["y"], &[])
        .node("EyeLike", &["x"], &["z"], &[("k", A::Int(-1)), ("dtype", A::Int(7))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3, 4], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
            (DType::I64, &[3, 4], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
        ]);
}

#[test]
fn triangles() {
    Case::new(17)
        .input("x", f32s(&[2, 3, 4], 0))
        .weight("k", Tensor::scalar(DType::I64, -1.0))
        .node("Trilu", &["x"], &["u"], &[])
        .node("Trilu", &["x", "k"], &["l"], &[("upper", A::Int(0))])
        .outputs(&["u", "l"])
        .gives(&[
            (
                DType::F32,
                &[2, 3, 4],
                &[
                    -2.5, -1.625, 2.0, -1.875, 0.0, -1.375, -2.125, -0.125, 0.0, 0.0, 1.875, -0.5, -0.125, -2.125,
                    -1.375, 2.125, 0.0, 2.0, -1.625, -2.5, 0.0, 0.0, 1.125, 1.0,
                ],
            ),
            (
                DType::F32,
                &[2, 3, 4],
                &[
                    0.0, 0.0, 0.0, 0.0, 2.125, 0.0, 0.0, 0.0, -0.5, 1.875, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.875, 0.0,
                    0.0, 0.0, -0.625, -1.125, 0.0, 0.0,
                ],
            ),
        ]);
}

#[test]
fn one_hot() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::I64, &[2, 2], &[0.0, -1.0, 2.0, 5.0]))
        .weight("d", Tensor::scalar(DType::I64, 3.0))
        .weight("v", floats(&[-1.0, 4.0]))
        .node("OneHot", &["x", "d", "v"], &["y"], &[])
        .node("OneHot", &["x", "d", "v"], &["z"], &[("axis", A::Int(0))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[2, 2, 3], &[4.0, -1.0, -1.0, -1.0, -1.0, 4.0, -1.0, -1.0, 4.0, -1.0, -1.0, -1.0]),
            (DType::F32, &[3, 2, 2], &[4.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 4.0, 4.0, -1.0]),
        ]);
}
