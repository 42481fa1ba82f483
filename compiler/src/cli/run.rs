//! `lathe run`: compile in memory and run once.

use super::args::{ModelArgs, ThreadArgs};
use super::console::Steps;
use super::inputs::{self, InputArgs};
use super::{Failure, bench};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Compile a model in memory and run it on given inputs
///
/// Sizes are taken from the inputs and fixed at compile time, unless --dynamic is given. Outputs are written to
/// --output-dir as output_0.pb, ... (TensorProto); without it, a short form is printed.
#[derive(Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Folder for output_0.pb, output_1.pb, ...
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut steps = Steps::new();
    let mut prepared = bench::prepare(&args.model, &args.inputs, args.threads.threads, &mut steps)?;
    steps.step("run");
    let outputs = prepared.model.run(&prepared.inputs)?;
    drop(steps);
    let names = prepared.output_names();
    if let Some(folder) = &args.output_dir {
        return inputs::write(folder, &names, &outputs);
    }
    for (name, tensor) in names.iter().zip(&outputs) {
        let _ = writeln!(out, "{name}: {}", inputs::summary(tensor));
    }
    Ok(())
}
