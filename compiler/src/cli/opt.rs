//! `lathe opt`: run passes and write the module.

use super::Failure;
use super::args::ModelArgs;
use crate::onnx::encode::replace;
use crate::onnx::export;
use crate::onnx::import::Refusal;
use clap::Args;
use lathe_ir::Diagnostic;
use std::io::Write;
use std::path::PathBuf;

/// Optimise a model only: write the result as IR text or as ONNX that any engine runs
///
/// Without -o the text goes to stdout.
#[derive(Args)]
pub(super) struct OptArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Passes in order; default: the whole pipeline. An empty list shows the model as imported
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    passes: Option<Vec<String>>,
    /// Where to write: .ir or .onnx
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Print what the rules did to stderr
    #[arg(short, long)]
    verbose: bool,
}

pub(super) fn run(args: &OptArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (source, mut settings) = args.model.open()?;
    settings.passes.passes =
        args.passes.clone().map(|names| names.into_iter().filter(|name| !name.is_empty()).collect());
    let mut module = source.module(&settings.import).map_err(Refusal::with_deciding)?;
    let report = lathe_passes::optimize(&mut module, &settings.passes)?;
    if args.verbose {
        let _ = writeln!(std::io::stderr(), "{}", report.footer());
    }
    let Some(path) = &args.output else {
        let _ = write!(out, "{}", lathe_ir::text::print_module(&module));
        return Ok(());
    };
    if path.extension().is_some_and(|extension| extension == "onnx") {
        return Ok(export::write(&module, path)?);
    }
    let text = lathe_ir::text::print_module(&module);
    replace(path, |file| file.write_all(text.as_bytes()))
        .map_err(|error| Diagnostic::invalid(format!("{}: {error}", path.display())))?;
    Ok(())
}
