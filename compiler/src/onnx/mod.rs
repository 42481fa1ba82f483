//! ONNX files in and out: decoding, validation against hostile files, weights by memory map, encoding.
//!
//! [`OnnxFile::open`] is the way in. What it returns has been checked: lengths, nesting and memory before decoding
//! ([`prescan`]), names, order, attributes, opsets and functions after it
//! ([`validate`]). Tensors are read one by one
//! with [`OnnxFile::tensor`]; their bytes stay in the map where the file allows it. Nothing here knows what an operator
//! means.

pub mod attribute;
pub mod decode;
pub mod dtype;
pub mod encode;
pub mod error;
pub mod export;
pub mod external;
pub mod functions;
pub mod import;
pub mod mapped;
pub mod model;
pub mod npy;
pub mod packed;
pub mod prescan;
pub mod proto;
mod proto_tensor;
pub mod sparse;
pub mod tensor;
pub mod tensor_pb;
mod topo;
pub mod validate;
pub mod value_pb;

pub use error::{OnnxError, Problem, ProblemKind};
pub use model::{OnnxFile, normalize_domain};
pub use tensor::TensorData;
