//! `lathe bench`: time a model.

use super::Failure;
use super::args::{ModelArgs, ThreadArgs};
use super::caller::{Caller, failed};
use super::console::{Steps, size};
use super::inputs::InputArgs;
use crate::artifact::{InProcess, lathe_file};
use crate::pipeline::{self, FileKind};
use clap::Args;
use lathe_ir::Tensor;
use std::io::Write;
use std::time::{Duration, Instant};

/// Time a model: median and minimum of many runs, memory, compile time
///
/// Inputs and outputs stay in place; each run includes all that a caller's call costs.
#[derive(Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// Seconds to measure for
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A model in memory with inputs for it.
pub(super) struct Prepared {
    pub(super) model: InProcess,
    pub(super) inputs: Vec<Tensor>,
    compile: Duration,
}

impl Prepared {
    /// Names of the outputs in order.
    pub(super) fn output_names(&mut self) -> Vec<String> {
        self.model.context().model().outputs().into_iter().map(|port| port.name).collect()
    }
}

/// Compiles a model (or loads a compiled one) and reads its inputs.
pub(super) fn prepare(
    model: &ModelArgs,
    given: &InputArgs,
    threads: usize,
    steps: &mut Steps,
) -> Result<Prepared, Failure> {
    let started = Instant::now();
    if pipeline::file_kind(&model.model) == FileKind::Lathe {
        model.of_artifact()?;
        steps.step("load");
        let mut loaded = lathe_file::load_with_weights(&model.model, model.weights_from.as_deref(), threads)?;
        let compile = started.elapsed();
        let names: Vec<String> = loaded.context().model().inputs().into_iter().map(|port| port.name).collect();
        let inputs = given.read(&names, &[])?.into_iter().flatten().collect::<Result<_, _>>()?;
        return Ok(Prepared { inputs, model: loaded, compile });
    }
    steps.step("import");
    let (source, mut settings) = model.open()?;
    let names: Vec<String> = source.inputs().into_iter().map(|(name, _)| name).collect();
    let tensors = given.read(&names, &settings.import.consts)?;
    let (module, inputs) = given.specialise(&source, &mut settings.import, tensors)?;
    drop(source);
    let built = pipeline::build(module, &settings, &mut |name| steps.step(name))?;
    steps.step("pack weights");
    let loaded = InProcess::load(&built.compiled, threads)?;
    Ok(Prepared { model: loaded, inputs, compile: started.elapsed() })
}

/// Peak resident memory of this process in bytes, if the system tells.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

pub(super) fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut steps = Steps::new();
    let mut prepared = prepare(&args.model, &args.inputs, args.threads.threads, &mut steps)?;
    let Prepared { model, inputs, compile } = &mut prepared;
    steps.step("first run");
    let context = model.context();
    let mut caller = Caller::new(context, inputs)?;
    steps.step("measure");
    let mut times = Vec::new();
    let until = Instant::now() + Duration::from_secs_f64(args.seconds.clamp(0.0, 3600.0));
    while times.len() < 5 || (Instant::now() < until && times.len() < 100_000) {
        times.push(caller.call(|inputs, outputs| {
            let started = Instant::now();
            context.run_into(inputs, outputs)?;
            Ok(started.elapsed())
        })?);
    }
    times.sort_unstable();
    drop(steps);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, min) = (millis(times[times.len() / 2]), millis(times[0]));
    let threads = context.threads();
    let arena = context.arena_bytes().map_err(failed)?;
    let weights = context.model().desc().weights_len();
    if args.json {
        let report = serde_json::json!({
            "median_ms": median,
            "min_ms": min,
            "runs": times.len(),
            "compile_ms": millis(*compile),
            "peak_rss_bytes": peak_rss(),
            "arena_bytes": arena,
            "weight_bytes": weights,
            "threads": threads,
            "precision": "f32",
            "backend": args.model.backend,
        });
        let _ = writeln!(out, "{report}");
        return Ok(());
    }
    let _ = writeln!(out, "median {median:.3} ms, min {min:.3} ms over {} runs with {threads} thread(s)", times.len());
    let _ = writeln!(
        out,
        "compile or load {:.1} ms, weights {}, arena {}, peak memory {}",
        millis(*compile),
        size(weights),
        size(arena as u64),
        size(peak_rss())
    );
    Ok(())
}
