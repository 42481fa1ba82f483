//! What the import refuses, and how it says so.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn every_unsupported_node_is_listed() {
    let found = Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .node("NoSuchOp", &["x"], &["a"], &[("depth", A::Int(3)), ("mode", A::Str("fast"))])
        .node("com.microsoft::NoSuchOp", &["a"], &["b"], &[])
        .node("Relu", &["b"], &["c"], &[])
        .node("Mish", &["x"], &["d"], &[])
        .node("Relu", &["x"], &["e"], &[("slope", A::Float(0.5))])
        .node("ImageDecoder", &["x"], &["f"], &[])
        .outputs(&["c", "d", "e", "f"])
        .refused();
    let expected = "\
unsupported: node \"a\" (NoSuchOp, opset 17): no such operator is supported
  note: input \"x\" is f32[2,3]
  note: attributes: depth = 3, mode = \"fast\"
unsupported: node \"b\" (com.microsoft.NoSuchOp, opset 1): no such operator is supported
  note: input \"a\" is not imported
unsupported: node \"d\" (Mish, opset 17): supported from opset 18 on
  note: input \"x\" is f32[2,3]
unsupported: node \"e\" (Relu, opset 17): attribute \"slope\" is not known
  note: input \"x\" is f32[2,3]
  note: attributes: slope = 0.5
unsupported: node \"f\" (ImageDecoder, opset 17): no such operator is supported
  note: input \"x\" is f32[2,3]";
    assert_eq!(found, expected);
}

#[test]
fn users_of_a_failed_node_say_nothing() {
    let found = Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .node("Transpose", &["x"], &["a"], &[("perm", A::Ints(&[0, 5]))])
        .node("Add", &["a", "x"], &["b"], &[])
        .node("Shape", &["b"], &["s"], &[])
        .outputs(&["b", "s"])
        .refused();
    assert_eq!(
        found.lines().next(),
        Some("invalid: node \"a\" (Transpose, opset 17): axis 5 is outside of a tensor of rank 2")
    );
    assert_eq!(found.matches("node \"").count(), 1, "{found}");
}

/// The first line of what is said of one node on x: f32[2,3] and weights.
#[track_caller]
fn said(opset: i64, op: &str, inputs: &[&str], attrs: &[(&str, A<'_>)], expected: &str) {
    let found = Case::new(opset)
        .input("x", f32s(&[2, 3], 0))
        .input("n", i64s(&[1, 2]))
        .weight("w", f32s(&[4, 3], 0))
        .weight("i", i64s(&[7]))
        .weight("h", Tensor::scalar(DType::F16, 1.0))
        .node(op, inputs, &["y"], attrs)
        .outputs(&["y"])
        .refused();
    assert_eq!(found.lines().next(), Some(expected));
}

#[test]
fn one_wrong_thing_each() {
    said(17, "Add", &["x"], &[], "invalid: node \"y\" (Add, opset 17): input 1 is missing");
    said(17, "Add", &["x", ""], &[], "invalid: node \"y\" (Add, opset 17): input 1 is missing");
    said(17, "Add", &["x", "h"], &[], "invalid: node \"y\" (Add, opset 17): element types differ: f32 and f16");
    said(17, "MatMul", &["x", "w"], &[], "invalid: node \"y\" (MatMul, opset 17): inner dimensions differ: 3 and 4");
    said(
        17,
        "Gather",
        &["x", "i"],
        &[],
        "invalid: node \"y\" (Gather, opset 17): index 7 is outside of a dimension of 2",
    );
    said(
        17,
        "Softmax",
        &["x"],
        &[("axis", A::Str("last"))],
        "invalid: node \"y\" (Softmax, opset 17): attribute axis = \"last\" is not an integer",
    );
    said(
        17,
        "Softmax",
        &["x"],
        &[("axis", A::Int(2))],
        "invalid: node \"y\" (Softmax, opset 17): axis 2 is outside of a tensor of rank 2",
    );
    said(
        17,
        "ReduceSum",
        &["x"],
        &[("axes", A::Ints(&[0]))],
        "invalid: node \"y\" (ReduceSum, opset 17): attribute axes does not exist since opset 13",
    );
    said(
        17,
        "Add",
        &["x", "x"],
        &[("axis", A::Int(0))],
        "invalid: node \"y\" (Add, opset 17): attribute axis does not exist since opset 7",
    );
    said(17, "Unsqueeze", &["x", "n"], &[], "unsupported: node \"y\" (Unsqueeze, opset 17): axes must be a constant");
    said(
        17,
        "Cast",
        &["x"],
        &[("to", A::Int(14))],
        "unsupported: node \"y\" (Cast, opset 17): element type 14 (complex64)",
    );
    said(17, "Cast", &["x"], &[], "invalid: node \"y\" (Cast, opset 17): attribute to is missing");
    said(
        17,
        "Einsum",
        &["x"],
        &[("equation", A::Str("ijk->i"))],
        "invalid: node \"y\" (Einsum, opset 17): term \"ijk\" for 2 axes",
    );
    said(17, "Resize", &["x", "", "i"], &[], "invalid: node \"y\" (Resize, opset 17): 1 scales for 2 axes");
    said(17, "Loop", &["i", "", "x"], &[], "invalid: node \"y\" (Loop, opset 17): the body is missing");
}

#[test]
fn sizes_beyond_all_measure() {
    let big = i64::MAX;
    let said = |op: &str, weight: Tensor, attrs: &[(&str, A<'_>)]| {
        let case = Case::new(17)
            .input("x", f32s(&[2, 3], 0))
            .weight("w", weight)
            .node(op, if op == "ConstantOfShape" { &["w"] } else { &["x", "w"] }, &["y"], attrs)
            .outputs(&["y"]);
        match case.import_with(&Default::default()) {
            Ok(module) => module.main.ty(module.main.results[0].value).to_string(),
            Err(found) => found.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    };
    // A large constant is one element, repeated where somebody reads it.
    assert_eq!(said("ConstantOfShape", i64s(&[1 << 40, 1 << 10]), &[]), "f32[1099511627776,1024]");
    let refused = said("ConstantOfShape", i64s(&[1 << 40, 1 << 40]), &[]);
    assert!(refused.starts_with("invalid: node \"y\" (ConstantOfShape, opset 17): the element count of"), "{refused}");
    for shape in [&[big, 1][..], &[-1], &[i64::MIN, 2]] {
        let refused = said("ConstantOfShape", i64s(shape), &[]);
        assert!(refused.starts_with("invalid:") || refused.starts_with("unsupported:"), "{refused}");
    }
    assert_eq!(said("Expand", i64s(&[1 << 40, 1, 3]), &[]), "f32[1099511627776,2,3]");
    assert_eq!(said("Tile", i64s(&[1 << 30, 1]), &[]), "f32[2147483648,3]");
    for (op, weight) in [
        ("Tile", i64s(&[big, big])),
        ("Tile", i64s(&[-1, 1])),
        ("Expand", i64s(&[-2, 3])),
        ("Expand", i64s(&[big, 3])),
        ("Reshape", i64s(&[big, -1])),
        ("Reshape", i64s(&[-1, -1])),
        ("Reshape", i64s(&[i64::MIN, 6])),
        ("Pad", i64s(&[big, big, big, big])),
        ("Pad", i64s(&[i64::MIN, 0, 0, 0])),
        ("Pad", i64s(&[-3, 0, 0, 0])),
        ("TopK", i64s(&[-1])),
        ("TopK", i64s(&[big])),
        ("Unsqueeze", i64s(&[big])),
        ("Unsqueeze", i64s(&[i64::MIN])),
        ("Squeeze", i64s(&[big])),
    ] {
        let refused = said(op, weight, &[]);
        assert!(refused.starts_with("invalid:") || refused.starts_with("unsupported:"), "{op}: {refused}");
    }
    // Beyond the ends is as good as infinite.
    let sliced = Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .weight("s", i64s(&[i64::MIN, big]))
        .weight("e", i64s(&[big, i64::MIN]))
        .weight("a", i64s(&[0, 1]))
        .weight("p", i64s(&[big, i64::MIN]))
        .node("Slice", &["x", "s", "e", "a", "p"], &["y"], &[])
        .outputs(&["y"]);
    assert_eq!(sliced.import().main.ty(sliced.import().main.results[0].value).to_string(), "f32[1,1]");
}

#[test]
fn a_range_without_end() {
    let said = |start: Tensor, limit: Tensor, delta: Tensor| {
        let case = Case::new(17)
            .weight("s", start)
            .weight("l", limit)
            .weight("d", delta)
            .node("Range", &["s", "l", "d"], &["y"], &[])
            .outputs(&["y"]);
        match case.import_with(&Default::default()) {
            Ok(module) => module.main.ty(module.main.results[0].value).to_string(),
            Err(found) => found.to_string(),
        }
    };
    let int = |value: i64| Tensor::from_i64(DType::I64, &[], &[value]);
    assert_eq!(said(int(0), int(1 << 50), int(1)), "i64[1125899906842624]");
    assert_eq!(said(int(5), int(0), int(1)), "i64[0]");
    assert!(said(int(0), int(5), int(0)).contains("delta is 0"));
    assert!(said(int(0), int(i64::MAX), int(1)).contains("below 2^60"));
    let float = |value: f64| Tensor::scalar(DType::F32, value);
    for delta in [0.0, f64::NAN, 1e-30] {
        assert!(said(float(0.0), float(5.0), float(delta)).contains("no range"), "{delta}");
    }
}
