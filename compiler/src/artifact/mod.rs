//! Artifacts: a planned model as machine code, a description and weights, in this process or in a file.
//!
//! [`Compiled`] is the one thing every artifact is made of. Its code is one position-independent blob without external
//! references, so that every form holds the same bytes.
//!
//! - `in_process`: here and now; `lathe_file`: one mapped file;
//! - `object`, `archive`, `header`: what C programs link; `link`: shared libraries and executables, for which a C
//!   compiler or linker is called.
//!
//! Always holds: the same model and options give the same bytes; weights are streamed, never copied as a whole; a file is
//! replaced by a complete one or left alone.

pub mod archive;
mod hash;
pub mod header;
mod in_process;
pub mod lathe_file;
pub mod link;
pub mod object;
mod output;

pub use in_process::{InProcess, run, to_runtime_dtype};
pub use output::{Format, Output, default_prefix, write};

use crate::backend::{self, CodeBlob, Cpu, Target};
use crate::loopir::BufferKind as LoopBuffer;
use crate::onnx::encode::replace;
use crate::plan::Plan;
use crate::plan::weights::WeightTable;
use hash::HashWriter;
use lathe_ir::{Diagnostic, TensorType};
use lathe_runtime::core::desc::{BufferKind, DescBuilder};
use lathe_runtime::core::tier::Tier;
use std::path::Path;

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
    /// What the code is for.
    pub target: Target,
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
        target: options.target.clone(),
        kernels: plan.program.kernels.len(),
        weights: plan.weights,
        inputs: plan.inputs,
        outputs: plan.outputs,
        arena_bytes: plan.arena_bytes,
    })
}

/// Where an artifact's weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightsAt<'a> {
    /// In the artifact.
    Inside,
    /// In a file of their own, in the form that the code reads, and nothing else in it.
    File(&'a Path),
}

/// Most bytes of weights inside of an artifact: beyond, tools and address ranges of 2 GiB get in the way.
pub const MOST_INSIDE: u64 = 1_500_000_000;

impl Compiled {
    /// The description, with the hash of the weights. Its length does not depend on the hash.
    fn describe(&self, hash: u64) -> Result<Vec<u8>, Diagnostic> {
        let mut description = self.description.clone();
        description.weights(self.weights.total_bytes(), hash);
        description.finish().map_err(|code| Diagnostic::bug(format!("description: {}", code.text())))
    }

    /// Refuses more weights in an artifact than go there.
    fn check_size(&self, weights: WeightsAt<'_>) -> Result<(), Diagnostic> {
        let bytes = self.weights.total_bytes();
        if weights == WeightsAt::Inside && bytes > MOST_INSIDE {
            let message = format!("{bytes} bytes of weights are too many to be part of the artifact");
            return Err(Diagnostic::unsupported(message).help("--weights FILE puts them into a file of their own"));
        }
        Ok(())
    }

    /// Writes the weights alone and returns their hash.
    fn write_weights(&self, path: &Path) -> Result<u64, Diagnostic> {
        let mut hash = 0;
        replace(path, |out| {
            let mut hashing = HashWriter::new(out);
            self.weights.write(&mut hashing)?;
            hash = hashing.finish().1;
            Ok(())
        })
        .map_err(|error| cannot("write", path, &error))?;
        Ok(hash)
    }
}

fn cannot(act: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::invalid(format!("cannot {act} {}: {error}", path.display()))
}

fn describe(plan: &Plan, cpu: Cpu) -> DescBuilder {
    let tier = match cpu {
        Cpu::X86_64V3 => Tier::Avx2,
        Cpu::X86_64V4 => Tier::Avx512,
    };
    let mut description = DescBuilder::new(tier);
    description.weights(plan.weights.total_bytes(), 0);
    for (name, symbol) in plan.symbols.iter().zip(&plan.program.symbols) {
        description.symbol(name, symbol.lo, symbol.hi);
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
