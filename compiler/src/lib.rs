//! The compiler.

pub mod backend;
pub mod loopir;
pub mod onnx;
