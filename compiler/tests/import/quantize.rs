//! Quantisation and products of integers; the expected numbers are onnxruntime's.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn quantize_along_an_axis() {
    Case::new(21)
        .input("a", f32s(&[2, 3], 0))
        .input("b", floats(&[0.5, 1.5, 0.03]))
        .input("c", Tensor::from_i64(DType::I8, &[3], &[0, 3, -5]))
        .node("QuantizeLinear", &["a", "b", "c"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I8, &[2, 3], &[-5.0, 2.0, 62.0, -4.0, 4.0, -51.0])]);
}

#[test]
fn quantize_to_u8_by_default() {
    Case::new(21)
        .input("a", f32s(&[5], 0))
        .input("b", Tensor::from_f32(&[], &[0.01]))
        .node("QuantizeLinear", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::U8, &[5], &[0.0, 0.0, 200.0, 0.0, 212.0])]);
}

#[test]
fn dequantize_blocks() {
    Case::new(21)
        .input("a", ints(DType::I8, &[3, 4], 1, -9, 19))
        .input("b", Tensor::from_f32(&[2, 4], &[0.5, 1.0, 2.0, 0.25, 3.0, 0.125, 1.5, 0.75]))
        .input("c", ints(DType::I8, &[2, 4], 2, -3, 7))
        .node("DequantizeLinear", &["a", "b", "c"], &["y"], &[("axis", A::Int(0)), ("block_size", A::Int(2))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[3, 4], &[-4.5, -2.0, 10.0, -1.75, 0.0, -12.0, -10.0, 0.5, -30.0, -0.375, 6.0, -6.0])]);
}

#[test]
fn dequantize_i32() {
    Case::new(21)
        .input("a", Tensor::from_i64(DType::I32, &[3], &[16777217, -3, 0]))
        .input("b", Tensor::from_f32(&[], &[0.5]))
        .node("DequantizeLinear", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[3], &[8388608.0, -1.5, 0.0])]);
}

#[test]
fn dynamic_quantize() {
    Case::new(21)
        .input("a", f32s(&[2, 3], 0))
        .node("DynamicQuantizeLinear", &["a"], &["y", "s", "z"], &[])
        .outputs(&["y", "s", "z"])
        .gives(&[
            (DType::U8, &[2, 3], &[0.0, 48.0, 248.0, 35.0, 255.0, 62.0]),
            (DType::F32, &[], &[0.018137256]),
            (DType::U8, &[], &[138.0]),
        ]);
}

#[test]
fn matmul_integer() {
    Case::new(21)
        .input("a", ints(DType::U8, &[2, 3], 1, 0, 250))
        .weight("b", ints(DType::I8, &[3, 2], 2, -100, 201))
        .input("c", Tensor::from_i64(DType::U8, &[], &[200]))
        .input("d", Tensor::from_i64(DType::I8, &[2], &[5, -7]))
        .node("MatMulInteger", &["a", "b", "c", "d"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[2, 2], &[48646.0, 37816.0, 43291.0, 33658.0])]);
}

#[test]
fn matmul_integer_beyond_what_f32_holds() {
    Case::new(21)
        .input("a", Tensor::from_i64(DType::U8, &[1, 1000], &[255; 1000]))
        .weight("b", Tensor::from_i64(DType::U8, &[1000, 1], &[255; 1000]))
        .node("MatMulInteger", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[1, 1], &[65025000.0])]);
}

#[test]
fn matmul_integer_of_unknown_weights() {
    Case::new(21)
        .input("a", ints(DType::U8, &[2, 600], 1, 0, 256))
        .input("b", ints(DType::U8, &[600, 1], 2, 0, 256))
        .node("MatMulInteger", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[2, 1], &[12550208.0, 8270496.0])]);
}

#[test]
fn conv_integer() {
    Case::new(21)
        .input("a", ints(DType::U8, &[1, 2, 3, 3], 1, 0, 256))
        .input("b", ints(DType::U8, &[2, 2, 2, 2], 2, 0, 256))
        .input("c", Tensor::from_i64(DType::U8, &[], &[9]))
        .input("d", Tensor::from_i64(DType::U8, &[], &[100]))
        .node("ConvInteger", &["a", "b", "c", "d"], &["y"], &[("pads", A::Ints(&[1, 0, 0, 1]))])
        .outputs(&["y"])
        .gives(&[(
            DType::I32,
            &[1, 2, 3, 3],
            &[
                -5437.0, -7187.0, -4332.0, -17748.0, -21640.0, -12542.0, -29424.0, -33316.0, -18674.0, 1059.0, 877.0,
                92.0, -52.0, -808.0, -1342.0, -2320.0, -3076.0, -2770.0,
            ],
        )]);
}

#[test]
fn conv_integer_cut_by_channels() {
    Case::new(21)
        .input("a", Tensor::from_i64(DType::U8, &[1, 40, 3, 3], &[255; 360]))
        .weight("b", Tensor::from_i64(DType::U8, &[1, 40, 3, 3], &[251; 360]))
        .node("ConvInteger", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::I32, &[1, 1, 1, 1], &[23041800.0])]);
}

#[test]
fn qlinear_matmul() {
    Case::new(21)
        .input("a", ints(DType::U8, &[2, 3], 1, 0, 250))
        .input("b", Tensor::from_f32(&[], &[0.05]))
        .input("c", Tensor::from_i64(DType::U8, &[], &[100]))
        .input("d", ints(DType::I8, &[3, 2], 2, -100, 201))
        .input("e", floats(&[0.02, 0.03]))
        .input("f", Tensor::from_i64(DType::I8, &[2], &[1, -1]))
        .input("g", Tensor::from_f32(&[], &[0.7]))
        .input("h", Tensor::from_i64(DType::U8, &[], &[120]))
        .node("QLinearMatMul", &["a", "b", "c", "d", "e", "f", "g", "h"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::U8, &[2, 2], &[152.0, 162.0, 144.0, 152.0])]);
}

#[test]
fn qlinear_conv() {
    Case::new(21)
        .input("a", ints(DType::U8, &[1, 2, 3, 3], 1, 0, 256))
        .input("b", Tensor::from_f32(&[], &[0.02]))
        .input("c", Tensor::from_i64(DType::U8, &[], &[9]))
        .input("d", ints(DType::I8, &[2, 1, 2, 2], 2, -120, 256))
        .input("e", floats(&[0.01, 0.05]))
        .input("f", Tensor::from_i64(DType::I8, &[2], &[0, 0]))
        .input("g", Tensor::from_f32(&[], &[0.9]))
        .input("h", Tensor::from_i64(DType::U8, &[], &[128]))
        .input("i", Tensor::from_i64(DType::I32, &[2], &[100, -300]))
        .node("QLinearConv", &["a", "b", "c", "d", "e", "f", "g", "h", "i"], &["y"], &[("group", A::Int(2))])
        .outputs(&["y"])
        .gives(&[(DType::U8, &[1, 2, 2, 2], &[127.0, 127.0, 125.0, 125.0, 104.0, 102.0, 97.0, 95.0])]);
}

#[test]
fn qlinear_add() {
    Case::new(21)
        .input("a", ints(DType::U8, &[2, 3], 1, 0, 250))
        .input("b", Tensor::from_f32(&[], &[0.05]))
        .input("c", Tensor::from_i64(DType::U8, &[], &[100]))
        .input("d", ints(DType::U8, &[3], 2, 0, 200))
        .input("e", Tensor::from_f32(&[], &[0.02]))
        .input("f", Tensor::from_i64(DType::U8, &[], &[9]))
        .input("g", Tensor::from_f32(&[], &[0.11]))
        .input("h", Tensor::from_i64(DType::U8, &[], &[20]))
        .node("com.microsoft::QLinearAdd", &["a", "b", "c", "d", "e", "f", "g", "h"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::U8, &[2, 3], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0])]);
}

#[test]
fn dynamic_quantize_matmul() {
    Case::new(21)
        .input("a", f32s(&[2, 3], 0))
        .input("b", ints(DType::I8, &[3, 2], 2, -100, 201))
        .input("c", floats(&[0.02, 0.03]))
        .input("d", Tensor::from_i64(DType::I8, &[2], &[1, -1]))
        .input("e", floats(&[0.5, -0.25]))
        .node("com.microsoft::DynamicQuantizeMatMul", &["a", "b", "c", "d", "e"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[5.2265687, 6.2620001, 2.4588237, 2.3846176])]);
}

#[test]
fn matmul_integer_to_float() {
    Case::new(21)
        .input("a", ints(DType::U8, &[2, 3], 1, 0, 250))
        .input("b", ints(DType::I8, &[3, 2], 2, -100, 201))
        .input("c", Tensor::from_f32(&[], &[0.5]))
        .input("d", Tensor::from_f32(&[], &[0.25]))
        .input("e", Tensor::from_i64(DType::U8, &[], &[7]))
        .input("f", Tensor::from_i64(DType::I8, &[], &[-3]))
        .node("com.microsoft::MatMulIntegerToFloat", &["a", "b", "c", "d", "e", "f", ""], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-62.125, -54.25, -668.5, -605.5])]);
}

#[test]
fn what_is_wrong_is_said() {
    let said = |op: &str, inputs: &[Tensor], attrs: &[(&str, A<'_>)]| {
        let names: Vec<String> = (0..inputs.len()).map(|at| format!("x{at}")).collect();
        let mut case = Case::new(21);
        for (name, input) in names.iter().zip(inputs) {
            case = case.input(name, input.clone());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        case.node(op, &names, &["y"], attrs).outputs(&["y"]).refused()
    };
    let (x, q) = (f32s(&[2, 3], 0), ints(DType::U8, &[2, 3], 0, 0, 9));
    for (op, inputs, attrs, message) in [
        ("QuantizeLinear", vec![x.clone(), floats(&[1.0, 2.0])], &[][..], "differ: 2 and 3"),
        ("QuantizeLinear", vec![x.clone(), floats(&[1.0]), i64s(&[0])], &[], "quantising to i64"),
        ("DequantizeLinear", vec![q.clone(), floats(&[1.0])], &[("block_size", A::Int(2))], "blocks of 1 axes"),
        ("DequantizeLinear", vec![q.clone(), i64s(&[1])], &[], "scales of i64"),
        ("MatMulInteger", vec![x.clone(), q.clone()], &[], "an operand of f32, i8 or u8 is needed"),
        ("MatMulInteger", vec![q.clone(), q.clone()], &[], "inner dimensions differ"),
        ("ConvInteger", vec![q.clone(), q.clone()], &[], "weights of 2 axes"),
        ("DynamicQuantizeLinear", vec![q], &[], "x is u8[2,3]"),
    ] {
        let refused = said(op, &inputs, attrs);
        assert!(refused.contains(message), "{op}: {refused}");
    }
}

#[test]
fn quantize_to_narrow_floats() {
    let case = |attrs: &[(&str, A)], dtype, values: &[f64]| {
        Case::new(24)
            .input("a", floats(&[1.0, -3.3, 1000.0, 0.0, 1e9]))
            .input("b", Tensor::from_f32(&[], &[2.0]))
            .weight("z", Tensor::scalar(dtype, 0.0))
            .node("QuantizeLinear", &["a", "b", "z"], &["y"], attrs)
            .node("DequantizeLinear", &["y", "b", "z"], &["w"], &[])
            .outputs(&["y", "w"])
            .gives(&[
                (dtype, &[5], values),
                (DType::F32, &[5], &values.iter().map(|value| value * 2.0).collect::<Vec<_>>()),
            ]);
    };
    case(&[], DType::F8E4M3FN, &[0.5, -1.625, 448.0, 0.0, 448.0]);
    case(&[("saturate", A::Int(0))], DType::F8E5M2, &[0.5, -1.75, 512.0, 0.0, f64::INFINITY]);
    case(&[], DType::F4E2M1, &[0.5, -1.5, 6.0, 0.0, 6.0]);
}

#[test]
fn quantize_blocks_to_4_bits() {
    let attrs = [("axis", A::Int(1)), ("block_size", A::Int(2))];
    Case::new(25)
        .input("a", Tensor::from_f32(&[2, 4], &[0.7, -0.35, 1.2, 2.9, -1.5, 0.6, -3.3, 0.2]))
        .input("b", Tensor::from_f32(&[2, 2], &[0.1, 0.5, 1.0, 0.25]))
        .weight("c", Tensor::from_i64(DType::U4, &[2, 2], &[8, 0, 3, 15]))
        .node("QuantizeLinear", &["a", "b", "c"], &["y"], &attrs)
        .node("DequantizeLinear", &["y", "b", "c"], &["w"], &attrs)
        .outputs(&["y", "w"])
        .gives(&[
            (DType::U4, &[2, 4], &[15.0, 4.0, 2.0, 6.0, 1.0, 4.0, 2.0, 15.0]),
            (DType::F32, &[2, 4], &[0.7, -0.4, 1.0, 3.0, -2.0, 1.0, -3.25, 0.0]),
        ]);
}

/// Scales that are powers of two.
#[test]
fn dequantize_by_f8e8m0() {
    Case::new(28)
        .input("a", Tensor::from_f64(DType::F4E2M1, &[2, 2], &[1.5, -6.0, 0.5, 3.0]))
        .input("b", Tensor::from_f64(DType::F8E8M0, &[2], &[0.25, 8.0]))
        .node("DequantizeLinear", &["a", "b"], &["y"], &[("output_dtype", A::Int(1)), ("axis", A::Int(0))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[0.375, -1.5, 4.0, 24.0])]);
}

#[test]
fn rounding_modes_are_checked() {
    let case = |mode: &'static str| {
        Case::new(24)
            .input("a", floats(&[1.1, 5.9, 1.5]))
            .node("Cast", &["a"], &["y"], &[("to", A::Int(24)), ("round_mode", A::Str(mode))])
            .outputs(&["y"])
    };
    case("down").gives(&[(DType::F8E8M0, &[3], &[1.0, 4.0, 1.0])]);
    case("nearest").gives(&[(DType::F8E8M0, &[3], &[1.0, 4.0, 2.0])]);
    assert!(case("sideways").refused().contains("is none of up, down, nearest"));
}
