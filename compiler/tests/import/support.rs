//! A small builder of ONNX models: import, evaluate, compare.

use bytes::Bytes;
use lathe_compiler::onnx::import::{ImportOptions, import};
use lathe_compiler::onnx::packed::proto_of_ir;
use lathe_compiler::onnx::proto::*;
use lathe_compiler::onnx::{OnnxFile, dtype};
use lathe_ir::{DType, Diagnostics, Module, Tensor, eval_module};
use prost::Message;

/// The value of an attribute.
pub(crate) enum A<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Floats(&'a [f32]),
    Str(&'a str),
    Strs(&'a [&'a str]),
    Tensor(Tensor),
    Graph(GraphProto),
}

/// f32 values between -2.5 and 2.5 that look random; the same formula made the expected numbers.
pub(crate) fn f32s(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (((i + seed) * 37 + i * i * 11) % 41) as f32 / 8.0 - 2.5).collect();
    Tensor::from_f32(shape, &values)
}

/// Positive f32 values between 0.125 and 5.25.
pub(crate) fn positive(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (((i + seed) * 37 + i * i * 11) % 41) as f32 / 8.0 + 0.125).collect();
    Tensor::from_f32(shape, &values)
}

/// Integers from `low` on, below `low + count`.
pub(crate) fn ints(dtype: DType, shape: &[usize], seed: usize, low: i64, count: usize) -> Tensor {
    let size: usize = shape.iter().product();
    let values: Vec<i64> = (0..size).map(|i| low + ((i * 7 + seed * 3) % count) as i64).collect();
    Tensor::from_i64(dtype, shape, &values)
}

/// An i64 list.
pub(crate) fn i64s(values: &[i64]) -> Tensor {
    Tensor::from_i64(DType::I64, &[values.len()], values)
}

/// An f32 list.
pub(crate) fn floats(values: &[f32]) -> Tensor {
    Tensor::from_f32(&[values.len()], values)
}

/// A tensor as ONNX holds it.
pub(crate) fn proto(name: &str, tensor: &Tensor) -> TensorProto {
    proto_of_ir(name, tensor)
}

/// A node; its name is that of its first output.
pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str], attrs: &[(&str, A<'_>)]) -> NodeProto {
    let (domain, op) = op.rsplit_once("::").unwrap_or(("", op));
    NodeProto {
        op_type: op.to_owned(),
        domain: domain.to_owned(),
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: outputs.iter().map(|name| name.to_string()).collect(),
        attribute: attrs.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

fn attribute((name, value): &(&str, A<'_>)) -> AttributeProto {
    let mut attribute = AttributeProto { name: name.to_string(), ..AttributeProto::default() };
    let kind = match value {
        A::Int(value) => {
            attribute.i = Some(*value);
            AttributeType::Int
        }
        A::Ints(values) => {
            attribute.ints = values.to_vec();
            AttributeType::Ints
        }
        A::Float(value) => {
            attribute.f = Some(*value);
            AttributeType::Float
        }
        A::Floats(values) => {
            attribute.floats = values.to_vec();
            AttributeType::Floats
        }
        A::Str(value) => {
            attribute.s = Some(Bytes::copy_from_slice(value.as_bytes()));
            AttributeType::String
        }
        A::Strs(words) => {
            attribute.strings = words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
            AttributeType::Strings
        }
        A::Tensor(tensor) => {
            attribute.t = Some(Box::new(proto("", tensor)));
            AttributeType::Tensor
        }
        A::Graph(graph) => {
            attribute.g = Some(Box::new(graph.clone()));
            AttributeType::Graph
        }
    };
    attribute.r#type = kind as i32;
    attribute
}

/// A dimension of an input: a size, or a name.
#[derive(Clone, Copy)]
pub(crate) enum D<'a> {
    Size(i64),
    Name(&'a str),
    Unnamed,
}

/// Declares an input.
pub(crate) fn input(name: &str, dtype: DType, dims: &[D<'_>]) -> ValueInfoProto {
    let dim = |dim: &D<'_>| DimensionProto {
        value: match dim {
            D::Size(size) => Some(DimensionValue::Value(*size)),
            D::Name(name) => Some(DimensionValue::Param(name.to_string())),
            D::Unnamed => None,
        },
        ..DimensionProto::default()
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = TensorTypeProto { elem_type: dtype.onnx_code(), shape };
    let value = Some(TypeValue::Tensor(tensor));
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { value, ..TypeProto::default() }),
        ..Default::default()
    }
}

/// A model that is being built.
pub(crate) struct Case {
    pub(crate) graph: GraphProto,
    pub(crate) opset: i64,
    pub(crate) functions: Vec<FunctionProto>,
    values: Vec<Tensor>,
}

impl Case {
    /// A model of that opset.
    pub(crate) fn new(opset: i64) -> Case {
        Case { graph: GraphProto::default(), opset, functions: Vec::new(), values: Vec::new() }
    }

    /// An input of fixed shape with its value.
    pub(crate) fn input(mut self, name: &str, value: Tensor) -> Case {
        let dims: Vec<D<'_>> = value.shape().iter().map(|&size| D::Size(size as i64)).collect();
        self.graph.input.push(input(name, value.dtype(), &dims));
        self.values.push(value);
        self
    }

    /// An input with declared dimensions and a value.
    pub(crate) fn input_dims(mut self, name: &str, dims: &[D<'_>], value: Tensor) -> Case {
        self.graph.input.push(input(name, value.dtype(), dims));
        self.values.push(value);
        self
    }

    /// An initializer.
    pub(crate) fn weight(mut self, name: &str, value: Tensor) -> Case {
        self.graph.initializer.push(proto(name, &value));
        self
    }

    /// A node.
    pub(crate) fn node(mut self, op: &str, inputs: &[&str], outputs: &[&str], attrs: &[(&str, A<'_>)]) -> Case {
        self.graph.node.push(node(op, inputs, outputs, attrs));
        self
    }

    /// Declares graph outputs.
    pub(crate) fn outputs(mut self, names: &[&str]) -> Case {
        for name in names {
            let tensor = TensorTypeProto { elem_type: dtype::FLOAT, shape: None };
            let ty = TypeProto { value: Some(TypeValue::Tensor(tensor)), ..TypeProto::default() };
            self.graph.output.push(ValueInfoProto { name: name.to_string(), r#type: Some(ty), ..Default::default() });
        }
        self
    }

    /// The file.
    pub(crate) fn file(&self) -> OnnxFile {
        let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
        let model = ModelProto {
            ir_version: 10,
            opset_import: vec![
                opset("", self.opset),
                opset("com.microsoft", 1),
                opset("ai.onnx.preview", 1),
                opset("ai.onnx.preview.training", 1),
                opset("local", 1),
            ],
            graph: Some(self.graph.clone()),
            functions: self.functions.clone(),
            ..ModelProto::default()
        };
        OnnxFile::from_bytes(model.encode_to_vec().into()).unwrap()
    }

    /// The imported program.
    #[track_caller]
    pub(crate) fn import(&self) -> Module {
        self.import_with(&ImportOptions::default()).unwrap_or_else(|found| panic!("{found}"))
    }

    /// The imported program under options.
    pub(crate) fn import_with(&self, options: &ImportOptions) -> Result<Module, Diagnostics> {
        import(&self.file(), options)
    }

    /// The findings of an import that fails.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        self.import_with(&ImportOptions::default()).expect_err("the import succeeded").to_string()
    }

    /// Imports, evaluates and compares the outputs, in order.
    #[track_caller]
    pub(crate) fn gives(self, expected: &[(DType, &[usize], &[f64])]) {
        let results = eval_module(&self.import(), self.values.clone()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(results.len(), expected.len(), "number of outputs");
        for (index, (result, (dtype, shape, values))) in results.iter().zip(expected).enumerate() {
            assert_eq!((result.dtype(), result.shape()), (*dtype, *shape), "type of output {index}");
            let largest = values.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
            let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 2e-6 * largest + 1e-7;
            for (at, (&have, &want)) in result.to_f64().iter().zip(*values).enumerate() {
                assert!(close(have, want), "output {index}, element {at}: {have}, expected {want}");
            }
        }
    }
}
