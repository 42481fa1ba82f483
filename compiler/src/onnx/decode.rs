//! Bytes to messages: the pre-scan first, then prost.

use bytes::Bytes;
use prost::Message;

use super::error::Problem;
use super::prescan::{self, Root};
use super::proto::{ModelProto, TensorProto};

/// Decodes a model file. Payloads stay slices of `bytes`.
pub fn decode_model(bytes: &Bytes) -> Result<ModelProto, Problem> {
    if let Some(what) = known_other_format(bytes) {
        return Err(Problem::invalid("model", format!("not an ONNX model: {what}")));
    }
    prescan::scan(bytes, Root::Model).map_err(|e| e.into_problem("model"))?;
    ModelProto::decode(bytes.clone()).map_err(|e| Problem::invalid("model", format!("not an ONNX model: {e}")))
}

/// Decodes a tensor file (`input_0.pb` of an ONNX test). The payload stays a slice of `bytes`.
pub fn decode_tensor(bytes: &Bytes) -> Result<TensorProto, Problem> {
    prescan::scan(bytes, Root::Tensor).map_err(|e| e.into_problem("tensor"))?;
    TensorProto::decode(bytes.clone()).map_err(|e| Problem::invalid("tensor", format!("not a TensorProto: {e}")))
}

/// Files people hand over by mistake, recognised by how they begin.
fn known_other_format(bytes: &[u8]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"version https://git-lfs", "it is a Git LFS pointer, the model itself was not downloaded"),
        (b"PK\x03\x04", "it is a zip archive (a PyTorch checkpoint or a packed model?)"),
        (b"\x1f\x8b", "it is gzip compressed"),
        (b"\x89HDF", "it is an HDF5 file"),
        (b"<!DOCTYPE", "it is an HTML page"),
        (b"<html", "it is an HTML page"),
        (b"ir_version:", "it is in protobuf text form"),
    ];
    STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, what)| *what)
}
