//! Lathe's decoder and an independent one see the same in every model.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "onnx/agree.rs"]
mod agree;

use std::path::Path;

use lathe_compiler::onnx::OnnxFile;

#[test]
fn small_models() {
    let count = agree::compare_folder(Path::new("tests/models/onnx"));
    assert!(count >= 10, "only {count} models were found");
}

/// `LATHE_ONNX_FOLDER=... cargo test --test onnx_agree` compares every model under a folder of your own; all of them
/// must be valid, and all their initializers readable (unless the file has no weights at all).
#[test]
fn models_of_your_own() {
    let Some(folder) = std::env::var_os("LATHE_ONNX_FOLDER") else { return };
    let count = agree::compare_folder(Path::new(&folder));
    assert!(count > 0, "no models under {folder:?}");
    let mut wrong = Vec::new();
    for path in agree::models_under(Path::new(&folder)) {
        match OnnxFile::open(&path) {
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
            Ok(file) => {
                if file.warnings.iter().any(|w| w.message.contains("have no data")) {
                    continue;
                }
                let problems = file.graph().initializer.iter().filter_map(|tensor| file.tensor(tensor).err());
                wrong.extend(problems.map(|problem| format!("{}: {problem}", path.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} models:\n{}", wrong.len(), wrong.join("\n"));
}
