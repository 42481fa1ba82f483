//! Planning: an optimised module becomes a loop-IR program, its weights in the form the kernels read, and a description
//! of its edge.
//!
//! - `flat`: regions laid into one graph; `lowering`: the walk over its ops; `lower/`: one file per op family; `view`:
//!   values as strides over memory;
//! - `weights`: packing; `schedule`: the steps of a run; `sizes`: those that data decide;
//! - `arena`, `pack`, `bounds`, `products`: its memory;
//! - `entry`: `@bind`, `@plan` and `run`; `checks`: what must hold of sizes;
//! - `dims`, `scalar` and `narrow`, `tiles`: dimensions, elementwise ops and walks over rows as expressions.
//!
//! Always holds: the tile grid is a function of shapes and of the tables here, never of the number of threads; nothing
//! here knows ONNX; the same module gives the same program.

pub mod arena;
mod bounds;
mod checks;
mod dims;
mod entry;
mod flat;
mod lower;
mod lowering;
mod narrow;
mod pack;
mod products;
mod scalar;
mod schedule;
mod sizes;
mod tiles;
pub mod view;
pub mod weights;

use crate::loopir::Program;
use lathe_ir::{Diagnostic, Diagnostics, Module, TensorType};
use weights::WeightTable;

/// A planned model.
pub struct Plan {
    /// Kernels, schedule, binding and memory plan.
    pub program: Program,
    /// Weights in the order and form the program reads them.
    pub weights: WeightTable,
    /// Names of the symbols as the model spells them, by the symbol ids of the program.
    pub symbols: Vec<String>,
    /// Name and type of each input.
    pub inputs: Vec<(String, TensorType)>,
    /// Name and type of each output.
    pub outputs: Vec<(String, TensorType)>,
    /// Node name and op, by the node ids of the program.
    pub nodes: Vec<(String, String)>,
    /// Bytes of the arena at typical sizes.
    pub arena_bytes: i64,
}

/// What may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether algorithms may be taken that are exact in the reals only: Winograd's for 3x3 convolutions, whose rounding
    /// errors are a few times those of the sums it replaces, and in which an infinity becomes NaN. Off with `--strict`.
    pub inexact_algorithms: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { inexact_algorithms: true }
    }
}

/// Plans the main graph of a verified module with the default options.
pub fn plan(module: &Module) -> Result<Plan, Diagnostics> {
    plan_with(module, &Options::default())
}

/// Plans the main graph of a verified module.
pub fn plan_with(module: &Module, options: &Options) -> Result<Plan, Diagnostics> {
    let flat = flat::flatten(&module.main);
    let mut l = lowering::Lowering::new(module, &flat, options);
    let mut problems = Diagnostics::default();
    for symbol in entry::untold(module) {
        let message = format!("no input has {symbol} for a dimension by itself, so that its size would not be known");
        problems.push(Diagnostic::unsupported(message).help(format!("--dim {symbol}=V fixes it")));
    }
    entry::declare(&mut l);
    lower::lower_items(&mut l, &flat.items, &mut problems);
    problems.into_result(())?;
    entry::finish(l).map_err(Diagnostics::from)
}
