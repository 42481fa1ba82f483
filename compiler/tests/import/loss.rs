//! Losses and steps of optimisers.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn negative_log_likelihood_loss() {
    Case::new(13)
        .input("x0", f32s(&[3, 4], 0))
        .input("x1", Tensor::from_i64(DType::I64, &[3], &[1, 3, 0]))
        .node("NegativeLogLikelihoodLoss", &["x0", "x1"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[], &[0.75])]);
    Case::new(13)
        .input("x0", f32s(&[2, 3, 2], 1))
        .input("x1", Tensor::from_i64(DType::I32, &[2, 2], &[0, 2, 7, 1]))
        .weight("w2", positive(&[3], 2))
        .node("NegativeLogLikelihoodLoss", &["x0", "x1", "w2"], &["y"], &[("ignore_index", A::Int(7))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[], &[-0.71394229])]);
    Case::new(13)
        .input("x0", f32s(&[2, 3, 2], 1))
        .input("x1", Tensor::from_i64(DType::I64, &[2, 2], &[0, 2, -1, 1]))
        .weight("w2", positive(&[3], 2))
        .node(
            "NegativeLogLikelihoodLoss",
            &["x0", "x1", "w2"],
            &["y"],
            &[("ignore_index", A::Int(-1)), ("reduction", A::Str("none"))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-9.03125, 6.796875, -0.0, -7.046875])]);
    Case::new(13)
        .input("x0", f32s(&[2, 3, 2], 1))
        .input("x1", Tensor::from_i64(DType::I64, &[2, 2], &[0, 2, 1, 1]))
        .node("NegativeLogLikelihoodLoss", &["x0", "x1"], &["y"], &[("reduction", A::Str("sum"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[], &[-0.625])]);
}

#[test]
fn softmax_cross_entropy_loss() {
    Case::new(13)
        .input("x0", f32s(&[3, 4], 0))
        .input("x1", Tensor::from_i64(DType::I64, &[3], &[1, 3, 0]))
        .node("SoftmaxCrossEntropyLoss", &["x0", "x1"], &["y", "z"], &[])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[], &[3.0761974]),
            (
                DType::F32,
                &[3, 4],
                &[
                    -4.5568647,
                    -3.6818645,
                    -0.056864575,
                    -3.9318645,
                    -0.13964094,
                    -3.639641,
                    -4.3896408,
                    -2.389641,
                    -3.1570866,
                    -0.78208661,
                    -0.78208661,
                    -3.1570866,
                ],
            ),
        ]);
    Case::new(13)
        .input("x0", f32s(&[2, 3, 2], 1))
        .input("x1", Tensor::from_i64(DType::I64, &[2, 2], &[0, 2, 5, 1]))
        .weight("w2", positive(&[3], 2))
        .node(
            "SoftmaxCrossEntropyLoss",
            &["x0", "x1", "w2"],
            &["y"],
            &[("ignore_index", A::Int(5)), ("reduction", A::Str("mean"))],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[], &[0.5724923])]);
}

#[test]
fn momentum() {
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[0]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .node(
            "ai.onnx.preview.training::Momentum",
            &["x0", "x1", "x2", "x3", "x4"],
            &["y", "z"],
            &[
                ("alpha", A::Float(0.95)),
                ("beta", A::Float(0.1)),
                ("norm_coefficient", A::Float(0.001)),
                ("mode", A::Str("standard")),
            ],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3], &[-4.04, -2.3105311, 0.76356256]),
            (DType::F32, &[3], &[6.1599998, 2.742125, 4.9457498]),
        ]);
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[3]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .node(
            "ai.onnx.preview.training::Momentum",
            &["x0", "x1", "x2", "x3", "x4"],
            &["y", "z"],
            &[
                ("alpha", A::Float(0.95)),
                ("beta", A::Float(0.1)),
                ("norm_coefficient", A::Float(0.001)),
                ("mode", A::Str("standard")),
            ],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3], &[-3.5624375, -2.789022, 1.1015126]),
            (DType::F32, &[3], &[4.2497501, 4.6560874, 3.5939498]),
        ]);
}

#[test]
fn nesterov() {
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[0]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .node(
            "ai.onnx.preview.training::Momentum",
            &["x0", "x1", "x2", "x3", "x4"],
            &["y", "z"],
            &[
                ("alpha", A::Float(0.95)),
                ("beta", A::Float(1.0)),
                ("norm_coefficient", A::Float(0.01)),
                ("mode", A::Str("nesterov")),
            ],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3], &[-4.482656, -1.7374688, 0.44110942]),
            (DType::F32, &[3], &[6.1374998, 2.7275002, 4.9637499]),
        ]);
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[3]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .node(
            "ai.onnx.preview.training::Momentum",
            &["x0", "x1", "x2", "x3", "x4"],
            &["y", "z"],
            &[
                ("alpha", A::Float(0.95)),
                ("beta", A::Float(1.0)),
                ("norm_coefficient", A::Float(0.01)),
                ("mode", A::Str("nesterov")),
            ],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3], &[-4.482656, -1.7374688, 0.44110942]),
            (DType::F32, &[3], &[6.1374998, 2.7275002, 4.9637499]),
        ]);
}

#[test]
fn adagrad() {
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[0]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .node(
            "ai.onnx.preview.training::Adagrad",
            &["x0", "x1", "x2", "x3", "x4"],
            &["y", "z"],
            &[("norm_coefficient", A::Float(0.001)), ("epsilon", A::Float(1e-05)), ("decay_factor", A::Float(0.1))],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3], &[-2.679332, -1.4538325, 1.8451602]),
            (DType::F32, &[3], &[8.7550058, 9.6475344, 5.8810039]),
        ]);
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[3]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .node(
            "ai.onnx.preview.training::Adagrad",
            &["x0", "x1", "x2", "x3", "x4"],
            &["y", "z"],
            &[("norm_coefficient", A::Float(0.001)), ("epsilon", A::Float(1e-05)), ("decay_factor", A::Float(0.1))],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3], &[-2.6379478, -1.4933326, 1.8808925]),
            (DType::F32, &[3], &[8.7550058, 9.6475344, 5.8810039]),
        ]);
}

#[test]
fn adam() {
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[0]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .input("x5", positive(&[3], 3))
        .node(
            "ai.onnx.preview.training::Adam",
            &["x0", "x1", "x2", "x3", "x4", "x5"],
            &["y", "z", "u"],
            &[
                ("norm_coefficient", A::Float(0.001)),
                ("alpha", A::Float(0.95)),
                ("beta", A::Float(0.1)),
                ("epsilon", A::Float(1e-07)),
                ("norm_coefficient_post", A::Float(0.5)),
            ],
        )
        .outputs(&["y", "z", "u"])
        .gives(&[
            (DType::F32, &[3], &[-1.4961007, -1.0921116, 0.71263522]),
            (DType::F32, &[3], &[4.1436248, 4.7624187, 3.5188498]),
            (DType::F32, &[3], &[4.4295053, 4.5327811, 2.3429034]),
        ]);
    Case::new(20)
        .input("x0", Tensor::scalar(DType::F32, 0.25))
        .input("x1", Tensor::from_i64(DType::I64, &[], &[3]))
        .input("x2", f32s(&[3], 0))
        .input("x3", f32s(&[3], 1))
        .input("x4", positive(&[3], 2))
        .input("x5", positive(&[3], 3))
        .node(
            "ai.onnx.preview.training::Adam",
            &["x0", "x1", "x2", "x3", "x4", "x5"],
            &["y", "z", "u"],
            &[
                ("norm_coefficient", A::Float(0.001)),
                ("alpha", A::Float(0.95)),
                ("beta", A::Float(0.1)),
                ("epsilon", A::Float(1e-07)),
                ("norm_coefficient_post", A::Float(0.5)),
            ],
        )
        .outputs(&["y", "z", "u"])
        .gives(&[
            (DType::F32, &[3], &[-2.9746453, -2.7719862, -1.0138194]),
            (DType::F32, &[3], &[4.1436248, 4.7624187, 3.5188498]),
            (DType::F32, &[3], &[4.4295053, 4.5327811, 2.3429034]),
        ]);
}
