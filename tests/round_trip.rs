//! The text of a module is read as the same module, as imported and after the passes, and compiles to the same bytes.
//!
//! `LATHE_MODELS=FOLDER cargo test --release --test round_trip -- --nocapture` takes every model in a folder instead of the
//! project's own small ones.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops where it goes wrong, and tells")]

use lathe_compiler::artifact::{Output, WeightsAt, compile, write};
use lathe_compiler::onnx::import::ImportOptions;
use lathe_compiler::{backend, pipeline, plan};
use lathe_ir::text::{parse_module, print_module, weight_hash};
use lathe_ir::{Module, Tensor, TensorType};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Parses what is printed; both are equal.
fn again(module: &Module, what: &str) -> Module {
    let text = print_module(module);
    let weights: BTreeMap<(&str, u64), &Tensor> =
        module.env.weights.iter().map(|weight| ((&*weight.name, weight_hash(&weight.value)), &weight.value)).collect();
    let resolve = |name: &str, _: &TensorType, hash: u64| weights.get(&(name, hash)).map(|tensor| (*tensor).clone());
    let parsed = parse_module(&text, &resolve).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(print_module(&parsed) == text, "{what}: the text changes");
    assert!(parsed.env.weights == module.env.weights, "{what}: the weights change");
    lathe_ir::verify::verify(&parsed).unwrap_or_else(|found| panic!("{what}: {found}"));
    parsed
}

/// The bytes of the artifact.
fn artifact(module: &Module, folder: &Path) -> Vec<u8> {
    let plan = plan::plan(module).unwrap_or_else(|found| panic!("{found}"));
    let compiled = compile(plan, &backend::Options::default()).unwrap();
    let path = folder.join("model.lathe");
    write(&compiled, &Output { path: &path, prefix: None, weights: WeightsAt::Inside }).unwrap();
    std::fs::read(path).unwrap()
}

fn models() -> Vec<PathBuf> {
    let folder = std::env::var_os("LATHE_MODELS").map(PathBuf::from);
    let own = folder.is_none();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.unwrap_or("tests/models/onnx".into()))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    if own {
        paths.push("examples/digits/digits.onnx".into());
    }
    paths.sort();
    paths
}

#[test]
fn text_is_read_as_the_same_program() {
    let folder = tempfile::tempdir().unwrap();
    let (mut compiled, mut refused) = (0, 0);
    for path in models() {
        let Ok(module) = pipeline::load_module(&path, &ImportOptions::default()) else {
            println!("refused: {}", path.display());
            refused += 1;
            continue;
        };
        let name = path.display().to_string();
        let parsed = again(&module, &name);
        let optimized = |mut module: Module| {
            lathe_passes::optimize(&mut module, &lathe_passes::Options::default()).unwrap();
            module
        };
        let (one, two) = (optimized(module), optimized(parsed));
        assert!(print_module(&one) == print_module(&two), "{name}: the passes tell text and file apart");
        let three = again(&one, &name);
        let bytes = artifact(&one, folder.path());
        assert!(bytes == artifact(&one, folder.path()), "{name}: two compiles differ");
        assert!(bytes == artifact(&three, folder.path()), "{name}: the text compiles to something else");
        println!("equal: {name}: {} ops, {} after the passes, {} bytes", two.main.len(), one.main.len(), bytes.len());
        compiled += 1;
    }
    assert!(compiled > refused, "{compiled} compiled, {refused} refused");
}
