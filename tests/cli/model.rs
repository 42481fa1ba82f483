//! Small ONNX models in a folder of their own, and `lathe` on them.

use lathe_compiler::onnx::proto::*;
use lathe_compiler::onnx::tensor::TensorData;
use lathe_compiler::onnx::tensor_pb;
use lathe_ir::{DType, Tensor};
use prost::Message;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A value of a graph: `None` for a size that is left open.
pub(crate) fn value(name: &str, dtype: DType, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = |size: &Option<i64>| DimensionProto { value: size.map(DimensionValue::Value), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = TypeValue::Tensor(TensorTypeProto { elem_type: dtype.onnx_code(), shape });
    let ty = TypeProto { value: Some(tensor), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(ty), ..Default::default() }
}

/// A node; its name is given, its output has the same.
pub(crate) fn node(name: &str, op: &str, inputs: &[&str], attrs: &[(&str, i64)]) -> NodeProto {
    let (domain, op) = op.rsplit_once("::").unwrap_or(("", op));
    let attribute = |(name, value): &(&str, i64)| AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::Int as i32,
        i: Some(*value),
        ..Default::default()
    };
    NodeProto {
        name: name.into(),
        domain: domain.into(),
        op_type: op.into(),
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: vec![name.into()],
        attribute: attrs.iter().map(attribute).collect(),
        ..Default::default()
    }
}

/// A folder with a model.
pub(crate) struct Case {
    pub(crate) dir: TempDir,
}

impl Case {
    /// Writes `model.onnx`; its output is the last node's.
    pub(crate) fn new(inputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>) -> Case {
        let output = ValueInfoProto { name: nodes.last().unwrap().output[0].clone(), ..Default::default() };
        let ty = TypeValue::Tensor(TensorTypeProto { elem_type: DType::F32.onnx_code(), shape: None });
        let output = ValueInfoProto { r#type: Some(TypeProto { value: Some(ty), ..Default::default() }), ..output };
        let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
        let graph =
            GraphProto { name: "g".into(), node: nodes, input: inputs, output: vec![output], ..Default::default() };
        let model = ModelProto {
            ir_version: 9,
            opset_import: vec![opset("", 18), opset("com.example", 3), opset("com.microsoft", 1)],
            graph: Some(graph),
            ..Default::default()
        };
        let case = Case { dir: tempfile::tempdir().unwrap() };
        std::fs::write(case.at("model.onnx"), model.encode_to_vec()).unwrap();
        case
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a tensor as `FOLDER/input_INDEX.pb`.
    pub(crate) fn input(&self, folder: &str, index: usize, tensor: &Tensor) {
        std::fs::create_dir_all(self.at(folder)).unwrap();
        let data = TensorData {
            name: String::new(),
            dtype_code: tensor.dtype().onnx_code(),
            dims: tensor.shape().iter().map(|&size| size as i64).collect(),
            bytes: tensor.bytes().clone(),
            strings: Vec::new(),
        };
        tensor_pb::write_file(&self.at(folder).join(format!("input_{index}.pb")), &data).unwrap();
    }

    /// The first output in a folder: its sizes and values.
    pub(crate) fn output(&self, folder: &str) -> (Vec<i64>, Vec<f64>) {
        let data = tensor_pb::read_file(&self.at(folder).join("output_0.pb")).unwrap();
        let sizes: Vec<usize> = data.dims.iter().map(|&size| size as usize).collect();
        let tensor = Tensor::from_bytes(DType::from_onnx_code(data.dtype_code).unwrap(), &sizes, data.bytes).unwrap();
        (data.dims, tensor.to_f64())
    }

    /// Calls `lathe` in the folder; gives the exit status, and what it wrote to both streams.
    pub(crate) fn lathe(&self, args: &[&str]) -> (i32, String) {
        let done = Command::new(env!("CARGO_BIN_EXE_lathe")).args(args).current_dir(self.dir.path()).output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap_or(-1), String::from_utf8(said).unwrap())
    }

    /// As [`Case::lathe`], which has to end well.
    #[track_caller]
    pub(crate) fn succeeds(&self, args: &[&str]) -> String {
        let (status, said) = self.lathe(args);
        assert_eq!(status, 0, "{args:?}: {said}");
        said
    }

    /// As [`Case::lathe`], which has to end with that status and say all of that.
    #[track_caller]
    pub(crate) fn fails(&self, args: &[&str], status: i32, expected: &[&str]) {
        let (found, said) = self.lathe(args);
        assert_eq!(found, status, "{args:?}: {said}");
        for text in expected {
            assert!(said.contains(text), "{args:?}: {text:?} is not in\n{said}");
        }
    }
}
