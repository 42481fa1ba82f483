//! Bodies of the micro-kernels in loop IR, so that a program runs without the runtime and a backend may inline them.
//!
//! One `fn` for each entry of the runtime's table, in the files of `prelude/` by family, with shared functions in
//! `prelude/shared.loop`. The scalar functions `s_*` have none: they are primitive (see `interp/math.rs`). A body states
//! what a kernel computes, in a simple order; kernels may differ from it by rounding.

use super::parse::{ParseError, parse_fns};
use super::program::Program;
use super::verify::{VerifyErrors, verify_prelude};
use std::sync::OnceLock;

/// File name and text of each part, in the order they are read.
const FILES: &[(&str, &str)] = &[
    ("shared.loop", include_str!("prelude/shared.loop")),
    ("vector.loop", include_str!("prelude/vector.loop")),
    ("rows.loop", include_str!("prelude/rows.loop")),
    ("movement.loop", include_str!("prelude/movement.loop")),
    ("gemm.loop", include_str!("prelude/gemm.loop")),
    ("spatial.loop", include_str!("prelude/spatial.loop")),
    ("winograd.loop", include_str!("prelude/winograd.loop")),
];

#[derive(Debug)]
enum PreludeError {
    Parse(&'static str, ParseError),
    Verify(VerifyErrors),
}

fn load() -> Result<Program, PreludeError> {
    let mut program = Program::default();
    for (file, text) in FILES {
        program = parse_fns(program, text).map_err(|e| PreludeError::Parse(file, e))?;
    }
    verify_prelude(&program).map_err(PreludeError::Verify)?;
    Ok(program)
}

/// All bodies, as a program of functions only.
pub fn prelude() -> &'static Program {
    static PRELUDE: OnceLock<Program> = OnceLock::new();
    PRELUDE.get_or_init(|| match load() {
        Ok(program) => program,
        // The texts are part of this crate and a test reads them.
        Err(PreludeError::Parse(file, e)) => panic!("prelude/{file}:{e}"),
        Err(PreludeError::Verify(e)) => panic!("prelude: {e}"),
    })
}
