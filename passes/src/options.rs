//! What a caller of the passes can ask for, and what it is told.

use crate::machine::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// Options of [`crate::optimize`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Leave out every rule that is exact in the reals only.
    pub strict: bool,
    /// Names of the passes to run in order; `None` is [`crate::pipeline::DEFAULT`].
    pub passes: Option<Vec<String>>,
    /// Stop after that many steps of the pipeline.
    pub stop_after: Option<usize>,
    /// Write the module after each step that changed it to `NN-pass.ir` in this folder.
    pub dump_dir: Option<PathBuf>,
    /// Names of rules and families of rules that are off.
    pub disabled_rules: BTreeSet<String>,
    /// If given, the only rules and families that are on.
    pub only_rules: Option<BTreeSet<String>>,
    /// The e-graph stops to grow beyond this many e-nodes per region.
    pub node_limit: usize,
    /// Graphs of more ops are rewritten in pieces of at most so many.
    pub region_ops: usize,
    /// Most rounds of applying every rule.
    pub iteration_limit: usize,
    /// Prices for extraction.
    pub machine: Machine,
    /// Keep the extractor's decision log in the report.
    pub log_decisions: bool,
    /// How the caller was started, so that a report of a bug can say how to repeat it.
    pub command: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            strict: false,
            passes: None,
            stop_after: None,
            dump_dir: None,
            disabled_rules: BTreeSet::new(),
            only_rules: None,
            node_limit: 50_000,
            region_ops: 3_000,
            iteration_limit: 24,
            machine: Machine::default(),
            log_decisions: false,
            command: String::new(),
        }
    }
}

/// Why saturation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// No rule had anything to add.
    Saturated,
    /// [`Options::iteration_limit`] was reached.
    Iterations,
    /// [`Options::node_limit`] was reached.
    Nodes,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::Saturated => "saturated",
            Stop::Iterations => "iteration limit",
            Stop::Nodes => "node limit",
        })
    }
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// Name of the pass.
    pub pass: &'static str,
    /// Whether it changed the module.
    pub changed: bool,
    /// Ops of the main graph after it.
    pub ops: usize,
}

/// Which rules led to an op of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The op, as `name loc`.
    pub op: String,
    /// Names of the rules, in table order.
    pub rules: Vec<&'static str>,
}

/// What the passes did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The steps that ran, in order.
    pub steps: Vec<StepReport>,
    /// For every rule that fired, how often it added an equality.
    pub fired: BTreeMap<&'static str, usize>,
    /// For every rule whose right side was refused because it was not well typed there, how often.
    pub refused: BTreeMap<&'static str, usize>,
    /// E-nodes that saturation made, over all regions.
    pub nodes: usize,
    /// Priced time in nanoseconds before and after rewriting.
    pub cost: Option<(f64, f64)>,
    /// Why saturation ended; the most severe reason over all regions.
    pub stop: Option<Stop>,
    /// For every rewritten op of the result, the rules behind it.
    pub trails: Vec<Trail>,
    /// The extractor's choices, if asked for.
    pub decisions: Vec<String>,
}

impl Report {
    /// One line: what fired, costs, and why saturation stopped. Holds nothing of the machine it ran on.
    pub fn footer(&self) -> String {
        let fired: Vec<String> = self.fired.iter().map(|(rule, count)| format!("{rule} x{count}")).collect();
        let mut line = format!("fired: {}", if fired.is_empty() { "nothing".to_owned() } else { fired.join(", ") });
        if let Some((before, after)) = self.cost {
            line.push_str(&format!("; cost {before:.0} -> {after:.0}"));
        }
        if let Some(stop) = self.stop {
            line.push_str(&format!("; stop: {stop}"));
        }
        line
    }
}
