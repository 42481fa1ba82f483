//! The way of a model as one call: file, module, optimised module, plan, machine code.

use crate::artifact::{self, Compiled};
use crate::limits::Limits;
use crate::onnx::import::{self, ImportOptions, Refusal};
use crate::onnx::model::OnnxFile;
use crate::{backend, plan};
use lathe_ir::{Diagnostic, Diagnostics, Module, TensorType};
use lathe_passes::Report;
use std::path::Path;
use std::time::{Duration, Instant};

/// Everything that decides what a model becomes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Dimensions, shapes and constants of the inputs.
    pub import: ImportOptions,
    /// Passes and rules.
    pub passes: lathe_passes::Options,
    /// Algorithms.
    pub plan: plan::Options,
    /// Target of the machine code.
    pub backend: backend::Options,
    /// How much memory the program may need.
    pub limits: Limits,
}

/// A compiled model with what is worth telling of its making.
pub struct Built {
    /// Code, description, weights.
    pub compiled: Compiled,
    /// What the passes did.
    pub report: Report,
    /// Ops after the passes.
    pub ops: usize,
    /// Name and time of each step.
    pub steps: Vec<(&'static str, Duration)>,
}

/// Kinds of model files, by extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// ONNX protobuf.
    Onnx,
    /// Text form of the IR.
    Ir,
    /// Compiled by Lathe.
    Lathe,
}

/// The kind of a model file; whatever is not `.ir` or `.lathe` is taken for ONNX.
pub fn file_kind(path: &Path) -> FileKind {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ir") => FileKind::Ir,
        Some("lathe") => FileKind::Lathe,
        _ => FileKind::Onnx,
    }
}

/// An `.onnx` or `.ir` file that was read; the nodes of an `.onnx` file are not imported yet.
pub enum Source {
    /// ONNX protobuf.
    Onnx(Box<OnnxFile>),
    /// Text form of the IR, verified.
    Ir(Box<Module>),
}

impl Source {
    /// Reads a model file.
    pub fn open(path: &Path) -> Result<Source, Diagnostics> {
        match file_kind(path) {
            FileKind::Lathe => {
                let message = format!("{} is compiled already", path.display());
                Err(Diagnostic::invalid(message).help("give the .onnx file it was made from").into())
            }
            FileKind::Ir => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Diagnostic::invalid(format!("{}: {error}", path.display())))?;
                let module = lathe_ir::text::parse_module(&text, &lathe_ir::text::no_weights)?;
                // A module that someone wrote; what is wrong with it is no bug of Lathe.
                lathe_ir::verify::verify(&module).map_err(|mut found| {
                    found.0.iter_mut().for_each(|finding| finding.kind = lathe_ir::Kind::Invalid);
                    found
                })?;
                Ok(Source::Ir(Box::new(module)))
            }
            FileKind::Onnx => OnnxFile::open(path).map(|file| Source::Onnx(Box::new(file))).map_err(open_error),
        }
    }

    /// Names of the inputs in file order, with their types as far as the file states them; inputs that have an
    /// initializer are weights.
    pub fn inputs(&self) -> Vec<(String, Option<TensorType>)> {
        match self {
            Source::Onnx(file) => {
                let graph = file.graph();
                let is_weight = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
                let inputs = graph.input.iter().filter(|input| !is_weight(&input.name));
                inputs.map(|input| (input.name.clone(), import::declared_type(input))).collect()
            }
            Source::Ir(module) => {
                let ports = module.main.params.iter();
                ports.map(|port| (port.name.to_string(), Some(module.main.ty(port.value).clone()))).collect()
            }
        }
    }

    /// The verified module.
    pub fn module(&self, options: &ImportOptions) -> Result<Module, Refusal> {
        let refuse = |found| Refusal { found, deciding: Vec::new() };
        match self {
            Source::Onnx(file) => {
                let module = import::import_or_refuse(file, options)?.module;
                lathe_ir::verify::verify(&module).map_err(refuse)?;
                Ok(module)
            }
            Source::Ir(_) if !options.is_default() => {
                let message = "sizes and values of inputs can be fixed for .onnx models only, this is IR text";
                Err(refuse(Diagnostic::unsupported(message).into()))
            }
            Source::Ir(module) => Ok((**module).clone()),
        }
    }
}

/// Reads an `.onnx` or `.ir` file as a verified module. An error lists the inputs whose values have to be known.
pub fn load_module(path: &Path, options: &ImportOptions) -> Result<Module, Diagnostics> {
    Source::open(path)?.module(options).map_err(Refusal::with_deciding)
}

fn open_error(error: crate::onnx::error::OnnxError) -> Diagnostics {
    match error.problems() {
        [] => Diagnostic::invalid(error.to_string()).into(),
        problems => Diagnostics(problems.iter().map(import::diagnostic_of).collect()),
    }
}

/// A module on its way to code.
pub struct Planned {
    /// The module after the passes.
    pub module: Module,
    /// Its plan.
    pub plan: plan::Plan,
    /// What the passes did.
    pub report: lathe_passes::Report,
    /// Time of each step.
    pub steps: Vec<(&'static str, Duration)>,
}

/// Optimises and plans a module; `progress` is told each step's name as it begins.
pub fn plan_module(
    module: Module,
    settings: &Settings,
    progress: &mut dyn FnMut(&'static str),
) -> Result<Planned, Diagnostics> {
    let mut module = module;
    let mut steps = Vec::new();
    let mut timed = |name: &'static str, started: Instant| steps.push((name, started.elapsed()));
    progress("optimize");
    let started = Instant::now();
    let report = lathe_passes::optimize(&mut module, &settings.passes)?;
    timed("optimize", started);
    progress("plan");
    let started = Instant::now();
    settings.limits.check_module(&module)?;
    let plan = plan::plan_with(&module, &settings.plan)?;
    settings.limits.check_plan(&plan)?;
    timed("plan", started);
    Ok(Planned { module, plan, report, steps })
}

/// Optimises, plans and compiles a module; `progress` is told each step's name as it begins.
pub fn build(
    module: Module,
    settings: &Settings,
    progress: &mut dyn FnMut(&'static str),
) -> Result<Built, Diagnostics> {
    let Planned { module, plan, report, mut steps } = plan_module(module, settings, progress)?;
    progress("generate code");
    let started = Instant::now();
    let compiled = artifact::compile(plan, &settings.backend)?;
    steps.push(("generate code", started.elapsed()));
    Ok(Built { compiled, report, ops: module.main.len(), steps })
}
