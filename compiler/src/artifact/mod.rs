//! Artifacts: a planned model as machine code, a description and weights, in this process or in a file.
//!
//! [`Compiled`] is the one thing every artifact is made of. Its code is one position-independent blob without external
//! references, so that every form holds the same bytes.

mod in_process;

pub use in_process::{InProcess, run, to_runtime_dtype};

use crate::backend::{self, CodeBlob, Cpu};
use crate::loopir::BufferKind as LoopBuffer;
use crate::plan::Plan;
use crate::plan::weights::WeightTable;
use lathe_ir::{Diagnostic, TensorType};
use lathe_runtime::core::desc::{BufferKind, DescBuilder};
use lathe_runtime::core::tier::Tier;

/// A model in machine code.
pub struct Compiled {
    /// Code of all kernels and of `bind`, `plan` and `run`.
    pub code: CodeBlob,
    /// The description that the runtime reads; the hash of the weights is left out.
    pub description: DescBuilder,
    /// The weights in the order and form the code reads them.
    pub weights: WeightTable,
    /// Name and type of each input.
    pub inputs: Vec<(String, TensorType)>,
    /// Name and type of each output.
    pub outputs: Vec<(String, TensorType)>,
    /// Number of kernels.
    pub kernels: usize,
    /// Bytes of the arena at typical sizes.
    pub arena_bytes: i64,
}

/// Generates code for a plan.
pub fn compile(plan: Plan, options: &backend::Options) -> Result<Compiled, Diagnostic> {
    let code = backend::compile(&plan.program, options).map_err(|error| Diagnostic::bug(error.to_string()))?;
    let description = describe(&plan, options.target.cpu);
    Ok(Compiled {
        code,
        description,
        kernels: plan.program.kernels.len(),
        weights: plan.weights,
        inputs: plan.inputs,
        outputs: plan.outputs,
        arena_bytes: plan.arena_bytes,
    })
}

fn describe(plan: &Plan, cpu: Cpu) -> DescBuilder {
    let tier = match cpu {
        Cpu::X86_64V3 => Tier::Avx2,
        Cpu::X86_64V4 => Tier::Avx512,
    };
    let mut description = DescBuilder::new(tier);
    description.weights(plan.weights.total_bytes(), 0);
    for symbol in &plan.program.symbols {
        description.symbol(&symbol.name, symbol.lo, symbol.hi);
    }
    let dims = |ty: &TensorType| -> Vec<i64> { ty.shape.iter().map(|dim| dim.as_const().unwrap_or(-1)).collect() };
    for (name, ty) in &plan.inputs {
        description.input(name, to_runtime_dtype(ty.dtype), &dims(ty));
    }
    for (name, ty) in &plan.outputs {
        description.output(name, to_runtime_dtype(ty.dtype), &dims(ty));
    }
    for buffer in &plan.program.buffers {
        let kind = match &buffer.kind {
            LoopBuffer::Input(index) => BufferKind::Input(*index),
            LoopBuffer::Output(index) => BufferKind::Output(*index),
            LoopBuffer::Weight { .. } => BufferKind::Weights,
            LoopBuffer::Arena => BufferKind::Arena,
            LoopBuffer::Alias { of, .. } => BufferKind::Alias(of.0),
        };
        description.buffer(kind, buffer.elem.size() as usize);
    }
    for (name, op) in &plan.nodes {
        description.node(name, op);
    }
    description
}
