//! The compiler: ONNX in and out, planning, loop IR, backends, artifacts.

pub mod backend;
pub mod loopir;
pub mod onnx;
pub mod plan;
pub mod session;
