//! Convolutions whose weights have open sizes give what those with known sizes give.

use lathe_compiler::onnx::import::ImportOptions;
use lathe_ir::{OpCode, eval_module};

use crate::support::*;

/// Imports the node with open sizes and with all sizes known, and compares the first output.
#[track_caller]
fn same(op: &str, shapes: &[&[usize]], attrs: &[(&str, A<'_>)]) {
    let names = ["x", "w", "b"];
    let mut case = Case::new(if op == "CausalConvWithState" { 27 } else { 22 });
    let mut inputs = Vec::new();
    for (index, (name, shape)) in names.iter().zip(shapes).enumerate() {
        let open: Vec<String> = (0..shape.len()).map(|axis| format!("{name}{axis}")).collect();
        let open: Vec<D<'_>> = open.iter().map(|dim| D::Name(dim)).collect();
        let value = f32s(shape, index);
        inputs.push(value.clone());
        case = case.input_dims(name, &open, value);
    }
    let case = case.node(op, &names[..shapes.len()], &["y"], attrs).outputs(&["y"]);
    let fixed = names
        .iter()
        .zip(shapes)
        .map(|(name, shape)| (name.to_string(), shape.iter().map(|&size| size as i64).collect()));
    let known = case.import_with(&ImportOptions { shapes: fixed.collect(), ..ImportOptions::default() }).unwrap();
    let wanted = eval_module(&known, inputs.clone()).unwrap();
    let open = case.import();
    assert!(
        !open.main.iter().any(|(_, op)| matches!(op.code, OpCode::Conv | OpCode::ConvTranspose)),
        "{op} {shapes:?}"
    );
    let found = eval_module(&open, inputs).unwrap();
    assert_eq!(found[0].shape(), wanted[0].shape(), "{op} {shapes:?}");
    for (at, (found, wanted)) in found[0].to_f64().into_iter().zip(wanted[0].to_f64()).enumerate() {
        assert!((found - wanted).abs() <= 1e-5, "{op} {shapes:?}: element {at}: {found}, expected {wanted}");
    }
}

#[test]
fn convolutions() {
    let case = |shapes: &[&[usize]], attrs: &[(&str, A<'_>)]| same("Conv", shapes, attrs);
    case(&[&[2, 3, 7], &[4, 3, 3], &[4]], &[]);
    case(
        &[&[1, 4, 9, 8], &[6, 2, 3, 2], &[6]],
        &[
            ("group", A::Int(2)),
            ("strides", A::Ints(&[2, 1])),
            ("dilations", A::Ints(&[1, 2])),
            ("pads", A::Ints(&[1, 0, 2, 3])),
        ],
    );
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"] {
        case(&[&[1, 2, 7, 6], &[3, 2, 4, 3]], &[("auto_pad", A::Str(auto)), ("strides", A::Ints(&[3, 2]))]);
    }
}

#[test]
fn transposed_convolutions() {
    let case = |shapes: &[&[usize]], attrs: &[(&str, A<'_>)]| same("ConvTranspose", shapes, attrs);
    case(&[&[2, 3, 5], &[3, 4, 3], &[4]], &[]);
    case(
        &[&[1, 4, 3, 4], &[4, 3, 3, 2], &[6]],
        &[
            ("group", A::Int(2)),
            ("strides", A::Ints(&[2, 3])),
            ("dilations", A::Ints(&[2, 1])),
            ("pads", A::Ints(&[1, 2, 0, 1])),
            ("output_padding", A::Ints(&[1, 2])),
        ],
    );
    // More is cut off than the kernel reaches.
    case(&[&[1, 2, 6], &[2, 1, 2]], &[("pads", A::Ints(&[3, 2]))]);
    for auto in ["SAME_UPPER", "SAME_LOWER"] {
        case(&[&[1, 2, 4, 3], &[2, 2, 4, 2]], &[("auto_pad", A::Str(auto)), ("strides", A::Ints(&[2, 3]))]);
    }
    case(&[&[1, 2, 3, 3], &[2, 2, 3, 3]], &[("output_shape", A::Ints(&[10, 8])), ("strides", A::Ints(&[3, 2]))]);
}

#[test]
fn causal_convolutions() {
    same("CausalConvWithState", &[&[2, 3, 6], &[3, 1, 4], &[3]], &[("activation", A::Str("silu"))]);
    same("CausalConvWithState", &[&[1, 2, 2], &[2, 1, 5]], &[]);
}

/// The attribute tells what the weights leave open.
#[test]
fn the_kernel_shape_is_learned() {
    let open = |name| [D::Name(name), D::Size(2), D::Unnamed];
    let module = Case::new(22)
        .input_dims("x", &open("n"), f32s(&[1, 2, 5], 0))
        .input_dims("w", &open("m"), f32s(&[1, 2, 3], 0))
        .node("Conv", &["x", "w"], &["y"], &[("kernel_shape", A::Ints(&[3]))])
        .outputs(&["y"])
        .import();
    assert!(module.main.iter().any(|(_, op)| op.code == OpCode::Conv));
    assert_eq!(module.main.ty(module.main.params[1].value).to_string(), "f32[m,2,3]");
}
