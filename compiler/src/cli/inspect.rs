//! `lathe inspect`: what a model or an artifact is made of.

use super::Failure;
use super::args::ModelArgs;
use super::console::size;
use crate::artifact::lathe_file;
use crate::backend;
use crate::onnx::import::Refusal;
use crate::pipeline::{self, FileKind};
use crate::plan;
use clap::{Args, ValueEnum};
use lathe_ir::Diagnostic;
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
    /// Compare the weights of a .lathe file with their checksum
    #[arg(long)]
    verify: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Inputs, outputs, ops by kind, bytes
    Summary,
    /// The IR as imported
    Ir,
    /// The loop-level program
    Loops,
    /// Kernels with the nodes they stand for and the bytes of their code, and the bytes by op
    Kernels,
}

pub(super) fn run(args: &InspectArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let path = &args.model.model;
    if pipeline::file_kind(path) == FileKind::Lathe {
        args.model.of_artifact()?;
        return artifact(args, out);
    }
    let (source, settings) = args.model.open()?;
    let mut module = source.module(&settings.import).map_err(Refusal::with_deciding)?;
    if args.show == What::Ir {
        let _ = write!(out, "{}", lathe_ir::text::print_module(&module));
        return Ok(());
    }
    lathe_passes::optimize(&mut module, &settings.passes)?;
    let plan = plan::plan_with(&module, &settings.plan)?;
    if args.show == What::Loops {
        let _ = write!(out, "{}", plan.program);
        return Ok(());
    }
    if args.show == What::Kernels {
        return kernels(&plan, &settings.backend, out);
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

/// One line per kernel, in launch order of the first, then one per op.
fn kernels(plan: &plan::Plan, options: &backend::Options, out: &mut dyn Write) -> Result<(), Failure> {
    let code = backend::compile(&plan.program, options).map_err(|error| Diagnostic::bug(error.to_string()))?;
    let bytes: BTreeMap<u32, u32> = code.symbols.iter().map(|symbol| (symbol.offset, symbol.len)).collect();
    let mut ops: BTreeMap<&str, (usize, u32)> = BTreeMap::new();
    let mut all = 0;
    for (kernel, offset) in plan.program.kernels.iter().zip(&code.kernels) {
        let (node, op) = match kernel.node.and_then(|node| plan.nodes.get(node as usize)) {
            Some((node, op)) => (node.as_str(), op.as_str()),
            None => ("", "-"),
        };
        let length = bytes.get(offset).copied().unwrap_or(0);
        let _ = writeln!(out, "{length:7} {:24} {op:16} {node}", kernel.name);
        let sum = ops.entry(op).or_default();
        *sum = (sum.0 + 1, sum.1 + length);
        all += length;
    }
    let _ = writeln!(out, "\n  bytes kernels op");
    for (op, (count, length)) in ops {
        let _ = writeln!(out, "{length:7} {count:7} {op}");
    }
    let rest = (code.bytes.len() as u32).saturating_sub(all);
    let _ = writeln!(out, "{rest:7}         binding of sizes, memory plan, schedule, constants");
    Ok(())
}

/// What a `.lathe` file says of itself.
fn artifact(args: &InspectArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let path = &args.model.model;
    let weights = args.model.weights_from.as_deref();
    let info = if args.verify { lathe_file::verify(path, weights)? } else { lathe_file::info(path)? };
    let _ = writeln!(
        out,
        "file {}, code {}, weights {}",
        size(info.file_bytes),
        size(info.code_bytes),
        size(info.weight_bytes)
    );
    if let Some(file) = &info.weights_file {
        let _ = writeln!(out, "weights in {}", file.display());
    }
    let fits = if info.abi_fits { "fits this lathe" } else { "needs another version of lathe" };
    let _ = writeln!(out, "runtime table {:016x}, {fits}", info.abi);
    let mut loaded = lathe_file::load_with_weights(path, weights, 1)?;
    let model = loaded.context().model();
    for (kind, ports) in [("input", model.inputs()), ("output", model.outputs())] {
        for port in ports {
            let dims: Vec<String> =
                port.dims.iter().map(|dim| dim.map_or("?".to_owned(), |size| size.to_string())).collect();
            let _ = writeln!(out, "{kind:7} {}: {:?}[{}]", port.name, port.dtype, dims.join(","));
        }
    }
    if args.verify {
        let _ = writeln!(out, "checksums are right");
    }
    Ok(())
}
