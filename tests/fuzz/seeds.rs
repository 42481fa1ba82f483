//! Good inputs to begin with: the files of the test suite, and the models that its IR cases are exported to.

use super::Target;
use lathe_compiler::onnx::export;
use prost::Message;
use std::path::{Path, PathBuf};

/// Files under a folder with one of the extensions, in order.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Contents of files, none twice.
pub(crate) fn contents(paths: Vec<PathBuf>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = paths.into_iter().filter_map(|path| std::fs::read(path).ok()).collect();
    all.sort();
    all.dedup();
    all
}

/// Largest seed; mutating a larger one takes longer than running it.
const LARGEST: usize = 64 << 10;

/// The seeds of a target.
pub(crate) fn of(target: Target) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        Target::Ir => contents(files(Path::new("tests/ir"), &["ir"])),
        Target::Loops => contents(files(Path::new("tests/loopir"), &["loop"])),
        Target::Onnx => {
            let mut paths = files(Path::new("tests/models/onnx"), &["onnx"]);
            // One of four cases of ONNX's backend suite, if it was written here (tests/suite.sh).
            let suite = files(Path::new("tests/.cache/suite"), &["onnx"]);
            paths.extend(suite.into_iter().step_by(4));
            let mut all = contents(paths);
            for text in contents(files(Path::new("tests/ir"), &["ir"])) {
                let text = String::from_utf8_lossy(&text).into_owned();
                let module = lathe_ir::text::parse_module(&text, &lathe_ir::text::no_weights);
                if let Some(model) = module.ok().and_then(|module| export::to_model(&module).ok()) {
                    all.push(model.encode_to_vec());
                }
            }
            all
        }
    };
    seeds.retain(|seed| seed.len() <= LARGEST);
    seeds
}
