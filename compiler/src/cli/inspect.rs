//! `lathe inspect`: what a model or an artifact is made of.

use super::Failure;
use super::args::ModelArgs;
use super::console::size;
use crate::pipeline;
use crate::plan;
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::io::Write;

/// Show what a model or an artifact is made of
#[derive(Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// What to show of a model
    #[arg(long, value_enum, default_value_t = What::Summary)]
    show: What,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Inputs, outputs, ops by kind, bytes
    Summary,
    /// The IR as imported
    Ir,
    /// The loop-level program
    Loops,
}

pub(super) fn run(args: &InspectArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let path = &args.model.model;
    let settings = args.model.settings()?;
    let mut module = pipeline::load_module(path, &settings.import)?;
    if args.show == What::Ir {
        let _ = write!(out, "{}", lathe_ir::text::print_module(&module));
        return Ok(());
    }
    lathe_passes::optimize(&mut module, &settings.passes)?;
    let plan = plan::plan(&module)?;
    if args.show == What::Loops {
        let _ = write!(out, "{}", plan.program);
        return Ok(());
    }
    for (kind, ports) in [("input", &plan.inputs), ("output", &plan.outputs)] {
        for (name, ty) in ports {
            let _ = writeln!(out, "{kind:7} {name}: {ty}");
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, op) in module.main.iter() {
        *counts.entry(op.code.name()).or_default() += 1;
    }
    for (name, count) in counts {
        let _ = writeln!(out, "{count:7} {name}");
    }
    let _ = writeln!(
        out,
        "weights {}, arena {}, {} kernels",
        size(plan.weights.total_bytes()),
        size(plan.arena_bytes.max(0) as u64),
        plan.program.kernels.len()
    );
    Ok(())
}
