//! ONNX to IR: every node becomes IR ops.
//!
//! Opset differences, the model's own functions, shape arithmetic and control flow on known conditions end here: the
//! IR has none of them. What always holds:
//! - The file's `value_info` and the declared types of outputs are never believed; types come from the ops.
//! - Nothing is computed on weights; they stay slices of the file. Only shape arithmetic is ([`known`]).
//! - All findings are collected; each names its node.
//! - Nothing in a file makes the import panic, loop or take memory out of proportion.
//!
//! The parts: [`graph`] walks, [`inputs`] binds inputs and options to symbols, [`values`] holds values and emits them,
//! [`opset`] lists what changed between operator versions, [`ops`] lists the operators, [`unify`] learns which symbols
//! are equal, [`data_sizes`] makes symbols of sizes that data decide, [`truth`] chooses between sizes, [`spread`]
//! repeats what has a size of 1. An import is repeated with what it learned, so that shapes come out in terms of one symbol.

mod attrs;
mod data_sizes;
mod emit;
mod frames;
mod graph;
mod inputs;
mod known;
mod node;
mod ops;
mod opset;
mod spread;
mod truth;
mod unify;
mod values;

use std::collections::BTreeSet;

use lathe_ir::{Diagnostic, Diagnostics, Dim, Module, OpError, Tensor};

use super::error::{Problem, ProblemKind, quote};
use super::model::OnnxFile;

use graph::Importer;
use inputs::Learned;
pub use inputs::declared_type;

/// What a symbolic dimension is fixed or bounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimBound {
    /// One value.
    Pin(i64),
    /// Values from the first to the second, and the one at which costs are priced.
    Range(i64, i64, Option<i64>),
}

/// What the caller knows about a model's inputs. It overrides what the file says.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Symbolic dimensions by name. A dimension without a name is called after its input and axis: `input_0`; a size that
    /// data decide after the first output of its node: `output_0`.
    pub dims: Vec<(String, DimBound)>,
    /// Whole shapes of inputs by name.
    pub shapes: Vec<(String, Vec<i64>)>,
    /// Inputs that are constants; they are no parameters of the result.
    pub consts: Vec<(String, Tensor)>,
    /// Whether all sizes are to be served: those without a bound begin at 0 (at 1 without it, or where 0 would be refused),
    /// and those of different names may differ where operators broadcast, one of them being 1 (else they are taken to be
    /// equal).
    pub dynamic: bool,
    /// Most turns of a loop whose number only the data tell, where its outputs grow with each turn; 4096 if not given.
    pub loop_turns: Option<i64>,
}

impl ImportOptions {
    /// Whether no size or value is fixed or bounded.
    pub fn is_default(&self) -> bool {
        self.dims.is_empty() && self.shapes.is_empty() && self.consts.is_empty() && self.loop_turns.is_none()
    }
}

/// An imported model.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The program.
    pub module: Module,
    /// Things worth telling the user.
    pub warnings: Vec<Diagnostic>,
}

/// An operator that the import knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Domain, empty for the standard one.
    pub domain: &'static str,
    /// Name.
    pub name: &'static str,
    /// Versions known, ascending.
    pub versions: &'static [i64],
    /// Attributes of any version.
    pub attributes: &'static [&'static str],
}

/// Every operator that the import knows, in the order of its table.
pub fn operators() -> impl Iterator<Item = Operator> {
    ops::rows().iter().map(|row| Operator {
        domain: row.domain,
        name: row.name,
        versions: row.versions,
        attributes: row.attrs,
    })
}

/// Turns that memory is planned for where nothing tells their number before a run.
const LOOP_TURNS: i64 = 4096;
/// At most this often an import is repeated with what it has learned about symbols.
const MAX_ROUNDS: usize = 8;

/// Imports a model; see [`import_with_warnings`].
pub fn import(file: &OnnxFile, options: &ImportOptions) -> Result<Module, Diagnostics> {
    import_with_warnings(file, options).map(|imported| imported.module)
}

/// Why a model was not imported.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Everything found.
    pub found: Diagnostics,
    /// Names of inputs whose values decide a shape, a rank or a branch: with these among [`ImportOptions::consts`] the
    /// import gets further, and there may be others then. In alphabetical order.
    pub deciding: Vec<String>,
}

impl Refusal {
    /// The findings, and one more that lists the inputs whose values have to be known.
    pub fn with_deciding(self) -> Diagnostics {
        let mut found = self.found;
        if !self.deciding.is_empty() {
            let names = show_names(self.deciding.iter().map(String::as_str));
            let flags: Vec<String> = self.deciding.iter().map(|name| format!("--const {name}=VALUE")).collect();
            let message = format!("the values of these inputs decide shapes, ranks or branches: {names}");
            found.push(Diagnostic::unsupported(message).help(flags.join(" ")));
        }
        found
    }
}

/// Imports a model. Parameters are the graph inputs that are neither initializers nor constants of the options, in
/// order; results are the graph outputs. Errors are all findings, each with its node.
pub fn import_with_warnings(file: &OnnxFile, options: &ImportOptions) -> Result<Imported, Diagnostics> {
    import_or_refuse(file, options).map_err(|refusal| refusal.found)
}

/// As [`import_with_warnings`]; a refusal also tells which inputs' values would help.
pub fn import_or_refuse(file: &OnnxFile, options: &ImportOptions) -> Result<Imported, Refusal> {
    let refuse = |found| Refusal { found, deciding: Vec::new() };
    let Outcome { mut module, found, deciding, plan, learned, data_names } = run(file, options).map_err(refuse)?;
    found.into_result(()).map_err(|found| Refusal { found, deciding })?;
    plan.check(&learned, &data_names).map_err(refuse)?;
    inputs::tidy(&mut module);
    Ok(Imported { module, warnings: plan.warnings(&learned) })
}

/// Names of inputs whose values decide a shape, a rank or a branch, so that the import fails unless they are among
/// [`ImportOptions::consts`]; in alphabetical order, empty if there are none. With these fixed there may be others.
pub fn inputs_that_decide(file: &OnnxFile, options: &ImportOptions) -> Result<Vec<String>, Diagnostics> {
    run(file, options).map(|outcome| outcome.deciding)
}

/// What the last round of an import gave.
struct Outcome<'a> {
    module: Module,
    found: Diagnostics,
    deciding: Vec<String>,
    plan: inputs::Plan<'a>,
    learned: Learned,
    /// Names of the sizes that data decide.
    data_names: BTreeSet<String>,
}

fn run<'a>(file: &'a OnnxFile, options: &'a ImportOptions) -> Result<Outcome<'a>, Diagnostics> {
    // Sizes of 0 are served where that needs nothing to be known.
    if options.dynamic {
        let outcome = rounds(file, options, Learned { all_from_zero: true, ..Learned::default() })?;
        if outcome.found.0.is_empty() {
            return Ok(outcome);
        }
    }
    rounds(file, options, Learned::default())
}

/// Imports until nothing more is learned.
fn rounds<'a>(
    file: &'a OnnxFile,
    options: &'a ImportOptions,
    mut learned: Learned,
) -> Result<Outcome<'a>, Diagnostics> {
    let mut round = 1;
    loop {
        let plan = inputs::Plan::new(file, options)?;
        let mut importer = Importer::new(file);
        importer.is_dynamic = options.dynamic;
        importer.loop_turns = options.loop_turns.unwrap_or(LOOP_TURNS).max(1);
        importer.begin_main();
        plan.bind(&mut importer, &learned);
        importer.bind_initializers(file.graph());
        importer.nodes(&file.graph().node);
        importer.outputs();
        importer.values.settle_conditional();
        let module = std::mem::take(&mut importer.values.module);
        let emptied = learned.from_zero.len();
        learned.from_zero.append(&mut importer.may_be_empty);
        let is_new = learned.from_zero.len() > emptied;
        if round < MAX_ROUNDS && plan.learn(&module.env, &mut learned) | is_new {
            round += 1;
            continue;
        }
        let deciding = std::mem::take(&mut importer.deciding).into_iter().collect();
        let data_names = std::mem::take(&mut importer.data_names);
        return Ok(Outcome { module, found: importer.take_found(), deciding, plan, learned, data_names });
    }
}

/// A problem of the file as a diagnostic.
pub fn diagnostic_of(problem: &Problem) -> Diagnostic {
    let message = format!("{}: {}", problem.place, problem.message);
    match problem.kind {
        ProblemKind::Unsupported => Diagnostic::unsupported(message),
        ProblemKind::Invalid | ProblemKind::Warning => Diagnostic::invalid(message),
    }
}

fn op_error_of(problem: &Problem) -> OpError {
    match problem.kind {
        ProblemKind::Unsupported => OpError::unsupported(problem.message.clone()),
        ProblemKind::Invalid | ProblemKind::Warning => OpError::invalid(problem.message.clone()),
    }
}

/// Sizes as they are written.
fn show_dims(dims: &[Dim]) -> String {
    let list: Vec<String> = dims.iter().map(Dim::to_string).collect();
    format!("[{}]", list.join(","))
}

/// A list of names for a message.
fn show_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let list: Vec<String> = names.into_iter().take(20).map(quote).collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}
