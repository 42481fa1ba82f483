//! rewrite: equality saturation with the rule library, then extraction of the cheapest program.
//!
//! Before: canonical form, constants folded (rules test for constants and expect them on the right), equal ops merged.
//! After: the cheapest program that the rules found within the limits; recipes over weights are left as ops on
//! constants for fold-constants. Each region of a control-flow op is rewritten in an e-graph of its own, before the
//! graph around it, in which it is opaque. A large graph is rewritten in pieces ([`partition`]).

pub mod alone;
pub mod analysis;
mod components;
pub mod convert;
pub mod cost;
mod demand;
pub mod extract;
mod improve;
pub mod index;
pub mod language;
pub mod news;
pub mod partition;
pub mod pattern;
pub mod recipes;
pub mod run;

use crate::manager::{Changed, PassCx};
use crate::options::{Options, Report, Trail};
use crate::rules::{self, Rule};
use analysis::{EGraph, Facts};
use lathe_ir::{Diagnostic, Diagnostics, Env, Graph, Module, ValueId};

/// The pass.
pub fn run(module: &mut Module, cx: &mut PassCx<'_>) -> Result<Changed, Diagnostics> {
    let rules = rules::enabled(cx.options);
    let before = cost::graph_price(&cx.options.machine, &module.env.symbols, &module.main);
    let changed = rewrite(&mut module.main, &mut module.env, &rules, cx.options, cx.report)
        .map_err(|message| Diagnostics::from(Diagnostic::bug(message)))?;
    let after = cost::graph_price(&cx.options.machine, &module.env.symbols, &module.main);
    cx.report.cost = Some((cx.report.cost.map_or(before, |(first, _)| first), after));
    Ok(Changed::from_bool(changed))
}

/// Rewrites a graph and, first, its regions.
fn rewrite(
    graph: &mut Graph,
    env: &mut Env,
    rules: &[(usize, &Rule)],
    options: &Options,
    report: &mut Report,
) -> Result<bool, String> {
    let mut changed = false;
    for id in graph.order().to_vec() {
        for region in &mut graph.op_mut(id).regions {
            changed |= rewrite(region, env, rules, options, report)?;
        }
    }
    if graph.len() <= options.region_ops && !graph.iter().any(|(_, op)| partition::is_fence(op)) {
        return Ok(rewrite_piece(graph, env, rules, options, report)? || changed);
    }
    let mut pieces = Vec::new();
    for run in partition::runs(graph, options.region_ops) {
        let mut piece = partition::piece(graph, run);
        if piece.graph.iter().any(|(_, op)| partition::is_fence(op)) {
            pieces.push(piece);
            continue;
        }
        changed |= rewrite_piece(&mut piece.graph, env, rules, options, report)?;
        pieces.push(piece);
    }
    if changed {
        *graph = partition::join(graph, &pieces)?;
    }
    Ok(changed)
}

/// Rewrites a graph in one e-graph.
fn rewrite_piece(
    graph: &mut Graph,
    env: &mut Env,
    rules: &[(usize, &Rule)],
    options: &Options,
    report: &mut Report,
) -> Result<bool, String> {
    let mut egraph = EGraph::new(Facts::new(std::mem::take(env)));
    egraph.analysis.recipes = (!options.strict).then(recipes::Recipes::default);
    let result = rewrite_flat(&mut egraph, graph, rules, options, report);
    *env = std::mem::take(&mut egraph.analysis.env);
    result
}

fn rewrite_flat(
    egraph: &mut EGraph,
    graph: &mut Graph,
    rules: &[(usize, &Rule)],
    options: &Options,
    report: &mut Report,
) -> Result<bool, String> {
    let roots = convert::add_graph(egraph, graph);
    let limits =
        run::Limits { iterations: options.iteration_limit, nodes: options.node_limit.max(2 * egraph.total_size()) };
    let stop = run::saturate(egraph, rules, limits, report);
    report.stop = report.stop.max(Some(stop));
    report.nodes += egraph.total_size();
    if let Some(bug) = egraph.analysis.bug.take() {
        return Err(bug);
    }
    let log = options.log_decisions.then_some(&mut report.decisions);
    let extraction = extract::extract(egraph, &roots, &options.machine, log)?;
    let (new, origins) = convert::to_graph(egraph, &extraction, &roots, graph)?;
    if is_same(&new, graph) {
        return Ok(false);
    }
    for (id, origin) in origins {
        let op = new.op(id);
        let names = origin.rules.iter().map(|&index| rules::all()[usize::from(index)].name).collect();
        report.trails.push(Trail { op: format!("{} {}", op.code.name(), op.loc.first()), rules: names });
    }
    *graph = new;
    Ok(true)
}

/// True if the graphs have the same ops in the same order.
fn is_same(a: &Graph, b: &Graph) -> bool {
    let mut map: Vec<Option<ValueId>> = vec![None; a.value_count()];
    for (x, y) in a.params.iter().zip(&b.params) {
        map[x.value.index()] = Some(y.value);
    }
    a.len() == b.len()
        && a.iter().zip(b.iter()).all(|((_, x), (_, y))| {
            let same = x.code == y.code
                && x.attrs == y.attrs
                && x.regions.is_empty() == y.regions.is_empty()
                && x.regions.iter().zip(&y.regions).all(|(x, y)| is_same(x, y))
                && x.operands.len() == y.operands.len()
                && x.operands.iter().zip(&y.operands).all(|(x, y)| x.and_then(|x| map[x.index()]) == *y);
            for (from, to) in x.results.iter().zip(&y.results) {
                map[from.index()] = Some(*to);
            }
            same
        })
        && a.results.iter().zip(&b.results).all(|(x, y)| map[x.value.index()] == Some(y.value))
}
