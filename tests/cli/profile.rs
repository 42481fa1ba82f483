//! `lathe profile`: where the time of a run goes.

use crate::model::{Case, node, value};
use lathe_ir::{DType, Tensor};

/// y = relu(x w) w, and the sum of its rows.
fn products() -> Case {
    let inputs = vec![value("x", DType::F32, &[None, Some(32)]), value("w", DType::F32, &[Some(32), Some(32)])];
    let nodes = vec![
        node("h", "MatMul", &["x", "w"], &[]),
        node("r", "Relu", &["h"], &[]),
        node("y", "MatMul", &["r", "w"], &[]),
        node("s", "ReduceSum", &["y"], &[("keepdims", 0)]),
    ];
    let case = Case::new(inputs, nodes);
    case.input("in", 0, &Tensor::from_f32(&[4, 32], &[0.5; 128]));
    case.input("in", 1, &Tensor::from_f32(&[32, 32], &[0.25; 1024]));
    case
}

#[test]
fn each_kernel_is_named_with_its_node() {
    let case = products();
    let said =
        case.succeeds(&["profile", "model.onnx", "--input-dir", "in", "--threads", "2", "--trace", "trace.json"]);
    for part in ["GFLOP/s kernel", "matmul           h", "matmul           y", "reduce_sum", "between launches"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let trace = std::fs::read_to_string(case.at("trace.json")).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&trace).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let nodes: Vec<&str> = events.iter().map(|event| event["args"]["node"].as_str().unwrap()).collect();
    assert_eq!(nodes.iter().filter(|node| ["h", "y"].contains(node)).count(), 2, "{nodes:?}");
    let begins: Vec<f64> = events.iter().map(|event| event["ts"].as_f64().unwrap()).collect();
    assert!(begins.is_sorted(), "launches follow each other: {begins:?}");
}

#[test]
fn what_is_wrong_is_said() {
    let case = products();
    case.fails(&["profile", "model.onnx"], 2, &["\"x\" is not given"]);
    let args = ["profile", "model.onnx", "--input-dir", "in", "--trace", "no/such/folder/trace.json"];
    case.fails(&args, 4, &["no/such/folder/trace.json"]);
}
