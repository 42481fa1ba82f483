//! `lathe check` lists everything in one run.

use crate::model::{Case, node, value};
use lathe_ir::{DType, Tensor};

#[test]
fn every_unsupported_node_is_listed() {
    let inputs = vec![value("x", DType::F32, &[Some(2), Some(4)])];
    let nodes = vec![
        node("first", "com.example::Frobnicate", &["x"], &[("speed", 3)]),
        node("second", "Softmax", &["x"], &[("axis", 1), ("hurry", 1)]),
        // Behind a node that failed, what can be told without its result is still told.
        node("third", "com.microsoft::Whatever", &["first", "second"], &[]),
        node("fourth", "StringNormalizer", &["x"], &[("is_case_sensitive", 1)]),
        node("fifth", "CastLike", &["third", "x"], &[("to_the_moon", 1)]),
        node("sixth", "Multinomial", &["x"], &[("sample_size", 4)]),
        node("fine", "Relu", &["x"], &[]),
        node("y", "Add", &["fine", "fifth"], &[]),
    ];
    let case = Case::new(inputs, nodes);
    let expected = [
        "unsupported: node \"first\" (com.example.Frobnicate, opset 3): no such operator is supported",
        "attributes: speed = 3",
        "unsupported: node \"second\" (Softmax, opset 18): attribute \"hurry\" is not known",
        "unsupported: node \"third\" (com.microsoft.Whatever, opset 1)",
        "unsupported: node \"fourth\" (StringNormalizer, opset 18)",
        "unsupported: node \"fifth\" (CastLike, opset 18): attribute \"to_the_moon\" is not known",
        "unsupported: node \"sixth\" (Multinomial, opset 18)",
    ];
    case.fails(&["check", "model.onnx"], 3, &expected);
    let (_, said) = case.lathe(&["check", "model.onnx"]);
    assert_eq!(said.matches("unsupported: ").count(), 6, "{said}");
    assert!(!said.contains("\"fine\"") && !said.contains("\"y\""), "{said}");
}

#[test]
fn results_are_compared_with_a_reference() {
    let inputs = vec![value("x", DType::F32, &[None, Some(2)])];
    let case =
        Case::new(inputs, vec![node("half", "Relu", &["x"], &[]), node("y", "Softmax", &["half"], &[("axis", 1)])]);
    case.input("in", 0, &Tensor::from_f32(&[1, 2], &[0.0, -1.0]));
    case.input("right", 0, &Tensor::from_f32(&[1, 2], &[0.5, 0.5]));
    case.input("wrong", 0, &Tensor::from_f32(&[1, 2], &[0.5, 0.25]));
    for folder in ["right", "wrong"] {
        std::fs::rename(case.at(folder).join("input_0.pb"), case.at(folder).join("output_0.pb")).unwrap();
        std::fs::copy(case.at("in/input_0.pb"), case.at(folder).join("input_0.pb")).unwrap();
    }
    let said = case.succeeds(&["check", "model.onnx", "--against", "right"]);
    assert!(said.contains("agrees: output \"y\""), "{said}");
    let expected =
        ["differs: output \"y\"", "element 1 is 5e-1, expected 2.5e-1", "place: the import, or the reference"];
    case.fails(&["check", "model.onnx", "--against", "wrong"], 5, &expected);
    case.fails(&["check", "model.onnx", "--against", "in"], 4, &["output_0.pb"]);
}
