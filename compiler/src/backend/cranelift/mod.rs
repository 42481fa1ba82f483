//! The Cranelift backend: compiles fast and needs nothing installed. It generates the schedule, loops, addresses, shape
//! code and cheap elementwise code, and calls micro-kernels for the rest.
//!
//! - `func`: bodies, statements, entry and exit; `expr`: expressions; `arith`: integer and conversion semantics that
//!   take more than one instruction; `call`: calls; `link`: one blob out of all functions.

mod arith;
mod call;
mod expr;
mod func;
mod link;
mod stmt;

use super::{BackendError, CodeBlob, Cpu, Options, Target};
use crate::loopir::Program;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use func::Unit;
use link::Linker;
use target_lexicon::Architecture;

/// Compiles a verified program.
pub fn compile(program: &Program, options: &Options) -> Result<CodeBlob, BackendError> {
    let isa = isa(&options.target)?;
    let mut linker = Linker::default();
    let mut context = Context::new();
    let mut builder_context = FunctionBuilderContext::new();
    for unit in Unit::all(program) {
        context.clear();
        let name = unit.name(program);
        let error = |message: String| BackendError::Codegen { function: name.clone(), message };
        func::build(program, unit, isa.as_ref(), &mut context.func, &mut builder_context).map_err(error)?;
        context.set_disasm(options.disassemble);
        context.compile(isa.as_ref(), &mut ControlPlane::default()).map_err(|e| error(format!("{:?}", e.inner)))?;
        let code = context.take_compiled_code().ok_or_else(|| error("no code".to_owned()))?;
        linker.add(&name, &code, &context.func.params).map_err(error)?;
    }
    linker.finish(program)
}

/// The instruction set of a target, with the settings generated code relies on.
fn isa(target: &Target) -> Result<OwnedTargetIsa, BackendError> {
    if target.triple.architecture != Architecture::X86_64 {
        return Err(BackendError::Target(format!("no code generator for {}", target.triple.architecture)));
    }
    let failed = |e: &dyn std::fmt::Display| BackendError::Target(format!("{}: {e}", target.triple));
    let mut flags = settings::builder();
    let shared = [
        ("opt_level", "speed"),
        // References between our functions are relative to the instruction in any case. `is_pic` would make
        // addresses of functions go through a table that a linker fills, which a blob does not have.
        ("is_pic", "false"),
        ("enable_probestack", "false"),
        ("unwind_info", "false"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
    ];
    for (name, value) in shared {
        flags.set(name, value).map_err(|e| failed(&e))?;
    }
    let mut isa = cranelift_codegen::isa::lookup(target.triple.clone()).map_err(|e| failed(&e))?;
    // Without these, rounding and fma would be calls of a math library that a blob cannot make.
    let v3 = [
        "has_sse3",
        "has_ssse3",
        "has_sse41",
        "has_sse42",
        "has_avx",
        "has_avx2",
        "has_fma",
        "has_popcnt",
        "has_bmi1",
        "has_bmi2",
        "has_lzcnt",
    ];
    let v4 = ["has_avx512f", "has_avx512dq", "has_avx512vl"];
    let more: &[&str] = if target.cpu == Cpu::X86_64V4 { &v4 } else { &[] };
    for feature in v3.iter().chain(more) {
        isa.enable(feature).map_err(|e| failed(&e))?;
    }
    isa.finish(settings::Flags::new(flags)).map_err(|e| failed(&e))
}
