//! The compiler.

pub mod onnx;
