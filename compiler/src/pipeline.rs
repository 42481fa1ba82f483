//! The way of a model as one call: file, module, optimised module, plan, machine code.

use crate::artifact::{self, Compiled, InProcess};
use crate::onnx::import::{self, ImportOptions};
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
    /// Target of the machine code.
    pub backend: backend::Options,
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

/// Reads an `.onnx` or `.ir` file as a verified module.
pub fn load_module(path: &Path, options: &ImportOptions) -> Result<Module, Diagnostics> {
    let module = match file_kind(path) {
        FileKind::Lathe => {
            let message = format!("{} is compiled already", path.display());
            return Err(Diagnostic::invalid(message).help("give the .onnx file it was made from").into());
        }
        FileKind::Ir => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Diagnostic::invalid(format!("{}: {error}", path.display())))?;
            lathe_ir::text::parse_module(&text, &lathe_ir::text::no_weights)?
        }
        FileKind::Onnx => {
            let file = OnnxFile::open(path).map_err(open_error)?;
            import::import(&file, options)?
        }
    };
    lathe_ir::verify::verify(&module)?;
    Ok(module)
}

fn open_error(error: crate::onnx::error::OnnxError) -> Diagnostics {
    match error.problems() {
        [] => Diagnostic::invalid(error.to_string()).into(),
        problems => Diagnostics(problems.iter().map(import::diagnostic_of).collect()),
    }
}

/// Names (and types, where they are stated) of the inputs of an `.onnx` or `.ir` file, without importing its nodes.
pub fn inputs_of(path: &Path, options: &ImportOptions) -> Result<Vec<(String, Option<TensorType>)>, Diagnostics> {
    if file_kind(path) == FileKind::Onnx {
        let file = OnnxFile::open(path).map_err(open_error)?;
        let graph = file.graph();
        let inputs = graph.input.iter().map(|input| input.name.clone());
        let inputs = inputs.filter(|name| {
            let is_weight = graph.initializer.iter().any(|tensor| tensor.name == *name);
            !is_weight && options.consts.iter().all(|(fixed, _)| fixed != name)
        });
        return Ok(inputs.map(|name| (name, None)).collect());
    }
    let module = load_module(path, options)?;
    let ports = module.main.params.iter();
    Ok(ports.map(|port| (port.name.to_string(), Some(module.main.ty(port.value).clone()))).collect())
}

/// Optimises, plans and compiles a module; `progress` is told each step's name as it begins.
pub fn build(
    module: Module,
    settings: &Settings,
    progress: &mut dyn FnMut(&'static str),
) -> Result<Built, Diagnostics> {
    let mut module = module;
    let mut steps = Vec::new();
    let mut timed = |name: &'static str, started: Instant| steps.push((name, started.elapsed()));
    progress("optimize");
    let started = Instant::now();
    let report = lathe_passes::optimize(&mut module, &settings.passes)?;
    timed("optimize", started);
    progress("plan");
    let started = Instant::now();
    let plan = plan::plan(&module)?;
    timed("plan", started);
    progress("generate code");
    let started = Instant::now();
    let compiled = artifact::compile(plan, &settings.backend)?;
    timed("generate code", started);
    Ok(Built { compiled, report, ops: module.main.len(), steps })
}

/// Reads, compiles and loads a model in this process.
pub fn build_in_process(
    path: &Path,
    settings: &Settings,
    threads: usize,
    progress: &mut dyn FnMut(&'static str),
) -> Result<(Built, InProcess), Diagnostics> {
    progress("import");
    let started = Instant::now();
    let module = load_module(path, &settings.import)?;
    let import = ("import", started.elapsed());
    let mut built = build(module, settings, progress)?;
    built.steps.insert(0, import);
    progress("pack weights");
    let started = Instant::now();
    let loaded = InProcess::load(&built.compiled, threads)?;
    built.steps.push(("pack weights", started.elapsed()));
    Ok((built, loaded))
}
