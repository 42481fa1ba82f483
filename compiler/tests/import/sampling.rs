//! Values read at places that are data: GridSample.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn grid_sample_nearest() {
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("nearest")), ("padding_mode", A::Str("zeros")), ("align_corners", A::Int(0))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[0.0, -2.125, 0.0, 2.0, 0.0, -0.5])]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("nearest")), ("padding_mode", A::Str("border")), ("align_corners", A::Int(1))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[-2.5, -2.125, -0.5, 2.0, -0.5, 1.875])]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("nearest")), ("padding_mode", A::Str("reflection")), ("align_corners", A::Int(0))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[-2.5, -2.125, -0.5, 2.0, -0.5, -0.5])]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("nearest")), ("padding_mode", A::Str("reflection")), ("align_corners", A::Int(1))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[-2.5, -2.125, 1.875, 2.0, -0.5, 1.875])]);
}

#[test]
fn grid_sample_linear() {
    Case::new(20)
        .input("x0", f32s(&[1, 2, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("linear")), ("padding_mode", A::Str("zeros")), ("align_corners", A::Int(0))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 2, 3],
            &[
                0.0,
                -1.0703125,
                0.0,
                0.80625021,
                -0.125,
                0.13812494,
                0.0,
                0.15234375,
                0.0,
                -0.51250017,
                0.25,
                -0.50375009,
            ],
        )]);
    Case::new(20)
        .input("x0", f32s(&[1, 2, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("linear")), ("padding_mode", A::Str("border")), ("align_corners", A::Int(1))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 2, 3],
            &[
                -0.1875, -1.296875, -0.40625, 1.8187498, -0.5, 0.8349998, -1.0, 0.1640625, 0.125, -1.4125, 1.0,
                -0.7874999,
            ],
        )]);
    Case::new(20)
        .input("x0", f32s(&[1, 2, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("linear")), ("padding_mode", A::Str("reflection")), ("align_corners", A::Int(0))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 2, 3],
            &[
                -1.34375,
                -1.0703125,
                0.6875,
                1.6125004,
                -0.5,
                0.21249986,
                -0.5625,
                0.15234375,
                1.0625,
                -1.0250003,
                1.0,
                -0.77499998,
            ],
        )]);
    Case::new(20)
        .input("x0", f32s(&[1, 2, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("linear")), ("padding_mode", A::Str("reflection")), ("align_corners", A::Int(1))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 2, 3],
            &[
                -0.6796875, -1.296875, 0.5546875, 1.8187498, -0.5, 0.8349998, -0.6484375, 0.1640625, 0.359375, -1.4125,
                1.0, -0.7874999,
            ],
        )]);
}

#[test]
fn grid_sample_cubic() {
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("cubic")), ("padding_mode", A::Str("zeros")), ("align_corners", A::Int(0))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[0.0, -1.7342901, 0.044500351, 1.3102704, -0.2923584, -0.073657438])]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("cubic")), ("padding_mode", A::Str("border")), ("align_corners", A::Int(1))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[0.26329994, -1.9944725, -0.39490318, 1.9901965, -0.5, 0.89689493])]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("cubic")), ("padding_mode", A::Str("reflection")), ("align_corners", A::Int(0))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 1, 2, 3],
            &[-1.3598633, -1.783999, 0.84194946, 2.6354125, -1.1694336, -0.011636786],
        )]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node(
            "GridSample",
            &["x0", "x1"],
            &["y"],
            &[("mode", A::Str("cubic")), ("padding_mode", A::Str("reflection")), ("align_corners", A::Int(1))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[-0.85614967, -1.9474487, 0.79093361, 1.9901965, -0.5, 0.79104704])]);
}

#[test]
fn grid_sample_of_opset_16() {
    Case::new(16)
        .input("x0", f32s(&[1, 1, 3, 4], 0))
        .input(
            "x1",
            Tensor::from_f32(&[1, 2, 3, 2], &[-1.25, -0.5, 0.0, 0.125, 1.5, 0.75, 0.3, -1.0, 1.0, 1.0, -0.6, 0.9]),
        )
        .node("GridSample", &["x0", "x1"], &["y"], &[("mode", A::Str("bilinear"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 2, 3], &[0.0, -1.0703125, 0.0, 0.80625021, -0.125, 0.13812494])]);
}

#[test]
fn grid_sample_of_volumes() {
    Case::new(20)
        .input("x0", f32s(&[1, 1, 2, 3, 2], 0))
        .input("x1", Tensor::from_f32(&[1, 1, 1, 2, 3], &[-0.5, 0.25, 1.0, 0.75, -1.5, 0.0]))
        .node("GridSample", &["x0", "x1"], &["y"], &[("mode", A::Str("linear")), ("padding_mode", A::Str("zeros"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 1, 1, 2], &[0.1953125, 0.0])]);
    Case::new(20)
        .input("x0", f32s(&[1, 1, 2, 3, 2], 0))
        .input("x1", Tensor::from_f32(&[1, 1, 1, 2, 3], &[-0.5, 0.25, 1.0, 0.75, -1.5, 0.0]))
        .node("GridSample", &["x0", "x1"], &["y"], &[("mode", A::Str("nearest")), ("padding_mode", A::Str("zeros"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 1, 1, 2], &[0.0, 0.0])]);
}
