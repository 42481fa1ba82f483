//! Native code of a module at each level of optimisation.

use crate::bounds::{Expected, difference};
use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::{backend, plan};
use lathe_ir::{Diagnostics, Kind, Module, Tensor};
use lathe_passes::{Options, optimize, pipeline};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How much is done to a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// No passes.
    None,
    /// The passes that are no rewriting by rules.
    Plain,
    /// Bit-exact rules only.
    Strict,
    /// Everything.
    All,
}

pub(crate) const LEVELS: [Level; 4] = [Level::None, Level::Plain, Level::Strict, Level::All];

impl Level {
    fn options(self) -> Options {
        let names = |names: Vec<&str>| Some(names.into_iter().map(str::to_owned).collect());
        let passes = match self {
            Level::None => names(Vec::new()),
            Level::Plain => names(pipeline::DEFAULT.iter().copied().filter(|pass| *pass != "rewrite").collect()),
            Level::Strict | Level::All => None,
        };
        Options { strict: self == Level::Strict, passes, ..Options::default() }
    }
}

/// How a level of a module fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As the evaluator.
    Right,
    /// Lathe cannot do it yet; what.
    Unsupported(String),
    /// It differs, or it failed; how.
    Wrong(String),
}

/// Compiles and runs at a level and compares. `threads` as for a context.
pub(crate) fn run(module: &Module, inputs: &[Tensor], expected: &[Expected], level: Level, threads: usize) -> Outcome {
    let attempt = catch_unwind(AssertUnwindSafe(|| native(module, inputs, level, threads)));
    let outputs = match attempt {
        Err(_) => return Outcome::Wrong("panic".to_owned()),
        Ok(Err(found)) if found.0.iter().all(|finding| finding.kind == Kind::Unsupported) => {
            return Outcome::Unsupported(found.to_string());
        }
        Ok(Err(found)) => return Outcome::Wrong(found.to_string()),
        Ok(Ok(outputs)) => outputs,
    };
    for (index, (expected, found)) in expected.iter().zip(&outputs).enumerate() {
        if let Some(what) = difference(expected, found) {
            return Outcome::Wrong(format!("output {index}: {what}"));
        }
    }
    Outcome::Right
}

fn native(module: &Module, inputs: &[Tensor], level: Level, threads: usize) -> Result<Vec<Tensor>, Diagnostics> {
    let mut module = module.clone();
    optimize(&mut module, &level.options())?;
    let plan = plan::plan(&module)?;
    let compiled = compile(plan, &backend::Options::default())?;
    let mut loaded = InProcess::load(&compiled, threads)?;
    Ok(loaded.run(inputs)?)
}
