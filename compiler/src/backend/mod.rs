//! Backends: from verified loop IR to machine code.
//!
//! [`compile`] gives one position-independent [`CodeBlob`]: it refers to nothing outside of itself, because all that
//! generated code reaches comes through `RunCtx` (micro-kernels by table slot, buffers and symbols by index). Artifacts
//! store its bytes as they are; [`lathe_runtime::exec`] maps them into this process.
//!
//! Entry points, all in the platform's C calling convention:
//! - `bind(dims: *const *const i64, symbols: *mut i64, status: *mut Status) -> i32`: `dims[i]` are the sizes of input i;
//! - `plan(symbols: *const i64, out: *mut i64)`: `out` has `Program::plan_len` zeroed slots (see `Program::plan_index`);
//! - `run(ctx: *const RunCtx) -> i32`: the status code, 0 when all went well;
//! - kernels, which `run` passes to `RunCtx::parallel_for`.

pub mod cranelift;

use crate::loopir::{Program, verify};
use std::str::FromStr;
use target_lexicon::Triple;

/// Instructions that generated code may use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cpu {
    /// AVX2, FMA, BMI1/2, LZCNT, POPCNT: most x86 machines since 2013.
    X86_64V3,
    /// AVX-512 F, BW, CD, DQ, VL on top.
    X86_64V4,
}

impl Cpu {
    /// Name as given to `--cpu`.
    pub fn name(self) -> &'static str {
        match self {
            Cpu::X86_64V3 => "x86-64-v3",
            Cpu::X86_64V4 => "x86-64-v4",
        }
    }
}

impl FromStr for Cpu {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Cpu, BackendError> {
        [Cpu::X86_64V3, Cpu::X86_64V4]
            .into_iter()
            .find(|cpu| cpu.name() == name)
            .ok_or_else(|| BackendError::Target(format!("unknown cpu {name:?}; known are x86-64-v3 and x86-64-v4")))
    }
}

/// What code is generated for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Operating system and architecture.
    pub triple: Triple,
    /// Least CPU.
    pub cpu: Cpu,
}

impl Default for Target {
    /// x86-64-v3 of this operating system.
    fn default() -> Self {
        Target { triple: Triple::host(), cpu: Cpu::X86_64V3 }
    }
}

/// How to compile.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What for.
    pub target: Target,
    /// Keep the generated code's text in [`CodeBlob::disassembly`].
    pub disassemble: bool,
}

/// One function in a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobSymbol {
    /// Its name; the program-level functions are `bind`, `plan` and `run`, others have a leading `@`.
    pub name: String,
    /// Offset of its first byte, a multiple of 16.
    pub offset: u32,
    /// Its bytes.
    pub len: u32,
}

/// Machine code of a program. Identical programs and options give identical blobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeBlob {
    /// Code and its constants. May be mapped at any address that is a multiple of 64.
    pub bytes: Vec<u8>,
    /// All functions, by offset.
    pub symbols: Vec<BlobSymbol>,
    /// Offset of `bind`.
    pub bind: u32,
    /// Offset of `plan`.
    pub plan: u32,
    /// Offset of `run`.
    pub run: u32,
    /// Offsets of the kernels, by `KernelId`.
    pub kernels: Vec<u32>,
    /// Text of the generated code, one entry per function, when asked for.
    pub disassembly: Vec<String>,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No code can be made for this target.
    #[error("unsupported target: {0}")]
    Target(String),
    /// The program breaks the rules of loop IR: a bug of its maker.
    #[error("invalid loop IR: {0}")]
    Invalid(#[from] crate::loopir::VerifyErrors),
    /// The code generator failed: a bug.
    #[error("code generation of {function}: {message}")]
    Codegen {
        /// The function.
        function: String,
        /// What went wrong.
        message: String,
    },
}

/// Verifies and compiles a program.
pub fn compile(program: &Program, options: &Options) -> Result<CodeBlob, BackendError> {
    verify(program)?;
    cranelift::compile(program, options)
}

#[cfg(test)]
mod tests;
