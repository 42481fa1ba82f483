//! Tensor IR of Lathe: element types, symbolic dimensions, ops, graphs, a checked builder, a verifier, the reference
//! evaluator, the text form and diagnostics.
//!
//! Always holds: no `unsafe`, no panic on what a model can contain, the same input gives the same output (ordered
//! containers only). Not here: ONNX, passes, machine code.

#![forbid(unsafe_code)]

pub mod activation;
pub mod attr;
pub mod builder;
pub mod diag;
pub mod dim;
pub mod dtype;
pub mod eval;
pub mod graph;
pub mod narrow;
pub mod op;
mod ops;
pub mod tensor;
pub mod text;
pub mod types;
pub mod verify;
pub mod view;

pub use attr::{Attr, AttrKind};
pub use builder::Builder;
pub use diag::{Diagnostic, Diagnostics, Kind, Place};
pub use dim::{Dim, Symbol, SymbolInfo, Symbols};
pub use dtype::DType;
pub use eval::{Bindings, eval_graph, eval_module, eval_op, open_dim};
pub use graph::{Attrs, Def, Env, Graph, Loc, Module, Op, OpId, Operands, Port, Value, ValueId, Weight, WeightId};
pub use op::{OpCode, OpDef, OpError};
pub use ops::resize::{Sampling, resize_taps};
pub use ops::{LOOP_LIMIT, repeats};
pub use tensor::Tensor;
pub use types::{Shape, TensorType};
pub use verify::verify;
