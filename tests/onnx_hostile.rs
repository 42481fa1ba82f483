//! Models that are wrong in one way each: the error is an error, and it says what and where.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "onnx/build.rs"]
mod build;

use std::path::Path;

use build::*;
use bytes::Bytes;
use lathe_compiler::onnx::proto::*;
use lathe_compiler::onnx::{OnnxError, OnnxFile, ProblemKind, dtype};

#[test]
fn the_model_the_others_are_made_from_is_fine() {
    let file = open(&simple()).unwrap();
    assert_eq!((file.opset(""), file.opset("ai.onnx"), file.opset("other")), (Some(17), Some(17), None));
    assert!(file.warnings.is_empty());
}

#[test]
fn no_graph() {
    refuse(&ModelProto { graph: None, ..simple() }, &["invalid: model: no graph"]);
    let empty = OnnxFile::from_bytes(Bytes::new()).unwrap_err();
    assert_eq!(empty.to_string(), "invalid: model: no graph");
}

#[test]
fn missing_names_are_all_listed() {
    let mut m = model(graph(vec![node("Add", &["x", "a"], &["t"]), node("Mul", &["t", "b"], &["y"])]));
    m.graph.as_mut().unwrap().output.push(value("z"));
    refuse(
        &m,
        &[
            "invalid: node \"Add_1\" (Add): input \"a\" is not defined",
            "invalid: node \"Mul_1\" (Mul): input \"b\" is not defined",
            "invalid: graph \"g\": output \"z\" is not defined",
        ],
    );
}

#[test]
fn duplicate_names() {
    let mut g = graph(vec![node("Relu", &["x"], &["y"]), node("Abs", &["x"], &["y"]), node("Neg", &["x"], &["w"])]);
    g.input.push(value("x"));
    let w = TensorProto::from_raw("w", dtype::FLOAT, &[1], Bytes::from_static(&[0; 4]));
    g.initializer = vec![w.clone(), w];
    refuse(
        &model(g),
        &[
            "invalid: graph \"g\": two inputs are named \"x\"",
            "invalid: graph \"g\": two initializers are named \"w\"",
            "invalid: node \"Abs_1\" (Abs): output \"y\" is defined a second time here",
            "invalid: node \"Neg_1\" (Neg): output \"w\" is defined a second time here",
        ],
    );
}

#[test]
fn an_initializer_may_be_an_input_too() {
    let mut m = simple();
    m.graph.as_mut().unwrap().initializer =
        vec![TensorProto::from_raw("x", dtype::FLOAT, &[], Bytes::from_static(&[0; 4]))];
    open(&m).unwrap();
}

#[test]
fn cycles_and_wrong_order() {
    let nodes = vec![node("Add", &["x", "c"], &["a"]), node("Abs", &["a"], &["b"]), node("Neg", &["b"], &["c"])];
    let mut g = graph(nodes);
    g.output = vec![value("c")];
    refuse(&model(g), &["invalid: node \"Add_1\" (Add): depends on itself: \"Add_1\" <- \"Neg_1\" <- \"Abs_1\""]);
    let nodes = vec![node("Neg", &["b"], &["y"]), node("Abs", &["a"], &["b"]), node("Exp", &["x"], &["a"])];
    let file = open(&model(graph(nodes))).unwrap();
    let order: Vec<_> = file.graph().node.iter().map(|n| n.op_type.as_str()).collect();
    assert_eq!(order, ["Exp", "Abs", "Neg"]);
}

#[test]
fn graphs_inside_see_outside_and_are_sorted() {
    let file = OnnxFile::open(Path::new("tests/models/onnx/unsorted.onnx")).unwrap();
    let order: Vec<_> = file.graph().node.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(order, ["first", "second", "last"]);

    // A branch may hide a name of the graph around it, but not read what nobody defines.
    let mut branch = graph(vec![node("Neg", &["x"], &["y"]), node("Abs", &["q"], &["z"])]);
    branch.input.clear();
    let mut outer = node("If", &["x"], &["y"]);
    outer.attribute = vec![subgraph("then_branch", branch)];
    refuse(
        &model(graph(vec![outer])),
        &["invalid: node \"Abs_1\" (Abs) in node \"If_1\" (If): input \"q\" is not defined"],
    );
}

#[test]
fn opset_imports() {
    let m = ModelProto { opset_import: vec![opset("", 17), opset("ai.onnx", 18), opset("t", 0)], ..simple() };
    refuse(
        &m,
        &[
            "invalid: model: imports versions 17 and 18 of domain ai.onnx",
            "invalid: model: imports version 0 of domain \"t\"",
        ],
    );
    let mut unknown = node("Thing", &["x"], &["t"]);
    unknown.domain = "nowhere".into();
    let mut again = node("Thing", &["t"], &["y"]);
    again.domain = "nowhere".into();
    refuse(
        &model(graph(vec![unknown, again])),
        &["invalid: node \"Thing_1\" (Thing): the model imports no opset of domain \"nowhere\""],
    );
    refuse(
        &ModelProto { opset_import: vec![], ..simple() },
        &["invalid: node \"Relu_1\" (Relu): the model imports no opset of domain ai.onnx"],
    );
    let new = ModelProto { opset_import: vec![opset("", 1000)], ir_version: 1000, ..simple() };
    let file = open(&new).unwrap();
    assert_eq!(file.warnings.len(), 2, "{:?}", file.warnings);
    assert!(file.warnings.iter().all(|w| w.kind == ProblemKind::Warning));
}

#[test]
fn a_file_of_ir_version_2() {
    let file = OnnxFile::open(Path::new("tests/models/onnx/old.onnx")).unwrap();
    assert_eq!(file.opset(""), Some(1));
}

#[test]
fn attributes() {
    let int = AttributeProto { r#type: AttributeType::Int as i32, i: Some(1), ..Default::default() };
    let mut n = node("Relu", &["x"], &["y"]);
    n.attribute = vec![
        attribute("twice", int.clone()),
        attribute("twice", int.clone()),
        attribute("wrong", AttributeProto { r#type: AttributeType::Float as i32, ..int.clone() }),
        attribute("both", AttributeProto { f: Some(1.0), ..int.clone() }),
        attribute("kind", AttributeProto { r#type: 77, ..int.clone() }),
        attribute("outside", AttributeProto { i: None, ref_attr_name: "a".into(), ..int }),
    ];
    let at = "invalid: node \"Relu_1\" (Relu): attribute";
    let expected = [
        "\"twice\" is given twice",
        "\"wrong\" says it is Float, but its value is Int",
        "\"both\" has two values, Float and Int",
        "\"kind\" has kind 77, which does not exist",
        "\"outside\" refers to a function's attribute outside a function",
    ]
    .map(|e| format!("{at} {e}"));
    refuse(&model(graph(vec![n])), &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

fn function(name: &str, calls: &[&str]) -> FunctionProto {
    let mut nodes = Vec::new();
    for (i, callee) in calls.iter().enumerate() {
        let mut call = node(callee, &["x"], &[&format!("t{i}")]);
        call.domain = "f".into();
        nodes.push(call);
    }
    nodes.push(node("Relu", &["x"], &["y"]));
    FunctionProto {
        name: name.into(),
        domain: "f".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        node: nodes,
        opset_import: vec![opset("", 17), opset("f", 1)],
        ..Default::default()
    }
}

fn calling(name: &str, functions: Vec<FunctionProto>) -> ModelProto {
    let mut call = node(name, &["x"], &["y"]);
    call.domain = "f".into();
    let opset_import = vec![opset("", 17), opset("f", 1)];
    ModelProto { functions, opset_import, ..model(graph(vec![call])) }
}

#[test]
fn functions_that_call_themselves() {
    let m = calling("A", vec![function("A", &["B"]), function("B", &["C", "C"]), function("C", &["A"])]);
    refuse(&m, &["invalid: function \"A\": calls itself: \"A\", \"B\", \"C\""]);
    refuse(&calling("A", vec![function("A", &[]), function("A", &[])]), &["invalid: function \"A\": defined twice"]);
    let file = open(&calling("A", vec![function("A", &["B"]), function("B", &[])])).unwrap();
    assert_eq!(file.function("f", "B", "").unwrap().name, "B");
    assert!(file.function("f", "B", "x").is_none());
}

#[test]
fn functions_that_expand_to_too_much() {
    // Each calls the next one twice: 2^40 nodes from 40 functions.
    let names: Vec<String> = (0..=40).map(|i| format!("F{i}")).collect();
    let doubling = |i: usize| function(&names[i], &[&names[i + 1], &names[i + 1]]);
    let mut functions: Vec<_> = (0..40).map(doubling).collect();
    functions.push(function(&names[40], &[]));
    let error = open(&calling("F0", functions)).unwrap_err().to_string();
    assert!(error.starts_with("invalid: model: its functions expand to"), "{error}");

    let names: Vec<String> = (0..=100_000).map(|i| format!("F{i}")).collect();
    let mut functions: Vec<_> = (0..100_000).map(|i| function(&names[i], &[&names[i + 1]])).collect();
    functions.push(function(&names[100_000], &[]));
    let error = open(&calling("F0", functions)).unwrap_err().to_string();
    assert!(error.contains("nest 100002 deep"), "{error}");
}

#[test]
fn function_bodies() {
    let mut f = function("A", &[]);
    f.input.push("x".into());
    f.output.push("missing".into());
    let mut reference = attribute("alpha", AttributeProto { ref_attr_name: "a".into(), ..Default::default() });
    reference.r#type = AttributeType::Float as i32;
    f.node[0].attribute = vec![reference];
    let refused = [
        "invalid: function \"A\": two inputs are named \"x\"",
        "invalid: node \"Relu_1\" (Relu) in function \"A\": attribute \"alpha\" refers to attribute \"a\", which the \
         function does not have",
        "invalid: function \"A\": output \"missing\" is not defined",
    ];
    refuse(&calling("A", vec![f]), &refused);
}

#[test]
fn deep_nesting() {
    let mut inner = graph(vec![node("Relu", &["x"], &["y"])]);
    for level in 0..40 {
        let mut outer = node("If", &["x"], &["y"]);
        outer.attribute = vec![subgraph("then_branch", inner)];
        inner = graph(vec![outer]);
        let accepted = open(&model(inner.clone()));
        assert_eq!(accepted.is_ok(), level < 19, "level {level}");
    }
    let mut kind = TypeProto::default();
    for _ in 0..100 {
        let elem_type = Some(Box::new(kind));
        kind = TypeProto {
            value: Some(TypeValue::Sequence(Box::new(ElementTypeProto { elem_type }))),
            ..Default::default()
        };
    }
    let mut m = simple();
    m.graph.as_mut().unwrap().input[0].r#type = Some(kind);
    let error = open(&m).unwrap_err().to_string();
    assert!(error.contains("nest deeper than 64 levels"), "{error}");
}

#[test]
fn thousands_of_levels_do_not_overflow_the_stack() {
    // Built as bytes: an attribute in a node in a graph in an attribute ...
    let mut inner = Vec::new();
    for _ in 0..10_000 {
        for tag in [6u32, 5, 1] {
            let mut outer = Vec::with_capacity(inner.len() + 8);
            prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut outer);
            prost::encoding::encode_varint(inner.len() as u64, &mut outer);
            outer.extend_from_slice(&inner);
            inner = outer;
        }
    }
    let mut file = vec![0x3a];
    prost::encoding::encode_varint(inner.len() as u64, &mut file);
    file.extend(inner);
    assert!(OnnxFile::from_bytes(file.into()).is_err());
}

#[test]
fn tensor_shapes_and_lengths() {
    let raw = |dims: &[i64], bytes: usize| TensorProto::from_raw("w", dtype::FLOAT, dims, Bytes::from(vec![0; bytes]));
    let typed = |field: &dyn Fn(&mut TypedData), code: i32| {
        let mut typed = TypedData::default();
        field(&mut typed);
        TensorProto { data_type: code, dims: vec![2], typed: Some(Box::new(typed)), ..Default::default() }
    };
    let four_bytes = || Packed::from_wire(Bytes::from_static(&[0; 4]));
    let twice = TensorProto { raw_data: Some(Bytes::from_static(&[0; 8])), ..typed(&|t| t.float = four_bytes(), 1) };
    let cases = [
        (raw(&[2, 3], 23), "23 bytes of raw data, float of shape [2, 3] needs 24"),
        (raw(&[2, 3], 28), "28 bytes of raw data, float of shape [2, 3] needs 24"),
        (raw(&[-1], 4), "negative size -1 in shape [-1]"),
        (raw(&[1 << 60], 4), "4 bytes of raw data, float of shape [1152921504606846976] needs 4611686018427387904"),
        (raw(&[1 << 31, 1 << 31, 4], 4), "shape [2147483648, 2147483648, 4] is too large"),
        (raw(&[0, 1 << 62, 1 << 62], 0), "shape [0, 4611686018427387904, 4611686018427387904] is too large"),
        (raw(&[1; 65], 4), "65 axes, at most 64 are allowed"),
        (TensorProto { data_type: 0, ..raw(&[1], 4) }, "no element type"),
        (TensorProto { data_location: 7, ..raw(&[1], 4) }, "data location 7 does not exist"),
        (twice, "the payload is given twice, in float_data and in raw_data"),
        (typed(&|t| t.double = four_bytes(), 1), "float values are in double_data, they belong in float_data"),
        (
            TensorProto { string_data: vec![Bytes::new()], dims: vec![1], ..raw(&[], 0) },
            "float values are in string_data",
        ),
        (TensorProto { data_type: dtype::STRING, ..raw(&[1], 4) }, "strings belong in string_data"),
        (
            TensorProto { string_data: vec![Bytes::new()], dims: vec![3], data_type: 8, ..Default::default() },
            "1 strings in string_data, shape [3] needs 3",
        ),
    ];
    for (tensor, message) in cases {
        refuse(&with_tensor(tensor), &[&format!("invalid: initializer \"w\": {message}")]);
    }

    // Found out only when the values are read.
    let cases = [
        (raw(&[2, 3], 0), "no data, the shape [2, 3] needs 24 bytes"),
        (typed(&|t| t.float = four_bytes(), 1), "1 values in float_data, float of shape [2] needs 2"),
        (typed(&|t| t.float = Packed::from_wire(Bytes::from_static(&[0; 6])), 1), "float_data is cut off"),
        (typed(&|t| t.int64 = four_bytes(), 7), "4 values in int64_data, int64 of shape [2] needs 2"),
        (typed(&|t| t.int64 = Packed::from_wire(Bytes::from_static(&[0, 1, 128])), 7), "packed numbers are cut off"),
        (
            typed(&|t| t.int32 = Packed::from_wire(Bytes::from_static(&[1, 128, 2])), 2),
            "int32_data holds 256, which is not a uint8 value",
        ),
        (TensorProto::from_raw("w", dtype::BOOL, &[2], Bytes::from_static(&[1, 2])), "a bool is 2, not 0 or 1"),
        (TensorProto { data_type: 99, ..raw(&[1], 4) }, "element type 99"),
    ];
    for (tensor, message) in cases {
        let file = open(&with_tensor(tensor)).unwrap();
        let problem = file.tensor(&file.graph().initializer[0]).unwrap_err();
        assert_eq!((problem.place.as_str(), problem.message.as_str()), ("tensor \"w\"", message));
    }
}

#[test]
fn sparse_tensors_are_bounded_together() {
    let part = |code, bytes: &'static [u8]| Some(Box::new(TensorProto::from_raw("s", code, &[1], bytes.into())));
    let sparse = |name: &str, dims: &[i64]| {
        let mut values = part(dtype::UINT8, &[7]);
        values.as_mut().unwrap().name = name.into();
        SparseTensorProto { values, indices: part(dtype::INT64, &[0; 8]), dims: dims.to_vec() }
    };
    let mut m = simple();
    m.graph.as_mut().unwrap().sparse_initializer = vec![sparse("a", &[1 << 27]), sparse("b", &[1 << 20])];
    let file = open(&m).unwrap();
    assert_eq!(file.sparse_tensor_at(&file.graph().sparse_initializer[1], "b").unwrap().bytes[0], 7);
    m.graph.as_mut().unwrap().sparse_initializer.push(sparse("c", &[1 << 10, 1 << 17]));
    refuse(&m, &["unsupported: model: sparse tensors take 269484032 bytes in dense form, at most 268435456"]);
}

#[test]
fn numbers_that_are_not_packed_are_read() {
    // float_data and int64_data as a writer without packing puts them: one field per number.
    let mut bytes = vec![0x10, 1, 0x08, 2];
    for number in [1.5f32, -2.0] {
        bytes.push(4 << 3 | 5);
        bytes.extend(number.to_le_bytes());
    }
    let tensor = lathe_compiler::onnx::decode::decode_tensor(&bytes.into()).unwrap();
    let file = open(&with_tensor(tensor)).unwrap();
    let data = file.tensor(&file.graph().initializer[0]).unwrap();
    assert_eq!(data.bytes, [1.5f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat());

    let bytes = vec![0x10, 7, 0x08, 3, 0x38, 5, 0x3a, 2, 6, 7];
    let tensor = lathe_compiler::onnx::decode::decode_tensor(&bytes.into()).unwrap();
    let file = open(&with_tensor(tensor)).unwrap();
    assert_eq!(file.tensor(&file.graph().initializer[0]).unwrap().to_i64s(), Some(vec![5, 6, 7]));
}

#[test]
fn files_of_other_kinds() {
    for (bytes, word) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0"[..], "Git LFS"),
        (b"PK\x03\x04....", "zip"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"hello, this is a text file", "not"),
    ] {
        let error = OnnxFile::from_bytes(Bytes::from_static(bytes)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(matches!(OnnxFile::open(Path::new("tests/models")), Err(OnnxError::Io { .. })));
    assert!(matches!(OnnxFile::open(Path::new("tests/models/none.onnx")), Err(OnnxError::Io { .. })));
}

#[test]
fn errors_are_short_however_long_the_names_and_however_many() {
    let long = "n".repeat(1 << 20);
    let nodes = (0..1000).map(|i| node("Relu", &[&format!("{i}{long}")[..1000]], &[&format!("y{i}")])).collect();
    let mut m = model(graph(nodes));
    m.graph.as_mut().unwrap().node[0].input[0] = long;
    let text = open(&m).unwrap_err().to_string();
    assert_eq!(text.lines().count(), 101);
    assert!(text.ends_with("invalid: model: 901 more problems are not listed"), "{text}");
    assert!(text.len() < 40_000, "{}", text.len());
}

#[test]
fn large_numbers_of_everything_take_no_long_time() {
    // Where a search inside a loop would be quadratic: imports, functions, attributes, names read before they are made.
    let count = 30_000;
    let mut f = function("A", &[]);
    f.attribute = (0..count).map(|i| format!("a{i}")).collect();
    f.node = (0..count)
        .map(|i| {
            let mut n = node("Relu", &["x"], &[&format!("v{i}")]);
            let mut reference = attribute("alpha", AttributeProto::default());
            reference.ref_attr_name = format!("a{i}");
            n.attribute = vec![reference];
            n
        })
        .collect();
    f.output = vec!["v0".into()];
    let mut m = calling("A", vec![f]);
    m.opset_import.extend((0..count).map(|i| opset(&format!("d{i}"), 1)));
    let nodes = (0..count).map(|i| {
        let mut n = node("Thing", &[&format!("v{}", i + 1)], &[&format!("v{i}")]);
        n.domain = format!("d{i}");
        n
    });
    let graph = m.graph.as_mut().unwrap();
    graph.node.extend(nodes);
    graph.node.push(node("Neg", &["x"], &[&format!("v{count}")]));
    open(&m).unwrap();
}
