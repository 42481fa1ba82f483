//! What is fuzzed: each target takes any bytes and may refuse them, but not panic, hang or take memory out of proportion.

use bytes::Bytes;
use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::loopir;
use lathe_compiler::onnx::import::{ImportOptions, import};
use lathe_compiler::onnx::{OnnxError, OnnxFile};
use lathe_compiler::{backend, plan};
use lathe_ir::text::{parse_module, print_module, weight_hash};
use lathe_ir::{Diagnostics, Kind, Module, Tensor, TensorType};
use std::time::Duration;

/// Longest time for one input, far above what any needs.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Most memory beyond the input's size.
pub(crate) const MEMORY_LIMIT: usize = 1 << 30;
/// Largest arena and input of a model that is run.
const RUN_BYTES: i64 = 64 << 20;

/// How far an input got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Not a model, or one that is not supported.
    Refused,
    /// A verified module.
    Imported,
    /// A plan.
    Planned,
    /// It was compiled and run.
    Ran,
}

fn no_bug(found: &Diagnostics) {
    assert!(found.0.iter().all(|finding| finding.kind != Kind::Bug), "{found}");
}

/// An ONNX file: decode, import, verify, print and parse, optimise, plan; if `may_run`, compile and run.
pub(crate) fn onnx(bytes: &[u8], may_run: bool) -> Reached {
    let file = match OnnxFile::from_bytes(Bytes::copy_from_slice(bytes)) {
        Ok(file) => file,
        Err(OnnxError::Rejected(_)) => return Reached::Refused,
        Err(error) => panic!("{error}"),
    };
    match import(&file, &ImportOptions::default()) {
        Ok(module) => {
            let verified = lathe_ir::verify::verify(&module);
            verified.unwrap_or_else(|found| panic!("the importer made a wrong module: {found}"));
            below_import(module, may_run)
        }
        Err(found) => {
            no_bug(&found);
            Reached::Refused
        }
    }
}

/// Text of the IR: parse, verify, print and parse, optimise, plan.
pub(crate) fn ir(bytes: &[u8]) -> Reached {
    let Ok(text) = std::str::from_utf8(bytes) else { return Reached::Refused };
    let Ok(module) = parse_module(text, &lathe_ir::text::no_weights) else { return Reached::Refused };
    if lathe_ir::verify::verify(&module).is_err() {
        return Reached::Refused;
    }
    below_import(module, false)
}

/// Text of the loop IR: parse, verify, print and parse.
pub(crate) fn loops(bytes: &[u8]) -> Reached {
    let Ok(text) = std::str::from_utf8(bytes) else { return Reached::Refused };
    let Ok(program) = loopir::parse(text) else { return Reached::Refused };
    if loopir::verify(&program).is_err() {
        return Reached::Refused;
    }
    let printed = program.to_string();
    let again = loopir::parse(&printed).unwrap_or_else(|error| panic!("what is printed does not parse: {error}"));
    assert_eq!(again.to_string(), printed, "what is printed is parsed as something else");
    Reached::Planned
}

/// The text of a module is read as the same module.
pub(crate) fn round_trip(module: &Module) {
    let printed = print_module(module);
    let resolve = |_: &str, ty: &TensorType, hash: u64| -> Option<Tensor> {
        let weights = module.env.weights.iter().map(|weight| &weight.value);
        weights.into_iter().find(|tensor| weight_hash(tensor) == hash && tensor.ty() == *ty).cloned()
    };
    let again =
        parse_module(&printed, &resolve).unwrap_or_else(|error| panic!("what is printed does not parse: {error}"));
    assert_eq!(print_module(&again), printed, "what is printed is parsed as something else");
    assert!(again == *module, "the module parsed prints the same and is not the same");
}

fn below_import(mut module: Module, may_run: bool) -> Reached {
    round_trip(&module);
    if let Err(found) = lathe_passes::optimize(&mut module, &lathe_passes::Options::default()) {
        no_bug(&found);
        return Reached::Imported;
    }
    let planned = match plan::plan(&module) {
        Ok(planned) => planned,
        Err(found) => {
            no_bug(&found);
            return Reached::Imported;
        }
    };
    if !may_run || planned.arena_bytes > RUN_BYTES {
        return Reached::Planned;
    }
    let Some(inputs) = inputs(&module) else { return Reached::Planned };
    let compiled = compile(planned, &backend::Options::default()).unwrap_or_else(|bug| panic!("{bug}"));
    let mut loaded = InProcess::load(&compiled, 1).unwrap_or_else(|bug| panic!("{bug}"));
    // An index out of range and the like may end the run; it must not take the process along.
    let _ = loaded.run(&inputs);
    Reached::Ran
}

/// Ones of the declared types, symbols at the smallest value that is not 0; `None` if they are too large.
fn inputs(module: &Module) -> Option<Vec<Tensor>> {
    let ports = module.main.params.iter();
    ports
        .map(|port| {
            let ty = module.main.ty(port.value);
            let value = |symbol: &lathe_ir::Symbol| module.env.symbols.get(symbol).map(|info| info.lo.max(1));
            let sizes: Option<Vec<usize>> =
                ty.shape.iter().map(|dim| dim.eval(&value).and_then(|size| usize::try_from(size).ok())).collect();
            let sizes = sizes?;
            let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
            (count * 8 <= RUN_BYTES as usize).then(|| Tensor::from_f64(ty.dtype, &sizes, &vec![1.0; count]))
        })
        .collect()
}
