//! `lathe compile`: a model becomes a file of native code.

use super::Failure;
use super::args::ModelArgs;
use super::console::{Steps, size};
use super::inputs::summary;
use crate::artifact::{Output, WeightsAt, write};
use crate::onnx::import::Refusal;
use crate::pipeline;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Compile a model to native code
///
/// The kind of result follows from the name: .lathe (mapped by `lathe run` and the runtime), .o, .a and .so (each with a
/// C header beside it), no ending at all is an executable. Sizes stay open within the bounds of --dim.
#[derive(Args)]
pub(super) struct CompileArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Where to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Put the weights in a file of their own, needed above 1.5 GB
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Prefix of the model's C names; default: the file's name
    #[arg(long, value_name = "P")]
    prefix: Option<String>,
    /// Print what the rules did
    #[arg(short, long)]
    verbose: bool,
}

pub(super) fn run(args: &CompileArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut steps = Steps::new();
    steps.step("import");
    let started = Instant::now();
    let (source, settings) = args.model.open()?;
    let module = source.module(&settings.import).map_err(Refusal::with_deciding)?;
    drop(source);
    let imported = (module.main.len(), started.elapsed());
    let built = pipeline::build(module, &settings, &mut |name| steps.step(name))?;
    steps.step("write");
    let writing = Instant::now();
    let weights = match &args.weights {
        Some(file) => WeightsAt::File(file),
        None => WeightsAt::Inside,
    };
    let output = Output { path: &args.output, prefix: args.prefix.as_deref(), weights };
    let written = write(&built.compiled, &output)?;
    let wrote = writing.elapsed();
    drop(steps);
    let compiled = &built.compiled;
    for (kind, ports) in [("input", &compiled.inputs), ("output", &compiled.outputs)] {
        for (name, ty) in ports {
            let _ = writeln!(out, "{kind:7} {name}: {ty}");
        }
    }
    for (name, value) in &settings.import.consts {
        let _ = writeln!(out, "fixed   {name} = {}, no input of the result", summary(value));
    }
    let _ =
        writeln!(out, "ops     {} imported, {} after the passes, {} kernels", imported.0, built.ops, compiled.kernels);
    let _ = writeln!(
        out,
        "bytes   code {}, weights {}, arena {}",
        size(compiled.code.bytes.len() as u64),
        size(compiled.weights.total_bytes()),
        size(compiled.arena_bytes.max(0) as u64)
    );
    let mut times = vec![format!("import {:.0?}", imported.1)];
    times.extend(built.steps.iter().map(|(name, time)| format!("{name} {time:.0?}")));
    times.push(format!("write {wrote:.0?}"));
    let _ = writeln!(out, "time    {}", times.join(", "));
    if args.verbose {
        let _ = writeln!(out, "rules   {}", built.report.footer());
    }
    for path in written {
        let _ = writeln!(out, "wrote   {}", path.display());
    }
    Ok(())
}
