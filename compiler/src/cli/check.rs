//! `lathe check`: everything in a model that is not supported, or where its results go wrong.

use super::Failure;
use super::args::ModelArgs;
use super::console::Steps;
use super::inputs::{self, InputArgs};
use crate::locate::{self, Fault, Native, Tolerance};
use crate::onnx::import::Refusal;
use crate::plan;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// List everything in a model that cannot be compiled, or find where its results go wrong
///
/// Each finding names the node, its operator, the opset and the attribute, and says what would work. Exit status 0 means
/// that the model compiles.
///
/// With --against the model is compiled and run on the folder's inputs, and the outputs are compared with the folder's.
/// If they differ (exit status 5), the place is named at which they begin to: the import, a pass with its rule, or an
/// op with its node and kernel. Inner values are the reference evaluator's, which is slow: minutes for a large model.
#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder with input_0.pb, .. and output_0.pb, .. that another engine gave
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Largest difference from the reference, as a share of the output's largest value
    #[arg(long, value_name = "R", default_value_t = 1e-4)]
    tolerance: f64,
}

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (source, mut settings) = args.model.open()?;
    if let Some(folder) = &args.against {
        let names: Vec<String> = source.inputs().into_iter().map(|(name, _)| name).collect();
        let given = InputArgs::folder(folder);
        let tensors = given.read(&names, &settings.import.consts)?;
        let (module, tensors) = given.specialise(&source, &mut settings.import, tensors)?;
        let reference = inputs::read_outputs(folder, module.main.results.len())?;
        let native = Native { passes: settings.passes, backend: settings.backend };
        let mut steps = Steps::new();
        let tolerance = Tolerance(args.tolerance);
        let fault = locate::locate(&module, &tensors, &reference, tolerance, &native, &mut |name| steps.step(name))?;
        drop(steps);
        return tell(&fault, out);
    }
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

fn tell(fault: &Fault, out: &mut dyn Write) -> Result<(), Failure> {
    let text = match fault {
        Fault::None(outputs) => {
            for line in outputs {
                let _ = writeln!(out, "agrees: {line}");
            }
            return Ok(());
        }
        Fault::Import { what } => format!(
            "{what}\n  place: the import, or the reference: the evaluator gives the same for the model as imported\n  \
             help: `lathe opt MODEL --passes ''` prints it"
        ),
        Fault::Pass { pass, step, rule, what } => {
            let rule = rule.map(|rule| format!(", rule {rule}; --without {rule} leaves it out")).unwrap_or_default();
            format!("{what}\n  place: pass {pass}, step {step} of the pipeline{rule}")
        }
        Fault::Kernel { nodes, op, kernels, what } => {
            format!("{what}\n  place: node \"{nodes}\", op {op}, kernel {}", kernels.join(", "))
        }
        Fault::Together { what } => {
            format!("{what}\n  place: no op by itself is wrong, so it is in how several are compiled together")
        }
    };
    Err(Failure::Differs(text))
}
