//! The ONNX file format as prost messages, written by hand after `onnx.proto` of onnx 1.23.2 (IR version 14).
//!
//! Byte payloads are [`Bytes`], so decoding from a memory map copies no weights. Documentation strings are bytes too:
//! they need not be UTF-8 and cost nothing. Presence is kept (`Option`) only where absent and zero differ.
//! Fields not listed (training info, device configurations, quantization annotations) are skipped as unknown.
//! [`super::prescan`] must pass a file before it is decoded with these.

use bytes::Bytes;

pub use super::proto_tensor::{Packed, TensorProto, TypedData};

/// A key and its value; used for metadata and for the location of external data.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StringStringEntryProto {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// One operator set a model or function is written against.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSetIdProto {
    /// Domain; empty means `ai.onnx`.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Version of the operator set.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A whole model file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelProto {
    /// Version of the file format (not of the operators).
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Program that wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Version of the program that wrote the file.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// Namespace of the model.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// Version of the model.
    #[prost(int64, tag = "5")]
    pub model_version: i64,
    /// Documentation.
    #[prost(bytes = "bytes", tag = "6")]
    pub doc_string: Bytes,
    /// The main graph.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// Operator sets used.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Named metadata.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// Functions defined by the model itself.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
}

/// A graph: the main one, or the body of a control-flow node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphProto {
    /// Nodes; after [`super::OnnxFile`] has opened a model they are in topological order.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// Name of the graph.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants known by name.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// Documentation.
    #[prost(bytes = "bytes", tag = "10")]
    pub doc_string: Bytes,
    /// Inputs in order.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// Outputs in order.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// What the exporter believed about values in between: advice, never truth.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
    /// Constants in sparse form, named by their `values` tensor.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
    /// Named metadata.
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// One node: an operator applied to named values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeProto {
    /// Names of the input values; an empty name is an input left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the output values; an empty name is an output nobody wants.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name of the node; may be empty and need not be unique.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Attributes.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// Documentation.
    #[prost(bytes = "bytes", tag = "6")]
    pub doc_string: Bytes,
    /// Domain of the operator; empty means `ai.onnx`.
    #[prost(string, tag = "7")]
    pub domain: String,
    /// Which of several functions of the same name is meant.
    #[prost(string, tag = "8")]
    pub overload: String,
    /// Named metadata.
    #[prost(message, repeated, tag = "9")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Kind of an attribute, as the integer in [`AttributeProto::r#type`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum AttributeType {
    /// Not said (files of IR version 1): the one value present decides.
    Undefined = 0,
    /// `f`
    Float = 1,
    /// `i`
    Int = 2,
    /// `s`
    String = 3,
    /// `t`
    Tensor = 4,
    /// `g`
    Graph = 5,
    /// `floats`
    Floats = 6,
    /// `ints`
    Ints = 7,
    /// `strings`
    Strings = 8,
    /// `tensors`
    Tensors = 9,
    /// `graphs`
    Graphs = 10,
    /// `sparse_tensor`
    SparseTensor = 11,
    /// `sparse_tensors`
    SparseTensors = 12,
    /// `tp`
    TypeProto = 13,
    /// `type_protos`
    TypeProtos = 14,
}

/// A named attribute of a node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value of kind FLOAT.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// Value of kind INT.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// Value of kind STRING; UTF-8 by convention, not checked.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub s: Option<Bytes>,
    /// Value of kind TENSOR.
    #[prost(message, optional, boxed, tag = "5")]
    pub t: Option<Box<TensorProto>>,
    /// Value of kind GRAPH.
    #[prost(message, optional, boxed, tag = "6")]
    pub g: Option<Box<GraphProto>>,
    /// Value of kind FLOATS.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Value of kind INTS.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Value of kind STRINGS.
    #[prost(bytes = "bytes", repeated, tag = "9")]
    pub strings: Vec<Bytes>,
    /// Value of kind TENSORS.
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<TensorProto>,
    /// Value of kind GRAPHS.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<GraphProto>,
    /// Documentation.
    #[prost(bytes = "bytes", tag = "13")]
    pub doc_string: Bytes,
    /// Value of kind TYPE_PROTO.
    #[prost(message, optional, boxed, tag = "14")]
    pub tp: Option<Box<TypeProto>>,
    /// Value of kind TYPE_PROTOS.
    #[prost(message, repeated, tag = "15")]
    pub type_protos: Vec<TypeProto>,
    /// Which kind this is.
    #[prost(enumeration = "AttributeType", tag = "20")]
    pub r#type: i32,
    /// Inside a function: the attribute of the calling node that gives the value.
    #[prost(string, tag = "21")]
    pub ref_attr_name: String,
    /// Value of kind SPARSE_TENSOR.
    #[prost(message, optional, boxed, tag = "22")]
    pub sparse_tensor: Option<Box<SparseTensorProto>>,
    /// Value of kind SPARSE_TENSORS.
    #[prost(message, repeated, tag = "23")]
    pub sparse_tensors: Vec<SparseTensorProto>,
}

/// A tensor stored as its non-zero values and their places.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SparseTensorProto {
    /// The values, shape `[nnz]`; its name is the name of the sparse tensor.
    #[prost(message, optional, boxed, tag = "1")]
    pub values: Option<Box<TensorProto>>,
    /// Their places: `[nnz]` linear or `[nnz, rank]`, ascending.
    #[prost(message, optional, boxed, tag = "2")]
    pub indices: Option<Box<TensorProto>>,
    /// Shape of the dense tensor.
    #[prost(int64, repeated, packed = "false", tag = "3")]
    pub dims: Vec<i64>,
}

/// Name and type of a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfoProto {
    /// Name of the value.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type of the value.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// Documentation.
    #[prost(bytes = "bytes", tag = "3")]
    pub doc_string: Bytes,
    /// Named metadata.
    #[prost(message, repeated, tag = "4")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Type of a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TypeProto {
    /// Meaning of the value (a standard name such as `IMAGE`), unused here.
    #[prost(string, tag = "6")]
    pub denotation: String,
    /// The type itself.
    #[prost(oneof = "TypeValue", tags = "1, 4, 5, 7, 8, 9")]
    pub value: Option<TypeValue>,
}

/// The cases of [`TypeProto`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum TypeValue {
    /// Dense tensor.
    #[prost(message, tag = "1")]
    Tensor(TensorTypeProto),
    /// Sequence of values of one type.
    #[prost(message, boxed, tag = "4")]
    Sequence(Box<ElementTypeProto>),
    /// Map from a scalar key to values of one type.
    #[prost(message, boxed, tag = "5")]
    Map(Box<MapTypeProto>),
    /// Opaque type.
    #[prost(message, tag = "7")]
    Opaque(OpaqueTypeProto),
    /// Sparse tensor.
    #[prost(message, tag = "8")]
    SparseTensor(TensorTypeProto),
    /// Optional value.
    #[prost(message, boxed, tag = "9")]
    Optional(Box<ElementTypeProto>),
}

/// Type of a dense or sparse tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorTypeProto {
    /// Element type, see [`super::dtype`].
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Shape; absent means that the rank is unknown.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// Type of a sequence or of an optional value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ElementTypeProto {
    /// Type of the elements.
    #[prost(message, optional, boxed, tag = "1")]
    pub elem_type: Option<Box<TypeProto>>,
}

/// Type of a map.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MapTypeProto {
    /// Element type of the keys.
    #[prost(int32, tag = "1")]
    pub key_type: i32,
    /// Type of the values.
    #[prost(message, optional, boxed, tag = "2")]
    pub value_type: Option<Box<TypeProto>>,
}

/// A type named by domain and name only.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpaqueTypeProto {
    /// Domain.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Name.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// A shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    /// One entry per axis.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// One axis of a shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DimensionProto {
    /// Size; absent means unknown.
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    pub value: Option<DimensionValue>,
    /// Meaning of the axis (a standard name such as `DATA_BATCH`), unused here.
    #[prost(string, tag = "3")]
    pub denotation: String,
}

/// Size of an axis.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum DimensionValue {
    /// A number; exporters write -1 or 0 for unknown at times.
    #[prost(int64, tag = "1")]
    Value(i64),
    /// A symbol: equal names are equal sizes.
    #[prost(string, tag = "2")]
    Param(String),
}

/// A function: a node's meaning written as nodes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FunctionProto {
    /// Name, matched with [`NodeProto::op_type`].
    #[prost(string, tag = "1")]
    pub name: String,
    /// Names of the inputs.
    #[prost(string, repeated, tag = "4")]
    pub input: Vec<String>,
    /// Names of the outputs.
    #[prost(string, repeated, tag = "5")]
    pub output: Vec<String>,
    /// Names of attributes without a default.
    #[prost(string, repeated, tag = "6")]
    pub attribute: Vec<String>,
    /// Nodes of the body.
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<NodeProto>,
    /// Documentation.
    #[prost(bytes = "bytes", tag = "8")]
    pub doc_string: Bytes,
    /// Operator sets of the body.
    #[prost(message, repeated, tag = "9")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Domain, matched with [`NodeProto::domain`].
    #[prost(string, tag = "10")]
    pub domain: String,
    /// Attributes with a default.
    #[prost(message, repeated, tag = "11")]
    pub attribute_proto: Vec<AttributeProto>,
    /// Types of values inside: advice only.
    #[prost(message, repeated, tag = "12")]
    pub value_info: Vec<ValueInfoProto>,
    /// Matched with [`NodeProto::overload`].
    #[prost(string, tag = "13")]
    pub overload: String,
    /// Named metadata.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// A sequence as a value (`onnx-data.proto`): an input or output of a test.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SequenceProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Which of the lists holds the elements: 1 tensors, 3 sequences, 5 optionals.
    #[prost(int32, tag = "2")]
    pub elem_type: i32,
    /// Elements that are tensors.
    #[prost(message, repeated, tag = "3")]
    pub tensor_values: Vec<TensorProto>,
    /// Elements that are sequences.
    #[prost(message, repeated, tag = "5")]
    pub sequence_values: Vec<SequenceProto>,
    /// Elements that are optionals.
    #[prost(message, repeated, tag = "7")]
    pub optional_values: Vec<OptionalProto>,
}

/// An optional value as a value (`onnx-data.proto`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct OptionalProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Kind of the value, as in [`SequenceProto::elem_type`].
    #[prost(int32, tag = "2")]
    pub elem_type: i32,
    /// The value, if it is a tensor.
    #[prost(message, optional, tag = "3")]
    pub tensor_value: Option<TensorProto>,
    /// The value, if it is a sequence.
    #[prost(message, optional, tag = "5")]
    pub sequence_value: Option<SequenceProto>,
    /// The value, if it is an optional.
    #[prost(message, optional, boxed, tag = "7")]
    pub optional_value: Option<Box<OptionalProto>>,
}
