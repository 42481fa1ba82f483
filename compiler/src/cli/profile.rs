//! `lathe profile`: where the time of a run goes.

use super::Failure;
use super::args::{ModelArgs, ThreadArgs};
use super::caller::Caller;
use super::console::Steps;
use super::inputs::InputArgs;
use crate::artifact::{self, InProcess};
use crate::onnx::encode::replace;
use crate::pipeline;
use clap::Args;
use lathe_ir::{Diagnostic, Graph, Symbols, TensorType};
use lathe_passes::egraph::cost::work;
use lathe_runtime::core::trace::Launch;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Show where the time of a run goes, by kernel and by op
///
/// Of several runs the one of median time is shown. A time is from the launch of a kernel until all threads are done.
#[derive(Args)]
pub(super) struct ProfileArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// How many runs are timed
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// How many kernels are listed, the slowest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Write the launches as a trace that Perfetto and Chrome show
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Most launches of one run that are looked at.
const MOST: usize = 1 << 20;

/// A kernel as the report names it.
struct Kernel {
    name: String,
    /// Node and op it stands for.
    node: (String, String),
    /// Byte of the code where it begins.
    offset: u32,
}

/// What is added up over launches.
#[derive(Clone, Copy, Default)]
struct Sum {
    nanoseconds: u64,
    launches: u64,
}

pub(super) fn run(args: &ProfileArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut steps = Steps::new();
    let (source, mut settings) = args.model.open()?;
    let names: Vec<String> = source.inputs().into_iter().map(|(name, _)| name).collect();
    let tensors = args.inputs.read(&names, &settings.import.consts)?;
    let (module, inputs) = args.inputs.specialise(&source, &mut settings.import, tensors)?;
    drop(source);
    let planned = pipeline::plan_module(module, &settings, &mut |name| steps.step(name))?;
    let works = works(&planned.module.env.symbols, &planned.module.main);
    let launched = planned.plan.program.kernels.iter().map(|kernel| {
        let node = kernel.node.and_then(|node| planned.plan.nodes.get(node as usize)).cloned().unwrap_or_default();
        (kernel.name.clone(), node)
    });
    let launched: Vec<(String, (String, String))> = launched.collect();
    steps.step("generate code");
    let compiled = artifact::compile(planned.plan, &settings.backend)?;
    let of = |((name, node), &offset): ((String, (String, String)), &u32)| Kernel { name, node, offset };
    let kernels: Vec<Kernel> = launched.into_iter().zip(&compiled.code.kernels).map(of).collect();
    let entry = i64::from(compiled.code.run);
    let mut model = InProcess::load(&compiled, args.threads.threads)?;
    drop(compiled);

    steps.step("measure");
    let context = model.context();
    let mut caller = Caller::new(context, &inputs)?;
    let mut runs: Vec<Vec<Launch>> = Vec::new();
    for _ in 0..args.runs {
        let (launches, count) = caller.call(|inputs, outputs| context.run_traced(inputs, outputs, MOST))?;
        if count > launches.len() {
            let message = format!("a run has {count} launches, of which the first {MOST} are looked at");
            return Err(Diagnostic::unsupported(message).into());
        }
        runs.push(launches);
    }
    drop(steps);
    runs.sort_by_key(|launches| wall(launches));
    let launches = runs.swap_remove(runs.len() / 2);
    let by_offset: BTreeMap<i64, usize> =
        kernels.iter().enumerate().map(|(index, kernel)| (i64::from(kernel.offset), index)).collect();
    let kernel_of = |launch: &Launch| by_offset.get(&(context.model().offset_from_run(launch.kernel) + entry)).copied();
    let mut sums = vec![Sum::default(); kernels.len()];
    for launch in &launches {
        let index = kernel_of(launch).ok_or_else(|| Diagnostic::bug("a launch of no kernel of the program"))?;
        sums[index].nanoseconds += launch.end - launch.begin;
        sums[index].launches += 1;
    }
    report(args, &kernels, &sums, &works, wall(&launches), out);
    if let Some(path) = &args.trace {
        let begin = launches.first().map_or(0, |launch| launch.begin);
        let events: Vec<serde_json::Value> = launches
            .iter()
            .filter_map(|launch| {
                let kernel = &kernels[kernel_of(launch)?];
                Some(serde_json::json!({
                    "name": kernel.name,
                    "cat": kernel.node.1,
                    "ph": "X",
                    "ts": (launch.begin - begin) as f64 / 1e3,
                    "dur": (launch.end - launch.begin) as f64 / 1e3,
                    "pid": 1,
                    "tid": 1,
                    "args": { "node": kernel.node.0, "tiles": launch.tiles },
                }))
            })
            .collect();
        let text = serde_json::json!({ "traceEvents": events, "displayTimeUnit": "ms" }).to_string();
        replace(path, |file| file.write_all(text.as_bytes()))
            .map_err(|error| Diagnostic::invalid(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// Nanoseconds from the first launch to the end of the last.
fn wall(launches: &[Launch]) -> u64 {
    launches.last().map_or(0, |last| last.end - launches[0].begin)
}

/// Operations of the products of a module, by node and op.
fn works(symbols: &Symbols, graph: &Graph) -> BTreeMap<(String, String), f64> {
    let mut works = BTreeMap::new();
    for (_, op) in graph.iter() {
        for region in &op.regions {
            works.extend(self::works(symbols, region));
        }
        if !matches!(op.code.name(), "matmul" | "conv" | "conv_transpose" | "attention") {
            continue;
        }
        let operands: Vec<Option<&TensorType>> =
            op.operands.iter().map(|operand| operand.map(|value| graph.ty(value))).collect();
        let results: Vec<&TensorType> = op.results.iter().map(|&value| graph.ty(value)).collect();
        let key = (op.loc.first().to_owned(), op.code.name().to_owned());
        *works.entry(key).or_default() += work(symbols, op.code, &op.attrs, &operands, &results);
    }
    works
}

fn report(
    args: &ProfileArgs,
    kernels: &[Kernel],
    sums: &[Sum],
    works: &BTreeMap<(String, String), f64>,
    wall: u64,
    out: &mut dyn Write,
) {
    let millis = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    let inside: u64 = sums.iter().map(|sum| sum.nanoseconds).sum();
    let percent = |nanoseconds: u64| 100.0 * nanoseconds as f64 / wall.max(1) as f64;
    // Kernels of one node share its operations.
    let mut nodes: BTreeMap<&(String, String), (Sum, u64)> = BTreeMap::new();
    for (kernel, sum) in kernels.iter().zip(sums).filter(|(_, sum)| sum.launches > 0) {
        let (all, most) = nodes.entry(&kernel.node).or_default();
        all.nanoseconds += sum.nanoseconds;
        *most = (*most).max(sum.launches);
    }
    let rate = |node: &(String, String)| {
        let ((sum, turns), work) = (nodes.get(node)?, works.get(node)?);
        (sum.nanoseconds > 0).then(|| work * *turns as f64 / sum.nanoseconds as f64)
    };
    let show = |rate: Option<f64>| rate.map_or_else(|| format!("{:9}", ""), |rate| format!("{rate:9.1}"));
    let mut order: Vec<usize> = (0..kernels.len()).filter(|&index| sums[index].launches > 0).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(sums[index].nanoseconds), index));
    let _ = writeln!(out, "       ms     % launches  GFLOP/s kernel                   op               node");
    for &index in order.iter().take(args.top) {
        let (kernel, sum) = (&kernels[index], sums[index]);
        let _ = writeln!(
            out,
            "{:9.3} {:5.1} {:8} {} {:24} {:16} {}",
            millis(sum.nanoseconds),
            percent(sum.nanoseconds),
            sum.launches,
            show(rate(&kernel.node)),
            kernel.name,
            kernel.node.1,
            kernel.node.0
        );
    }
    if order.len() > args.top {
        let rest = order[args.top..].iter().map(|&index| sums[index].nanoseconds).sum();
        let count = order.len() - args.top;
        let _ = writeln!(out, "{:9.3} {:5.1}          {count} other kernels (--top)", millis(rest), percent(rest));
    }
    let mut ops: BTreeMap<&str, (Sum, usize, f64)> = BTreeMap::new();
    for &index in &order {
        let (sum, count, _) = ops.entry(&kernels[index].node.1).or_default();
        sum.nanoseconds += sums[index].nanoseconds;
        sum.launches += sums[index].launches;
        *count += 1;
    }
    for (node, (_, turns)) in &nodes {
        if let (Some(work), Some((_, _, all))) = (works.get(*node), ops.get_mut(node.1.as_str())) {
            *all += work * *turns as f64;
        }
    }
    let mut ops: Vec<(&str, (Sum, usize, f64))> = ops.into_iter().collect();
    ops.sort_by_key(|(_, (sum, ..))| std::cmp::Reverse(sum.nanoseconds));
    let _ = writeln!(out, "\n       ms     % launches  GFLOP/s  kernels op");
    for (op, (sum, count, work)) in ops {
        let rate = (work > 0.0 && sum.nanoseconds > 0).then(|| work / sum.nanoseconds as f64);
        let (ms, share) = (millis(sum.nanoseconds), percent(sum.nanoseconds));
        let _ = writeln!(out, "{ms:9.3} {share:5.1} {:8} {} {count:8} {op}", sum.launches, show(rate));
    }
    let between = wall.saturating_sub(inside);
    let _ = writeln!(
        out,
        "{:9.3} {:5.1}          between launches\n{:9.3} 100.0          from the first launch to the end of the last",
        millis(between),
        percent(between),
        millis(wall)
    );
}
