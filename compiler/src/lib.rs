//! The compiler: ONNX in and out, planning, loop IR, backends, artifacts.

pub mod artifact;
pub mod backend;
pub mod cli;
pub mod limits;
pub mod locate;
pub mod loopir;
pub mod onnx;
pub mod pipeline;
pub mod plan;
