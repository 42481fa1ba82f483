//! Two decoders, one graph: compares what Lathe decodes from a model with what the crate `onnx-protobuf` decodes.
//!
//! That crate's schema is of onnx 1.16, in protobuf 3: it has no presence of scalars, and fields newer than it end up
//! among its unknown fields; both are taken into account.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use lathe_compiler::onnx::decode::decode_model;
use lathe_compiler::onnx::proto as ours;
use onnx_protobuf as theirs;
use onnx_protobuf::Message as _;

/// All `.onnx` files under `folder`, sorted by path.
pub(crate) fn models_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "onnx") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Decodes every model under `folder` both ways and compares; returns how many there were.
pub(crate) fn compare_folder(folder: &Path) -> usize {
    let models = models_under(folder);
    for path in &models {
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        compare(&bytes, &path.display().to_string());
    }
    models.len()
}

/// Decodes `bytes` both ways and compares every field; panics with the place of a difference.
pub(crate) fn compare(bytes: &Bytes, name: &str) {
    let a = decode_model(bytes).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let b = theirs::ModelProto::parse_from_bytes(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    model(&a, &b, name);
}

fn list<A, B>(a: &[A], b: &[B], at: &str, each: impl Fn(&A, &B, &str)) {
    assert_eq!(a.len(), b.len(), "{at}: number of entries");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        each(a, b, &format!("{at}[{i}]"));
    }
}

fn maybe<A, B>(a: Option<&A>, b: Option<&B>, at: &str, each: impl Fn(&A, &B, &str)) {
    match (a, b) {
        (Some(a), Some(b)) => each(a, b, at),
        (a, b) => assert_eq!(a.is_some(), b.is_some(), "{at}: presence"),
    }
}

fn bytes<A: AsRef<[u8]> + ?Sized, B: AsRef<[u8]> + ?Sized>(a: &A, b: &B, at: &str) {
    assert_eq!(a.as_ref(), b.as_ref(), "{at}");
}

fn model(a: &ours::ModelProto, b: &theirs::ModelProto, at: &str) {
    assert_eq!(a.ir_version, b.ir_version, "{at}.ir_version");
    assert_eq!(a.producer_name, b.producer_name, "{at}.producer_name");
    assert_eq!(a.producer_version, b.producer_version, "{at}.producer_version");
    assert_eq!(a.domain, b.domain, "{at}.domain");
    assert_eq!(a.model_version, b.model_version, "{at}.model_version");
    bytes(&a.doc_string, &b.doc_string, at);
    list(&a.opset_import, &b.opset_import, &format!("{at}.opset_import"), opset);
    list(&a.metadata_props, &b.metadata_props, &format!("{at}.metadata_props"), entry);
    list(&a.functions, &b.functions, &format!("{at}.functions"), function);
    maybe(a.graph.as_ref(), b.graph.as_ref(), &format!("{at}.graph"), graph);
}

fn opset(a: &ours::OperatorSetIdProto, b: &theirs::OperatorSetIdProto, at: &str) {
    assert_eq!((&a.domain, a.version), (&b.domain, b.version), "{at}");
}

fn entry(a: &ours::StringStringEntryProto, b: &theirs::StringStringEntryProto, at: &str) {
    assert_eq!((&a.key, &a.value), (&b.key, &b.value), "{at}");
}

fn function(a: &ours::FunctionProto, b: &theirs::FunctionProto, at: &str) {
    assert_eq!((&a.domain, &a.name, &a.overload), (&b.domain, &b.name, &b.overload), "{at}");
    assert_eq!(a.input, b.input, "{at}.input");
    assert_eq!(a.output, b.output, "{at}.output");
    assert_eq!(a.attribute, b.attribute, "{at}.attribute");
    bytes(&a.doc_string, &b.doc_string, at);
    list(&a.attribute_proto, &b.attribute_proto, &format!("{at}.attribute_proto"), attribute);
    list(&a.node, &b.node, &format!("{at}.node"), node);
    list(&a.opset_import, &b.opset_import, &format!("{at}.opset_import"), opset);
    list(&a.value_info, &b.value_info, &format!("{at}.value_info"), value_info);
    list(&a.metadata_props, &b.metadata_props, &format!("{at}.metadata_props"), entry);
}

fn graph(a: &ours::GraphProto, b: &theirs::GraphProto, at: &str) {
    assert_eq!(a.name, b.name, "{at}.name");
    bytes(&a.doc_string, &b.doc_string, at);
    list(&a.node, &b.node, &format!("{at}.node"), node);
    list(&a.initializer, &b.initializer, &format!("{at}.initializer"), tensor);
    list(&a.sparse_initializer, &b.sparse_initializer, &format!("{at}.sparse_initializer"), sparse);
    list(&a.input, &b.input, &format!("{at}.input"), value_info);
    list(&a.output, &b.output, &format!("{at}.output"), value_info);
    list(&a.value_info, &b.value_info, &format!("{at}.value_info"), value_info);
    list(&a.metadata_props, &b.metadata_props, &format!("{at}.metadata_props"), entry);
}

fn node(a: &ours::NodeProto, b: &theirs::NodeProto, at: &str) {
    assert_eq!(a.input, b.input, "{at}.input");
    assert_eq!(a.output, b.output, "{at}.output");
    assert_eq!((&a.name, &a.op_type), (&b.name, &b.op_type), "{at}");
    assert_eq!((&a.domain, &a.overload), (&b.domain, &b.overload), "{at}");
    bytes(&a.doc_string, &b.doc_string, at);
    list(&a.attribute, &b.attribute, &format!("{at}.attribute"), attribute);
    list(&a.metadata_props, &b.metadata_props, &format!("{at}.metadata_props"), entry);
}

fn attribute(a: &ours::AttributeProto, b: &theirs::AttributeProto, at: &str) {
    assert_eq!((&a.name, &a.ref_attr_name), (&b.name, &b.ref_attr_name), "{at}");
    let at = &format!("{at} {:?}", a.name);
    assert_eq!(a.r#type, b.type_.value(), "{at}.type");
    assert_eq!(a.f.unwrap_or_default().to_bits(), b.f.to_bits(), "{at}.f");
    assert_eq!(a.i.unwrap_or_default(), b.i, "{at}.i");
    bytes(a.s.as_deref().unwrap_or_default(), &b.s, at);
    bytes(&a.doc_string, &b.doc_string, at);
    maybe(a.t.as_deref(), b.t.as_ref(), &format!("{at}.t"), tensor);
    maybe(a.g.as_deref(), b.g.as_ref(), &format!("{at}.g"), graph);
    maybe(a.tp.as_deref(), b.tp.as_ref(), &format!("{at}.tp"), value_type);
    maybe(a.sparse_tensor.as_deref(), b.sparse_tensor.as_ref(), &format!("{at}.sparse_tensor"), sparse);
    list(&a.floats, &b.floats, &format!("{at}.floats"), |a, b, at| assert_eq!(a.to_bits(), b.to_bits(), "{at}"));
    assert_eq!(a.ints, b.ints, "{at}.ints");
    list(&a.strings, &b.strings, &format!("{at}.strings"), bytes);
    list(&a.tensors, &b.tensors, &format!("{at}.tensors"), tensor);
    list(&a.graphs, &b.graphs, &format!("{at}.graphs"), graph);
    list(&a.type_protos, &b.type_protos, &format!("{at}.type_protos"), value_type);
    list(&a.sparse_tensors, &b.sparse_tensors, &format!("{at}.sparse_tensors"), sparse);
}

fn varints(packed: &ours::Packed) -> Vec<u64> {
    let wire = packed.wire();
    let mut rest = &wire[..];
    let mut numbers = Vec::new();
    while !rest.is_empty() {
        numbers.push(prost::encoding::decode_varint(&mut rest).unwrap());
    }
    numbers
}

fn tensor(a: &ours::TensorProto, b: &theirs::TensorProto, at: &str) {
    assert_eq!(a.name, b.name, "{at}.name");
    let at = &format!("{at} {:?}", a.name);
    assert_eq!(a.dims, b.dims, "{at}.dims");
    assert_eq!(a.data_type, b.data_type, "{at}.data_type");
    assert_eq!(a.data_location, b.data_location.value(), "{at}.data_location");
    assert_eq!(a.has_segment, b.segment.is_some(), "{at}.segment");
    bytes(&a.doc_string, &b.doc_string, at);
    bytes(a.raw_data.as_deref().unwrap_or_default(), &b.raw_data, at);
    list(&a.string_data, &b.string_data, &format!("{at}.string_data"), bytes);
    list(&a.external_data, &b.external_data, &format!("{at}.external_data"), entry);
    list(&a.metadata_props, &b.metadata_props, &format!("{at}.metadata_props"), entry);
    let typed = a.typed.as_deref().cloned().unwrap_or_default();
    let floats: Vec<u8> = b.float_data.iter().flat_map(|x| x.to_le_bytes()).collect();
    let doubles: Vec<u8> = b.double_data.iter().flat_map(|x| x.to_le_bytes()).collect();
    bytes(&typed.float.wire(), &floats, at);
    bytes(&typed.double.wire(), &doubles, at);
    let int32: Vec<i32> = varints(&typed.int32).into_iter().map(|x| x as i32).collect();
    let int64: Vec<i64> = varints(&typed.int64).into_iter().map(|x| x as i64).collect();
    assert_eq!(int32, b.int32_data, "{at}.int32_data");
    assert_eq!(int64, b.int64_data, "{at}.int64_data");
    assert_eq!(varints(&typed.uint64), b.uint64_data, "{at}.uint64_data");
}

fn sparse(a: &ours::SparseTensorProto, b: &theirs::SparseTensorProto, at: &str) {
    assert_eq!(a.dims, b.dims, "{at}.dims");
    maybe(a.values.as_deref(), b.values.as_ref(), &format!("{at}.values"), tensor);
    maybe(a.indices.as_deref(), b.indices.as_ref(), &format!("{at}.indices"), tensor);
}

fn value_info(a: &ours::ValueInfoProto, b: &theirs::ValueInfoProto, at: &str) {
    assert_eq!(a.name, b.name, "{at}.name");
    bytes(&a.doc_string, &b.doc_string, at);
    maybe(a.r#type.as_ref(), b.type_.as_ref(), &format!("{at}.type"), value_type);
    list(&a.metadata_props, &b.metadata_props, &format!("{at}.metadata_props"), entry);
}

fn value_type(a: &ours::TypeProto, b: &theirs::TypeProto, at: &str) {
    use onnx_protobuf::type_proto::Value as Theirs;
    use ours::TypeValue as Ours;
    assert_eq!(a.denotation, b.denotation, "{at}.denotation");
    match (&a.value, &b.value) {
        (None, None) => {}
        (Some(Ours::Tensor(a)), Some(Theirs::TensorType(b))) => {
            assert_eq!(a.elem_type, b.elem_type, "{at}.elem_type");
            maybe(a.shape.as_ref(), b.shape.as_ref(), at, shape);
        }
        (Some(Ours::SparseTensor(a)), Some(Theirs::SparseTensorType(b))) => {
            assert_eq!(a.elem_type, b.elem_type, "{at}.elem_type");
            maybe(a.shape.as_ref(), b.shape.as_ref(), at, shape);
        }
        (Some(Ours::Sequence(a)), Some(Theirs::SequenceType(b))) => {
            maybe(a.elem_type.as_deref(), b.elem_type.as_ref(), at, value_type);
        }
        (Some(Ours::Optional(a)), Some(Theirs::OptionalType(b))) => {
            maybe(a.elem_type.as_deref(), b.elem_type.as_ref(), at, value_type);
        }
        (Some(Ours::Map(a)), Some(Theirs::MapType(b))) => {
            assert_eq!(a.key_type, b.key_type, "{at}.key_type");
            maybe(a.value_type.as_deref(), b.value_type.as_ref(), at, value_type);
        }
        // Opaque types are not in the other schema.
        (Some(Ours::Opaque(_)), None) => {}
        (a, b) => panic!("{at}: {a:?} and {b:?}"),
    }
}

fn shape(a: &ours::TensorShapeProto, b: &theirs::TensorShapeProto, at: &str) {
    use onnx_protobuf::tensor_shape_proto::dimension::Value as Theirs;
    use ours::DimensionValue as Ours;
    list(&a.dim, &b.dim, at, |a, b, at| {
        assert_eq!(a.denotation, b.denotation, "{at}.denotation");
        match (&a.value, &b.value) {
            (None, None) => {}
            (Some(Ours::Value(a)), Some(Theirs::DimValue(b))) => assert_eq!(a, b, "{at}"),
            (Some(Ours::Param(a)), Some(Theirs::DimParam(b))) => assert_eq!(a, b, "{at}"),
            (a, b) => panic!("{at}: {a:?} and {b:?}"),
        }
    });
}
