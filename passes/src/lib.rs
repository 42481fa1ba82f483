//! Rewriting passes of Lathe: pass table and manager, structural passes, the e-graph and its rule library.
//!
//! The one entry is [`optimize`]. A pass is a plain function in a file of its own, listed in [`manager::PASSES`] and
//! ordered in [`pipeline::DEFAULT`]. A rewrite that a term rule can say is a rule in a family under `rules/`, never a
//! hand-written matcher.
//!
//! Always holds: a pass leaves the module verified and computing the same function (rules of class
//! [`rules::Exactness::InReals`] up to rounding, and off with [`Options::strict`]); the same module and options give
//! the same result. Not here: ONNX, fusion groups, layouts, machine code.

#![forbid(unsafe_code)]

pub mod canonicalize;
pub mod const_eval;
pub mod cse;
pub mod dce;
pub(crate) mod edit;
pub mod egraph;
pub mod fold_constants;
pub(crate) mod liveness;
pub mod machine;
pub mod manager;
pub mod options;
pub mod pipeline;
pub mod rules;
pub mod simplify_dims;
pub mod simplify_regions;

pub use machine::Machine;
pub use manager::{Changed, PASSES, Pass, PassCx, optimize};
pub use options::{Options, Report, StepReport, Stop};
