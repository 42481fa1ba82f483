//! Models, a folder to write them to, and a C compiler.

use lathe_compiler::artifact::{Compiled, InProcess, Output, WeightsAt, write};
use lathe_compiler::onnx::import::DimBound;
use lathe_compiler::onnx::tensor_pb;
use lathe_compiler::pipeline::{self, Settings};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Tensor};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Ended};
use tempfile::TempDir;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The vision transformer of the examples, for 1 to 64 images.
pub(crate) fn digits() -> Compiled {
    let mut settings = Settings::default();
    settings.import.dims = vec![("batch".into(), DimBound::Range(1, 64, None))];
    let module = pipeline::load_module(&root().join("examples/digits/digits.onnx"), &settings.import).unwrap();
    pipeline::build(module, &settings, &mut |_| ()).unwrap_or_else(|errors| panic!("{errors}")).compiled
}

/// Ten images.
pub(crate) fn images() -> Tensor {
    let data = tensor_pb::read_file(&root().join("examples/digits/input/input_0.pb")).unwrap();
    let shape: Vec<usize> = data.dims.iter().map(|&dim| dim as usize).collect();
    Tensor::from_bytes(DType::F32, &shape, data.bytes).unwrap()
}

pub(crate) fn from_text(text: &str) -> Compiled {
    let module = parse_module(text, &no_weights).unwrap_or_else(|errors| panic!("{errors}"));
    pipeline::build(module, &Settings::default(), &mut |_| ()).unwrap_or_else(|errors| panic!("{errors}")).compiled
}

pub(crate) const MATMUL: &str = r#"
weight @0 "w" : f32[64,64] = seed 3
graph(%0 "x": f32[1,64]) {
  %1 = const @0
  %2 = matmul(%0, %1)
  return %2 "y"
}"#;

pub(crate) struct Case {
    pub(crate) dir: TempDir,
}

impl Case {
    pub(crate) fn new() -> Case {
        Case { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, compiled: &Compiled, name: &str, weights: WeightsAt<'_>) -> PathBuf {
        let path = self.at(name);
        let prefix = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("lib").to_owned();
        let output = Output { path: &path, prefix: Some(&prefix), weights };
        write(compiled, &output).unwrap_or_else(|error| panic!("{error}"));
        // The library's header goes by the model's name.
        let beside = path.with_extension("h");
        if beside.exists() {
            fs::rename(beside, self.at(&format!("{prefix}.h"))).unwrap();
        }
        path
    }

    /// Compiles a program of tests/c with the given libraries and runs it.
    pub(crate) fn run(&self, source: &str, linked: &[&str], argument: Option<&Path>) -> Vec<u8> {
        self.run_source(&root().join("tests/c").join(source), linked, argument)
    }

    /// The same for a program anywhere.
    pub(crate) fn run_source(&self, source: &Path, linked: &[&str], argument: Option<&Path>) -> Vec<u8> {
        let program = self.at(source.file_stem().unwrap().to_str().unwrap());
        let mut cc = Command::new("cc");
        cc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-I"]).arg(self.dir.path());
        cc.arg(source).arg("-o").arg(&program);
        cc.args(linked.iter().map(|name| if name.starts_with('-') { name.into() } else { self.at(name) }));
        ended(cc.args(["-lm", "-lpthread"]));
        let mut run = Command::new(&program);
        run.env("LD_LIBRARY_PATH", self.dir.path());
        ended(run.args(argument)).stdout
    }
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output
}

/// What the C programs read and what they have to print.
pub(crate) fn images_and_logits(case: &Case, compiled: &Compiled) -> (PathBuf, Vec<u8>) {
    let images = images();
    let path = case.at("images");
    fs::write(&path, images.bytes()).unwrap();
    let logits = InProcess::load(compiled, 1).unwrap().run(&[images]).unwrap();
    assert_eq!(logits[0].shape(), [10, 10]);
    (path, logits[0].bytes().to_vec())
}
