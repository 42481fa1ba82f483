//! The pass table and the manager that runs a pipeline over a module.
//!
//! After each step the module is verified; a step that breaks it is a bug of Lathe, reported with the command that
//! repeats the run up to that step.

use crate::options::{Options, Report, StepReport};
use crate::{canonicalize, cse, dce, egraph, fold_constants, pipeline, simplify_dims, simplify_regions};
use lathe_ir::text::print_module;
use lathe_ir::{Diagnostic, Diagnostics, Module, verify};

/// Whether a pass changed the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It did.
    Yes,
    /// The module is as it was.
    No,
}

impl Changed {
    /// True for [`Changed::Yes`].
    pub fn any(self) -> bool {
        self == Changed::Yes
    }

    /// [`Changed::Yes`] if `changed`.
    pub fn from_bool(changed: bool) -> Changed {
        if changed { Changed::Yes } else { Changed::No }
    }
}

/// What a pass sees beside the module.
pub struct PassCx<'a> {
    /// What the caller asked for.
    pub options: &'a Options,
    /// What the caller is told.
    pub report: &'a mut Report,
}

/// A pass: its name (the same in file, table, command line and test folder), its function, and one sentence.
pub struct Pass {
    /// Name.
    pub name: &'static str,
    /// Changes the module; says whether it did.
    pub run: fn(&mut Module, &mut PassCx<'_>) -> Result<Changed, Diagnostics>,
    /// What it does, in one sentence.
    pub doc: &'static str,
}

/// Every pass, in alphabetical order.
pub const PASSES: &[Pass] = &[
    Pass { name: "canonicalize", run: canonicalize::run, doc: "one spelling for what can be written in several ways" },
    Pass { name: "cse", run: cse::run, doc: "computes equal ops once and keeps equal small weights once" },
    Pass { name: "dce", run: dce::run, doc: "drops ops and weights that no result needs" },
    Pass { name: "fold-constants", run: fold_constants::run, doc: "evaluates what depends on constants only" },
    Pass {
        name: "rewrite",
        run: egraph::run,
        doc: "equality saturation with the rule library, then extraction by cost",
    },
    Pass { name: "simplify-dims", run: simplify_dims::run, doc: "one symbol for dimensions that some op needs equal" },
    Pass {
        name: "simplify-regions",
        run: simplify_regions::run,
        doc: "drops what regions do not need, and regions that are not needed",
    },
];

/// The pass of that name.
pub fn find(name: &str) -> Option<&'static Pass> {
    PASSES.iter().find(|pass| pass.name == name)
}

/// Runs the pipeline that the options name over the module.
///
/// # Errors
/// An unknown pass name, a module that is invalid, a dump folder that cannot be written, or a bug of a pass.
pub fn optimize(module: &mut Module, options: &Options) -> Result<Report, Diagnostics> {
    let names: Vec<&str> = match &options.passes {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => pipeline::DEFAULT.to_vec(),
    };
    let mut passes = Vec::new();
    for name in &names {
        passes.push(find(name).ok_or_else(|| {
            let known: Vec<&str> = PASSES.iter().map(|pass| pass.name).collect();
            Diagnostic::invalid(format!("there is no pass {name}")).help(format!("one of {}", known.join(", ")))
        })?);
    }
    let mut report = Report::default();
    for (index, pass) in passes.into_iter().enumerate().take(options.stop_after.unwrap_or(usize::MAX)) {
        let changed = (pass.run)(module, &mut PassCx { options, report: &mut report })
            .map_err(|found| with_replay(found, &names, index, options))?;
        // What a pass rebuilds in a branch stays a condition of the branch.
        module.env.keep_conditional();
        verify(module).map_err(|found| with_replay(found, &names, index, options))?;
        report.steps.push(StepReport { pass: pass.name, changed: changed.any(), ops: module.main.len() });
        if changed.any() {
            dump(module, pass.name, index, options)?;
        }
    }
    Ok(report)
}

/// Names the step and the command that repeats it, in every finding that is a bug.
fn with_replay(mut found: Diagnostics, names: &[&str], index: usize, options: &Options) -> Diagnostics {
    for diagnostic in &mut found.0 {
        if diagnostic.kind == lathe_ir::Kind::Bug {
            diagnostic.notes.push(format!("in step {} of the pipeline, {}", index + 1, names[index]));
            let command = if options.command.is_empty() { "lathe opt MODEL" } else { &options.command };
            let passes = names[..=index].join(",");
            diagnostic.help.get_or_insert_with(|| format!("to repeat it: {command} --passes {passes}"));
        }
    }
    found
}

fn dump(module: &Module, pass: &str, index: usize, options: &Options) -> Result<(), Diagnostics> {
    let Some(folder) = &options.dump_dir else { return Ok(()) };
    let path = folder.join(format!("{:02}-{pass}.ir", index + 1));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, print_module(module)))
        .map_err(|error| Diagnostic::invalid(format!("cannot write {}: {error}", path.display())).into())
}
