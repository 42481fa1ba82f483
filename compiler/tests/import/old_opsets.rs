//! Older forms of operators, which the import converts.

use lathe_ir::{DType, Tensor};

use crate::support::*;

/// Before opset 7 the second operand was broadcast from a given axis on.
#[test]
fn broadcast_from_an_axis() {
    Case::new(6)
        .input("a", f32s(&[2, 3, 2], 0))
        .input("b", f32s(&[3], 4))
        .node("Add", &["a", "b"], &["y"], &[("broadcast", A::Int(1)), ("axis", A::Int(1))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 3, 2],
            &[-1.875, -1.0, 3.5, -0.375, 2.125, -1.375, -1.5, 0.5, 1.0, 3.375, 1.875, -0.5],
        )]);
}

#[test]
fn broadcast_of_the_last_axes() {
    Case::new(6)
        .input("a", f32s(&[2, 3], 0))
        .input("b", f32s(&[3], 4))
        .node("Mul", &["a", "b"], &["y"], &[("broadcast", A::Int(1))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 3], &[-1.5625, -2.4375, 0.0, -1.171875, 3.1875, -0.0])]);
}

#[test]
fn prelu_of_channels() {
    Case::new(6)
        .input("x", f32s(&[1, 3, 2], 0))
        .input("s", f32s(&[3], 4))
        .node("PRelu", &["x", "s"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 3, 2], &[-1.5625, -1.015625, 2.0, -2.8125, 2.125, -0.0])]);
}

#[test]
fn gemm_with_broadcast() {
    Case::new(6)
        .input("a", f32s(&[2, 3], 0))
        .input("b", f32s(&[3, 2], 1))
        .input("c", f32s(&[2], 2))
        .node("Gemm", &["a", "b", "c"], &["y"], &[("broadcast", A::Int(1))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-2.875, 7.921875, -1.40625, 4.015625])]);
}

/// Before opset 13 the axes from `axis` on were one row.
#[test]
fn softmax_of_a_matrix() {
    Case::new(11)
        .input("x", f32s(&[2, 2, 3], 0))
        .node("Softmax", &["x"], &["y"], &[])
        .node("LogSoftmax", &["x"], &["z"], &[("axis", A::Int(2))])
        .node("Hardmax", &["x"], &["h"], &[("axis", A::Int(0))])
        .outputs(&["y", "z", "h"])
        .gives(&[
            (
                DType::F32,
                &[2, 2, 3],
                &[
                    0.0049908357,
                    0.011972393,
                    0.44926071,
                    0.0093241092,
                    0.5090791,
                    0.015372857,
                    0.0078282682,
                    0.05784351,
                    0.039755221,
                    0.42740893,
                    0.42740893,
                    0.039755221,
                ],
            ),
            (
                DType::F32,
                &[2, 2, 3],
                &[
                    -4.5370626,
                    -3.6620626,
                    -0.037062723,
                    -4.0473728,
                    -0.047373023,
                    -3.5473731,
                    -2.6002777,
                    -0.6002776,
                    -0.9752776,
                    -0.73860538,
                    -0.73860538,
                    -3.1136055,
                ],
            ),
            (DType::F32, &[2, 2, 3], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ]);
}

#[test]
fn clip_attributes() {
    Case::new(6)
        .input("x", f32s(&[5], 0))
        .node("Clip", &["x"], &["y"], &[("min", A::Float(-1.0)), ("max", A::Float(1.0))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[5], &[-1.0, -1.0, 1.0, -1.0, 1.0])]);
}

#[test]
fn dropout_in_training_form() {
    Case::new(6)
        .input("x", f32s(&[3], 0))
        .node("Dropout", &["x"], &["y"], &[("ratio", A::Float(0.5)), ("is_test", A::Int(1))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[3], &[-2.5, -1.625, 2.0])]);
}

#[test]
fn axes_attributes() {
    Case::new(11)
        .input("x", f32s(&[1, 3, 2], 0))
        .node("Squeeze", &["x"], &["s"], &[("axes", A::Ints(&[0]))])
        .node("Unsqueeze", &["s"], &["u"], &[("axes", A::Ints(&[1]))])
        .node("ReduceSum", &["u"], &["r"], &[("axes", A::Ints(&[-1]))])
        .node("ReduceMean", &["u"], &["m"], &[("axes", A::Ints(&[0])), ("keepdims", A::Int(0))])
        .outputs(&["s", "u", "r", "m"])
        .gives(&[
            (DType::F32, &[3, 2], &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375]),
            (DType::F32, &[3, 1, 2], &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375]),
            (DType::F32, &[3, 1, 1], &[-4.125, 0.125, 0.75]),
            (DType::F32, &[1, 2], &[0.54166669, -1.625]),
        ]);
}

#[test]
fn slice_attributes() {
    Case::new(9)
        .input("x", f32s(&[3, 4], 0))
        .node("Slice", &["x"], &["y"], &[("starts", A::Ints(&[1, -3])), ("ends", A::Ints(&[9, -1]))])
        .node("Slice", &["x"], &["z"], &[("starts", A::Ints(&[1])), ("ends", A::Ints(&[2])), ("axes", A::Ints(&[1]))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[2, 2], &[-1.375, -2.125, 1.875, 1.875]),
            (DType::F32, &[3, 1], &[-1.625, -1.375, 1.875]),
        ]);
}

#[test]
fn split_attribute() {
    Case::new(11)
        .input("x", f32s(&[2, 4], 0))
        .node("Split", &["x"], &["a", "b"], &[("axis", A::Int(1)), ("split", A::Ints(&[1, 3]))])
        .node("Split", &["x"], &["c", "d"], &[("axis", A::Int(1))])
        .outputs(&["a", "b", "c", "d"])
        .gives(&[
            (DType::F32, &[2, 1], &[-2.5, 2.125]),
            (DType::F32, &[2, 3], &[-1.625, 2.0, -1.875, -1.375, -2.125, -0.125]),
            (DType::F32, &[2, 2], &[-2.5, -1.625, 2.125, -1.375]),
            (DType::F32, &[2, 2], &[2.0, -1.875, -2.125, -0.125]),
        ]);
}

#[test]
fn pad_attributes() {
    Case::new(10)
        .input("x", f32s(&[2, 2], 0))
        .node("Pad", &["x"], &["y"], &[("pads", A::Ints(&[0, 1, 1, 0])), ("value", A::Float(3.0))])
        .node("Pad", &["x"], &["z"], &[("pads", A::Ints(&[0, 1, 0, 1])), ("mode", A::Str("edge"))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[3, 3], &[3.0, -2.5, -1.625, 3.0, 2.0, -1.875, 3.0, 3.0, 3.0]),
            (DType::F32, &[2, 4], &[-2.5, -2.5, -1.625, -1.625, 2.0, 2.0, -1.875, -1.875]),
        ]);
}

#[test]
fn topk_attribute() {
    Case::new(9)
        .input("x", f32s(&[2, 4], 0))
        .node("TopK", &["x"], &["v", "i"], &[("k", A::Int(2))])
        .outputs(&["v", "i"])
        .gives(&[(DType::F32, &[2, 2], &[2.0, -1.625, 2.125, -0.125]), (DType::I64, &[2, 2], &[2.0, 1.0, 0.0, 3.0])]);
}

#[test]
fn upsample_scales() {
    Case::new(7)
        .input("x", f32s(&[1, 1, 2, 2], 0))
        .node("Upsample", &["x"], &["y"], &[("scales", A::Floats(&[1.0, 1.0, 2.0, 3.0]))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 1, 4, 6],
            &[
                -2.5, -2.5, -2.5, -1.625, -1.625, -1.625, -2.5, -2.5, -2.5, -1.625, -1.625, -1.625, 2.0, 2.0, 2.0,
                -1.875, -1.875, -1.875, 2.0, 2.0, 2.0, -1.875, -1.875, -1.875,
            ],
        )]);
}

#[test]
fn upsample_scales_as_input() {
    Case::new(9)
        .input("x", f32s(&[1, 1, 2, 2], 0))
        .weight("s", floats(&[1.0, 1.0, 2.0, 2.0]))
        .node("Upsample", &["x", "s"], &["y"], &[("mode", A::Str("linear"))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 1, 4, 4],
            &[
                -2.5, -2.0625, -1.625, -1.625, -0.25, -1.0, -1.75, -1.75, 2.0, 0.0625, -1.875, -1.875, 2.0, 0.0625,
                -1.875, -1.875,
            ],
        )]);
}

#[test]
fn resize_before_regions() {
    Case::new(10)
        .input("x", f32s(&[1, 1, 2, 4], 0))
        .weight("s", floats(&[1.0, 1.0, 2.0, 0.5]))
        .node("Resize", &["x", "s"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 4, 2], &[-2.5, 2.0, -2.5, 2.0, 2.125, -2.125, 2.125, -2.125])]);
}

#[test]
fn batch_normalization_of_old() {
    Case::new(7)
        .input("x", f32s(&[1, 2, 2], 0))
        .weight("s", f32s(&[2], 1))
        .weight("b", f32s(&[2], 2))
        .weight("m", f32s(&[2], 3))
        .weight("v", positive(&[2], 4))
        .node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"], &[("epsilon", A::Float(0.01))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 2, 2], &[-2.6413665, -1.611554, 2.5, 6.5494204])]);
}

#[test]
fn scatter() {
    Case::new(9)
        .input("x", f32s(&[2, 3], 0))
        .input("i", Tensor::from_f64(DType::I64, &[1, 3], &[1.0, 0.0, 1.0]))
        .input("u", f32s(&[1, 3], 7))
        .node("Scatter", &["x", "i", "u"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 3], &[-2.5, 0.0, 2.0, -0.875, 2.125, -1.5])]);
}
