//! Tensors, arrays and models as files: what is read is what was written, by others or by ourselves.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "onnx/agree.rs"]
#[allow(dead_code)]
mod agree;

use std::path::Path;

use bytes::Bytes;
use lathe_compiler::onnx::encode::{self, Weights};
use lathe_compiler::onnx::proto::{ElementTypeProto, TensorProto, TypeProto, TypeValue};
use lathe_compiler::onnx::value_pb::{self, ValueData};
use lathe_compiler::onnx::{OnnxFile, TensorData, decode, dtype, npy, tensor_pb};
use prost::Message;

fn initializers(name: &str) -> Vec<TensorData> {
    let file = OnnxFile::open(&Path::new("tests/models/onnx").join(name)).unwrap();
    file.graph().initializer.iter().map(|tensor| file.tensor(tensor).unwrap()).collect()
}

#[test]
fn typed_fields_and_raw_data_hold_the_same() {
    let (typed, raw) = (initializers("every_type_typed.onnx"), initializers("every_type_raw.onnx"));
    assert_eq!(typed, raw);
    // Every known type is among them.
    for code in 1..=28 {
        assert!(typed.iter().any(|t| t.dtype_code == code), "{}", dtype::name(code).unwrap());
    }
    let strings = typed.iter().find(|t| t.dtype_code == dtype::STRING).unwrap();
    assert_eq!(strings.strings, [&b"a"[..], "\u{e4}\u{f6}".as_bytes()]);
    let int8 = typed.iter().find(|t| t.dtype_code == dtype::INT8).unwrap();
    assert_eq!(int8.to_i64s(), Some(vec![-128, -1, 0, 1, 127]));
}

#[test]
fn payloads_are_slices_of_the_file() {
    let bytes = Bytes::from(std::fs::read("tests/models/onnx/every_type_raw.onnx").unwrap());
    let inside = |part: &Bytes| bytes.as_ptr_range().contains(&part.as_ptr());
    let file = OnnxFile::from_bytes(bytes.clone()).unwrap();
    let tensor = |name: &str| file.graph().initializer.iter().find(|t| t.name == name).unwrap();
    assert!(inside(&file.tensor(tensor("float")).unwrap().bytes));
    assert!(inside(tensor("string").string_data.first().unwrap()));

    let bytes = Bytes::from(std::fs::read("tests/models/onnx/every_type_typed.onnx").unwrap());
    let inside = |part: &Bytes| bytes.as_ptr_range().contains(&part.as_ptr());
    let file = OnnxFile::from_bytes(bytes.clone()).unwrap();
    assert!(inside(&file.tensor(&file.graph().initializer[0]).unwrap().bytes));
}

#[test]
fn external_data() {
    let data = initializers("external.onnx");
    let floats =
        |t: &TensorData| -> Vec<f32> { t.bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect() };
    assert_eq!(floats(&data[0]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(floats(&data[1]), [6.0, 7.0, 8.0, 9.0]);
}

#[test]
fn numpy_arrays_as_numpy_wrote_them() {
    let mut count = 0;
    for entry in std::fs::read_dir("tests/models/npy").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "npy") {
            let expected = tensor_pb::read_file(&path.with_extension("pb")).unwrap();
            assert_eq!(npy::read_file(&path).unwrap(), expected, "{}", path.display());
            // Ours reads back, and for plain arrays it is numpy's file byte for byte.
            let written = npy::write(&expected).unwrap();
            assert_eq!(npy::read(&written.clone().into()).unwrap(), expected);
            let name = path.file_stem().unwrap().to_str().unwrap();
            if !name.contains("endian") && !name.contains("fortran") && name != "version2" {
                assert_eq!(written, std::fs::read(&path).unwrap(), "{name}");
            }
            count += 1;
        }
    }
    assert!(count >= 20, "only {count} arrays were found");
}

#[test]
fn broken_numpy_arrays() {
    let good = std::fs::read("tests/models/npy/fortran.npy").unwrap();
    for end in 0..good.len() {
        assert!(npy::read(&good[..end].to_vec().into()).is_err());
    }
    for bit in 0..good.len() * 8 {
        let mut broken = good.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let _ = npy::read(&broken.into());
    }
    let with = |header: &str, body: usize| {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(vec![0; body]);
        npy::read(&file.into())
    };
    with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8).unwrap();
    with("{\"shape\": (2L, 1), \"descr\": \">f4\", \"fortran_order\": True}", 8).unwrap();
    for (header, body) in [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 9),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 4611686018427387904, 8), }", 0),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8),
        ("{'descr': '', 'fortran_order': False, 'shape': (1,), }", 8),
        ("{'descr': '\u{e4}', 'fortran_order': False, 'shape': (1,), }", 8),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", 8),
        ("{'descr': '<f4', 'fortran_order': False}", 8),
        ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8),
        ("{", 0),
        ("", 0),
    ] {
        assert!(with(header, body).is_err(), "{header}");
    }
}

#[test]
fn tensor_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input_0.pb");
    for tensor in initializers("every_type_typed.onnx") {
        tensor_pb::write_file(&path, &tensor).unwrap();
        assert_eq!(tensor_pb::read_file(&path).unwrap(), tensor);
    }
    std::fs::write(&path, b"nonsense").unwrap();
    let error = tensor_pb::read_file(&path).unwrap_err().to_string();
    assert!(error.contains("input_0.pb"), "{error}");
}

#[test]
fn models_are_written_as_they_were_read() {
    let folder = tempfile::tempdir().unwrap();
    for path in agree::models_under(Path::new("tests/models/onnx")) {
        if path.ends_with("external.onnx") {
            continue;
        }
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let model = decode::decode_model(&bytes).unwrap();
        let written = folder.path().join("model.onnx");
        encode::write_model(model.clone(), &written, Weights::Automatic).unwrap();
        let bytes = Bytes::from(std::fs::read(&written).unwrap());
        assert_eq!(decode::decode_model(&bytes).unwrap(), model, "{}", path.display());
        agree::compare(&bytes, &path.display().to_string());
        assert_eq!(model.encode_to_vec().len(), bytes.len());
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["model.onnx"], "temporary files were left behind");
}

#[test]
fn weights_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let bytes = Bytes::from(std::fs::read("tests/models/onnx/mlp.onnx").unwrap());
    let mut model = decode::decode_model(&bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let large = |name: &str, first: u8| {
        let bytes: Bytes = (0..5000).map(|i| first.wrapping_add(i as u8)).collect();
        TensorProto::from_raw(name, dtype::UINT8, &[5000], bytes)
    };
    graph.initializer.extend([large("large1", 1), large("large2", 7)]);
    encode::write_model(model.clone(), &path, Weights::External).unwrap();

    let file = OnnxFile::open(&path).unwrap();
    let original = model.graph.unwrap().initializer;
    for (written, original) in file.graph().initializer.iter().zip(&original) {
        let expected = OnnxFile::from_bytes(bytes.clone()).unwrap().tensor(original).unwrap();
        assert_eq!(file.tensor(written).unwrap(), expected);
        assert_eq!(written.data_location, i32::from(original.name.starts_with("large")), "{}", original.name);
    }
    assert_eq!(std::fs::metadata(folder.path().join("model.onnx.data")).unwrap().len(), 8192 + 5000);
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
    // A model whose weights are elsewhere cannot be written without reading them first.
    assert!(encode::write_model(file.model, &path, Weights::Automatic).is_err());
}

#[test]
fn sequences_and_optional_values() {
    let element = || Box::new(ElementTypeProto::default());
    let sequence = TypeProto { value: Some(TypeValue::Sequence(element())), ..Default::default() };
    let optional = TypeProto { value: Some(TypeValue::Optional(element())), ..Default::default() };
    let read = |name: &str, value_type: &TypeProto| {
        let path = Path::new("tests/models/values").join(format!("{name}.pb"));
        let value = value_pb::read_file(&path, value_type).unwrap();
        // Written and read again it is the same; broken it is an error or another value, never a panic.
        let folder = tempfile::tempdir().unwrap();
        let written = folder.path().join("value.pb");
        value_pb::write_file(&written, &value).unwrap();
        assert_eq!(value_pb::read_file(&written, value_type).unwrap(), value, "{name}");
        let good = std::fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut broken = good.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let _ = value_pb::read(&broken.into(), value_type, "value");
            let _ = value_pb::read(&good[..bit / 8].to_vec().into(), value_type, "value");
        }
        value
    };
    let tensor = |value: &ValueData| match value {
        ValueData::Tensor(data) => (data.dtype_code, data.dims.clone()),
        other => panic!("{other:?}"),
    };
    let (a, b) = ((dtype::FLOAT, vec![3]), (dtype::INT64, vec![2, 2]));
    let ValueData::Sequence(items) = read("sequence", &sequence) else { panic!() };
    assert_eq!([tensor(&items[0]), tensor(&items[1])], [a.clone(), b.clone()]);
    assert_eq!(read("sequence_empty", &sequence), ValueData::Sequence(vec![]));
    let ValueData::Sequence(items) = read("sequence_nested", &sequence) else { panic!() };
    let [ValueData::Sequence(first), ValueData::Sequence(second)] = &items[..] else { panic!() };
    assert_eq!((first.len(), tensor(&second[0]), tensor(&second[1])), (1, b, a.clone()));
    let ValueData::Optional(Some(value)) = read("optional_tensor", &optional) else { panic!() };
    assert_eq!(tensor(&value), a);
    let ValueData::Optional(Some(value)) = read("optional_sequence", &optional) else { panic!() };
    assert!(matches!(&*value, ValueData::Sequence(items) if items.len() == 2));
    assert_eq!(read("optional_none", &optional), ValueData::Optional(None));
}
