//! Small models for tests, built from messages.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]
#![allow(dead_code, reason = "each test binary uses some of it")]

use bytes::Bytes;
use lathe_compiler::onnx::proto::*;
use lathe_compiler::onnx::{OnnxError, OnnxFile, dtype};
use prost::Message;

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    NodeProto {
        name: format!("{op}_1"),
        op_type: op.into(),
        input: names(inputs),
        output: names(outputs),
        ..Default::default()
    }
}

pub(crate) fn value(name: &str) -> ValueInfoProto {
    let tensor = TensorTypeProto { elem_type: dtype::FLOAT, shape: None };
    let value = Some(TypeValue::Tensor(tensor));
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}

pub(crate) fn graph(nodes: Vec<NodeProto>) -> GraphProto {
    GraphProto {
        name: "g".into(),
        node: nodes,
        input: vec![value("x")],
        output: vec![value("y")],
        ..Default::default()
    }
}

pub(crate) fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: domain.into(), version }
}

pub(crate) fn model(graph: GraphProto) -> ModelProto {
    ModelProto { ir_version: 10, opset_import: vec![opset("", 17)], graph: Some(graph), ..Default::default() }
}

pub(crate) fn simple() -> ModelProto {
    model(graph(vec![node("Relu", &["x"], &["y"])]))
}

pub(crate) fn open(model: &ModelProto) -> Result<OnnxFile, OnnxError> {
    OnnxFile::from_bytes(Bytes::from(model.encode_to_vec()))
}

/// Opens a model that must be refused, and checks that all of `expected` and nothing else is reported.
#[track_caller]
pub(crate) fn refuse(model: &ModelProto, expected: &[&str]) {
    let error = open(model).expect_err("the model was accepted");
    let lines: Vec<String> = error.problems().iter().map(|p| p.to_string()).collect();
    assert_eq!(lines, expected);
}

pub(crate) fn attribute(name: &str, value: AttributeProto) -> AttributeProto {
    AttributeProto { name: name.into(), ..value }
}

pub(crate) fn subgraph(name: &str, graph: GraphProto) -> AttributeProto {
    let kind = AttributeType::Graph as i32;
    attribute(name, AttributeProto { r#type: kind, g: Some(Box::new(graph)), ..Default::default() })
}

pub(crate) fn with_tensor(tensor: TensorProto) -> ModelProto {
    let mut m = simple();
    m.graph.as_mut().unwrap().initializer = vec![TensorProto { name: "w".into(), ..tensor }];
    m
}
