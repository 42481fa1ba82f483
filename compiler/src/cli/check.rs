//! `lathe check`: everything in a model that is not supported.

use super::Failure;
use super::args::ModelArgs;
use crate::onnx::import::Refusal;
use crate::plan;
use clap::Args;
use std::io::Write;

/// List everything in a model that cannot be compiled, in one run
///
/// Each finding names the node, its operator, the opset and the attribute, and says what would work. Exit status 0 means
/// that the model compiles.
#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (source, settings) = args.model.open()?;
    let mut module = source.module(&settings.import).map_err(Refusal::with_deciding)?;
    let ops = module.main.len();
    lathe_passes::optimize(&mut module, &settings.passes)?;
    settings.limits.check_module(&module)?;
    let plan = plan::plan_with(&module, &settings.plan)?;
    settings.limits.check_plan(&plan)?;
    let kernels = plan.program.kernels.len();
    let _ = writeln!(out, "supported: {ops} ops, {} after the passes, {kernels} kernels", module.main.len());
    Ok(())
}
