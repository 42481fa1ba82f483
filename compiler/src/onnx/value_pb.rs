//! Values that are not plain tensors, as ONNX's own tests store them: `SequenceProto` and `OptionalProto` files.
//!
//! The file does not say which message it holds; the type of the model's input or output does. Maps and sparse tensors
//! are not here: no operator that is supported takes one.

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::error::{OnnxError, Problem};
use super::external::ExternalFiles;
use super::mapped;
use super::prescan::{self, Root};
use super::proto::{OptionalProto, SequenceProto, TypeProto, TypeValue};
use super::tensor::{TensorData, read_tensor};
use super::{encode, tensor_pb};

/// A value of one of the types a graph can have as input or output.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueData {
    /// A tensor.
    Tensor(TensorData),
    /// A list of values of one type.
    Sequence(Vec<ValueData>),
    /// A value or none.
    Optional(Option<Box<ValueData>>),
}

const TENSOR: i32 = 1;
const SEQUENCE: i32 = 3;
const OPTIONAL: i32 = 5;

/// Reads the file at `path`, which holds a value of type `value_type`; errors name the file.
pub fn read_file(path: &Path, value_type: &TypeProto) -> Result<ValueData, OnnxError> {
    if !matches!(value_type.value, Some(TypeValue::Sequence(_) | TypeValue::Optional(_))) {
        return tensor_pb::read_file(path).map(ValueData::Tensor);
    }
    let bytes = mapped::open(path).map_err(|error| OnnxError::io(path, error))?;
    Ok(read(&bytes, value_type, &path.display().to_string())?)
}

/// Reads a sequence or optional value from memory; errors name it as `place`.
pub fn read(bytes: &Bytes, value_type: &TypeProto, place: &str) -> Result<ValueData, Problem> {
    let undecodable = |error| Problem::invalid(place, format!("not a value file: {error}"));
    match value_type.value {
        Some(TypeValue::Sequence(_)) => {
            prescan::scan(bytes, Root::Sequence).map_err(|e| e.into_problem(place))?;
            sequence(&SequenceProto::decode(bytes.clone()).map_err(undecodable)?, place)
        }
        Some(TypeValue::Optional(_)) => {
            prescan::scan(bytes, Root::Optional).map_err(|e| e.into_problem(place))?;
            optional(&OptionalProto::decode(bytes.clone()).map_err(undecodable)?, place)
        }
        _ => Err(Problem::unsupported(place, "values that are neither tensors, sequences nor optional")),
    }
}

fn tensor(tensor: &super::proto::TensorProto, place: &str) -> Result<ValueData, Problem> {
    read_tensor(tensor, place, &ExternalFiles::default()).map(ValueData::Tensor)
}

fn sequence(message: &SequenceProto, place: &str) -> Result<ValueData, Problem> {
    let (tensors, sequences, optionals) = (&message.tensor_values, &message.sequence_values, &message.optional_values);
    let other = match message.elem_type {
        TENSOR => sequences.len() + optionals.len(),
        SEQUENCE => tensors.len() + optionals.len(),
        OPTIONAL => tensors.len() + sequences.len(),
        // An empty sequence need not say of what.
        0 => tensors.len() + sequences.len() + optionals.len(),
        other => return Err(Problem::unsupported(place, format!("a sequence of kind {other}"))),
    };
    if other > 0 {
        return Err(Problem::invalid(place, "a sequence holds values of another kind than it says"));
    }
    let tensors = tensors.iter().map(|item| tensor(item, place));
    let sequences = sequences.iter().map(|item| sequence(item, place));
    let optionals = optionals.iter().map(|item| optional(item, place));
    Ok(ValueData::Sequence(tensors.chain(sequences).chain(optionals).collect::<Result<_, _>>()?))
}

fn optional(message: &OptionalProto, place: &str) -> Result<ValueData, Problem> {
    let parts = (&message.tensor_value, &message.sequence_value, &message.optional_value);
    let value = match parts {
        (None, None, None) => None,
        (Some(value), None, None) => Some(tensor(value, place)?),
        (None, Some(value), None) => Some(sequence(value, place)?),
        (None, None, Some(value)) => Some(optional(value, place)?),
        _ => return Err(Problem::invalid(place, "an optional holds more than one value")),
    };
    Ok(ValueData::Optional(value.map(Box::new)))
}

/// Writes `value` to `path`, replacing a file there.
pub fn write_file(path: &Path, value: &ValueData) -> Result<(), OnnxError> {
    let bytes = match value {
        ValueData::Tensor(tensor) => return tensor_pb::write_file(path, tensor),
        ValueData::Sequence(items) => sequence_proto(items).encode_to_vec(),
        ValueData::Optional(value) => optional_proto(value.as_deref()).encode_to_vec(),
    };
    let write = |file: &mut std::io::BufWriter<&std::fs::File>| std::io::Write::write_all(file, &bytes);
    encode::replace(path, write).map_err(|error| OnnxError::io(path, error))
}

fn sequence_proto(items: &[ValueData]) -> SequenceProto {
    let mut message = SequenceProto::default();
    for item in items {
        match item {
            ValueData::Tensor(data) => {
                message.elem_type = TENSOR;
                message.tensor_values.push(tensor_pb::to_proto(data));
            }
            ValueData::Sequence(items) => {
                message.elem_type = SEQUENCE;
                message.sequence_values.push(sequence_proto(items));
            }
            ValueData::Optional(value) => {
                message.elem_type = OPTIONAL;
                message.optional_values.push(optional_proto(value.as_deref()));
            }
        }
    }
    message
}

fn optional_proto(value: Option<&ValueData>) -> OptionalProto {
    let mut message = OptionalProto::default();
    match value {
        None => {}
        Some(ValueData::Tensor(data)) => {
            message.elem_type = TENSOR;
            message.tensor_value = Some(tensor_pb::to_proto(data));
        }
        Some(ValueData::Sequence(items)) => {
            message.elem_type = SEQUENCE;
            message.sequence_value = Some(sequence_proto(items));
        }
        Some(ValueData::Optional(value)) => {
            message.elem_type = OPTIONAL;
            message.optional_value = Some(Box::new(optional_proto(value.as_deref())));
        }
    }
    message
}
