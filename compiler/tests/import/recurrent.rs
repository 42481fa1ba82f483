//! Recurrent operators; the expected numbers are onnxruntime's.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn lstm_both_ways() {
    Case::new(14)
        .input("x", f32s(&[3, 2, 2], 0))
        .input("w", f32s(&[2, 8, 2], 3))
        .input("r", f32s(&[2, 8, 2], 6))
        .input("b", f32s(&[2, 16], 9))
        .input("lens", Tensor::from_i64(DType::I32, &[2], &[2, 3]))
        .input("h", f32s(&[2, 2, 2], 15))
        .input("c", f32s(&[2, 2, 2], 18))
        .input("p", f32s(&[2, 6], 21))
        .node(
            "LSTM",
            &["x", "w", "r", "b", "lens", "h", "c", "p"],
            &["y", "yh", "yc"],
            &[
                ("direction", A::Str("bidirectional")),
                ("hidden_size", A::Int(2)),
                ("clip", A::Float(1.5)),
                ("activations", A::Strs(&["HardSigmoid", "Tanh", "Softsign", "Sigmoid", "ScaledTanh", "Tanh"])),
                ("activation_alpha", A::Floats(&[0.25, 0.5])),
                ("activation_beta", A::Floats(&[0.5, 0.75])),
            ],
        )
        .outputs(&["y", "yh", "yc"])
        .gives(&[
            (
                DType::F32,
                &[3, 2, 2, 2],
                &[
                    -0.037323792,
                    -0.22605215,
                    -0.032236896,
                    -0.18023415,
                    -0.1422374,
                    -0.0041186358,
                    0.020262387,
                    0.066738702,
                    -0.017828612,
                    0.19390941,
                    -0.021825593,
                    -0.04885792,
                    -0.1602179,
                    -0.03368175,
                    0.018866491,
                    0.10215219,
                    0.0,
                    0.0,
                    -0.073470205,
                    0.25019091,
                    0.0,
                    0.0,
                    -0.049469244,
                    0.66169655,
                ],
            ),
            (
                DType::F32,
                &[2, 2, 2],
                &[
                    -0.017828612,
                    0.19390941,
                    -0.073470205,
                    0.25019091,
                    -0.1422374,
                    -0.0041186358,
                    0.020262387,
                    0.066738702,
                ],
            ),
            (
                DType::F32,
                &[2, 2, 2],
                &[-0.16635607, 0.2847043, -0.21668696, 0.40042779, -0.17576271, -0.022580914, 0.11153227, 0.38361269],
            ),
        ]);
}

#[test]
fn gru_before_reset() {
    Case::new(14)
        .input("x", f32s(&[3, 2, 2], 0))
        .input("w", f32s(&[1, 6, 2], 3))
        .input("r", f32s(&[1, 6, 2], 6))
        .input("b", f32s(&[1, 12], 9))
        .input("h", f32s(&[1, 2, 2], 15))
        .node(
            "GRU",
            &["x", "w", "r", "b", "", "h"],
            &["y", "yh"],
            &[("hidden_size", A::Int(2)), ("linear_before_reset", A::Int(1)), ("direction", A::Str("reverse"))],
        )
        .outputs(&["y", "yh"])
        .gives(&[
            (
                DType::F32,
                &[3, 1, 2, 2],
                &[
                    0.96472633,
                    0.99932778,
                    -0.98741001,
                    0.98226702,
                    -0.95425886,
                    0.99628353,
                    0.93951041,
                    0.39286399,
                    0.42774469,
                    0.97291934,
                    -0.9024263,
                    0.92994893,
                ],
            ),
            (DType::F32, &[1, 2, 2], &[0.96472633, 0.99932778, -0.98741001, 0.98226702]),
        ]);
}

#[test]
fn gru() {
    Case::new(7)
        .input("x", f32s(&[2, 1, 3], 0))
        .input("w", f32s(&[1, 6, 3], 3))
        .input("r", f32s(&[1, 6, 2], 6))
        .input("b", f32s(&[1, 12], 9))
        .node("GRU", &["x", "w", "r", "b"], &["y", "yh"], &[])
        .outputs(&["y", "yh"])
        .gives(&[
            (DType::F32, &[2, 1, 1, 2], &[0.99977595, -0.80018753, 0.9994694, 0.031614929]),
            (DType::F32, &[1, 1, 2], &[0.9994694, 0.031614929]),
        ]);
}

#[test]
fn rnn_of_the_first_opset() {
    Case::new(6)
        .input("x", f32s(&[3, 1, 2], 0))
        .input("w", f32s(&[1, 2, 2], 3))
        .input("r", f32s(&[1, 2, 2], 6))
        .node("RNN", &["x", "w", "r"], &["y", "yh"], &[("output_sequence", A::Int(1)), ("hidden_size", A::Int(2))])
        .outputs(&["y", "yh"])
        .gives(&[
            (DType::F32, &[3, 1, 1, 2], &[-0.99998915, -0.99944395, -0.92530686, -0.9106164, -0.43633348, -0.56903678]),
            (DType::F32, &[1, 1, 2], &[-0.43633348, -0.56903678]),
        ]);
}

#[test]
fn batch_first_is_the_same_transposed() {
    let (x, w, r) = (f32s(&[2, 3, 2], 0), f32s(&[1, 8, 2], 3), f32s(&[1, 8, 2], 6));
    let case = Case::new(22)
        .input("x", x)
        .weight("w", w)
        .weight("r", r)
        .node("LSTM", &["x", "w", "r"], &["y", "yh", "yc"], &[("layout", A::Int(1))])
        .node("Transpose", &["x"], &["xt"], &[("perm", A::Ints(&[1, 0, 2]))])
        .node("LSTM", &["xt", "w", "r"], &["z", "zh", "zc"], &[])
        .node("Transpose", &["z"], &["zt"], &[("perm", A::Ints(&[2, 0, 1, 3]))])
        .node("Transpose", &["zc"], &["zct"], &[("perm", A::Ints(&[1, 0, 2]))])
        .node("Sub", &["y", "zt"], &["d"], &[])
        .node("Sub", &["yc", "zct"], &["dc"], &[])
        .outputs(&["d", "dc"]);
    case.gives(&[(DType::F32, &[2, 3, 1, 2], &[0.0; 12]), (DType::F32, &[2, 1, 2], &[0.0; 4])]);
}

#[test]
fn what_is_wrong_is_said() {
    let said = |attrs: &[(&str, A<'_>)], b: Tensor| {
        let case = Case::new(14)
            .input("x", f32s(&[3, 1, 2], 0))
            .weight("w", f32s(&[1, 6, 2], 3))
            .weight("r", f32s(&[1, 6, 2], 6))
            .weight("b", b);
        case.node("GRU", &["x", "w", "r", "b"], &["y"], attrs).outputs(&["y"]).refused()
    };
    let b = || f32s(&[1, 12], 0);
    for (attrs, message) in [
        (&[("activations", A::Strs(&["Tanh"]))][..], "1 activations, 2 are needed"),
        (&[("activations", A::Strs(&["Tanh", "Gelu"]))], "activations has \"Gelu\""),
        (&[("activations", A::Strs(&["Tanh", "ScaledTanh"]))], "ScaledTanh needs activation_alpha"),
        (&[("hidden_size", A::Int(3))], "columns of R: 2, it must be 3"),
        (&[("direction", A::Str("bidirectional"))], "a dimension of W and what it must be differ: 1 and 2"),
        (&[("direction", A::Str("up"))], "direction = \"up\""),
        (&[("clip", A::Float(-1.0))], "clip = -1"),
        (&[("layout", A::Int(2))], "layout = 2"),
        (&[("output_sequence", A::Int(1))], "attribute output_sequence does not exist since opset 7"),
    ] {
        let refused = said(attrs, b());
        assert!(refused.contains(message), "{refused}");
    }
    let refused = said(&[], f32s(&[1, 6], 0));
    assert!(refused.contains("a dimension of B and what it must be differ"), "{refused}");
}
