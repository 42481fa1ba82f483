//! Flags that several subcommands share.

use super::{Failure, inputs};
use crate::backend;
use crate::limits::Limits;
use crate::onnx::import::{DimBound, ImportOptions};
use crate::pipeline::{Settings, Source};
use crate::plan;
use clap::Args;
use lathe_ir::TensorType;
use std::path::PathBuf;

/// Which model, and what is known about its inputs.
#[derive(Args, Clone)]
pub(super) struct ModelArgs {
    /// The model: .onnx, .ir or .lathe
    pub(super) model: PathBuf,
    /// Fix a symbolic dimension (N=128) or bound it (N=1..512, N=1..512:128 with a typical value); overrides shapes
    /// stored in the file. May be repeated
    #[arg(long = "dim", value_name = "NAME=V|A..B[:T]")]
    dims: Vec<String>,
    /// Fix all dimensions of an input, for dimensions without a name. May be repeated
    #[arg(long = "shape", value_name = "INPUT=1,576")]
    shapes: Vec<String>,
    /// Fix the value of an input, for values that decide shapes, ranks or branches: a number, [1,2,3] or a .npy file;
    /// one number fills the input's shape. The input is none of the compiled program's. May be repeated
    #[arg(long = "const", value_name = "INPUT=V|x.npy")]
    consts: Vec<String>,
    /// One program for all sizes within the bounds of --dim: none of given inputs is fixed, sizes without a bound begin at
    /// 0 where that needs nothing more to be known, and where operators broadcast, sizes of different names may differ if
    /// one of them is 1. Without it sizes are at least 1 and those that meet in a broadcast are taken to be equal, which
    /// makes faster programs
    #[arg(long)]
    pub(super) dynamic: bool,
    /// Most turns of a loop whose number only the data tell, where its outputs grow with each turn: memory is planned for
    /// so many, and a run with more ends with an error [default: 4096]
    #[arg(long = "loop-turns", value_name = "N", value_parser = clap::value_parser!(i64).range(1..=lathe_ir::LOOP_LIMIT))]
    loop_turns: Option<i64>,
    /// Use bit-exact rewrites and direct algorithms only
    #[arg(long)]
    strict: bool,
    /// Least CPU of the generated code: x86-64-v3 or x86-64-v4
    #[arg(long, value_name = "CPU", default_value = "x86-64-v3")]
    cpu: String,
    /// Code generator
    #[arg(long, value_name = "B", default_value = "cranelift")]
    pub(super) backend: String,
    /// File with the weights of a .lathe file that was compiled with --weights
    #[arg(long, value_name = "FILE")]
    pub(super) weights_from: Option<PathBuf>,
    /// Refuse models whose weights, intermediate values or any one value need more memory than this
    #[arg(long, value_name = "BYTES", default_value = "16G")]
    max_memory: String,
    /// Write the module after each pass that changed it to this folder
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Stop the passes after this many steps
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// Leave out rules or families of rules. May be repeated
    #[arg(long = "without", value_name = "RULE")]
    without: Vec<String>,
}

impl ModelArgs {
    /// Reads the model file, and the settings that these flags stand for.
    pub(super) fn open(&self) -> Result<(Source, Settings), Failure> {
        let source = Source::open(&self.model)?;
        let settings = self.settings(&source.inputs())?;
        Ok((source, settings))
    }

    /// Refuses flags that mean nothing for a compiled model.
    pub(super) fn of_artifact(&self) -> Result<(), Failure> {
        let given = [("dim", &self.dims), ("shape", &self.shapes), ("const", &self.consts), ("without", &self.without)];
        match given.into_iter().find(|(_, values)| !values.is_empty()) {
            Some((flag, _)) => Err(Failure::Usage(format!("--{flag} comes too late: the model is compiled already"))),
            None => Ok(()),
        }
    }

    /// The settings for a model with these inputs.
    fn settings(&self, ports: &[(String, Option<TensorType>)]) -> Result<Settings, Failure> {
        if self.backend != "cranelift" {
            return Err(Failure::Usage(format!("unknown backend {:?}; this build has cranelift", self.backend)));
        }
        let mut import =
            ImportOptions { loop_turns: self.loop_turns, dynamic: self.dynamic, ..ImportOptions::default() };
        for text in &self.dims {
            import.dims.push(parse_dim(text)?);
        }
        for text in &self.shapes {
            import.shapes.push(parse_shape(text)?);
        }
        for text in &self.consts {
            import.consts.push(inputs::parse_const(text, ports)?);
        }
        let cpu = self.cpu.parse().map_err(|error: backend::BackendError| Failure::Usage(error.to_string()))?;
        let passes = lathe_passes::Options {
            strict: self.strict,
            dump_dir: self.dump.clone(),
            stop_after: self.stop_after,
            disabled_rules: self.without.iter().cloned().collect(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            ..lathe_passes::Options::default()
        };
        let target = backend::Target { cpu, ..backend::Target::default() };
        let plan = plan::Options { inexact_algorithms: !self.strict };
        let limits = Limits { memory: parse_bytes("max-memory", &self.max_memory)? };
        let backend = backend::Options { target, ..backend::Options::default() };
        Ok(Settings { import, passes, plan, backend, limits })
    }
}

fn split<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), Failure> {
    text.rsplit_once('=').ok_or_else(|| Failure::Usage(format!("--{flag} {text}: expected NAME=VALUE")))
}

fn number(flag: &str, text: &str) -> Result<i64, Failure> {
    let value = text.trim().parse::<i64>().ok().filter(|value| *value >= 0);
    value.ok_or_else(|| Failure::Usage(format!("--{flag}: {text:?} is no size")))
}

/// A number of bytes, with K, M, G or T for powers of 1024.
fn parse_bytes(flag: &str, text: &str) -> Result<u64, Failure> {
    let (digits, shift) = match text.trim().char_indices().last() {
        Some((at, 'K' | 'k')) => (&text.trim()[..at], 10),
        Some((at, 'M' | 'm')) => (&text.trim()[..at], 20),
        Some((at, 'G' | 'g')) => (&text.trim()[..at], 30),
        Some((at, 'T' | 't')) => (&text.trim()[..at], 40),
        _ => (text.trim(), 0),
    };
    let value = digits.parse::<u64>().ok().and_then(|value| value.checked_mul(1 << shift));
    value.ok_or_else(|| Failure::Usage(format!("--{flag}: {text:?} is no number of bytes such as 512M or 16G")))
}

fn parse_dim(text: &str) -> Result<(String, DimBound), Failure> {
    let (name, value) = split("dim", text)?;
    let bound = match value.split_once("..") {
        None => DimBound::Pin(number("dim", value)?),
        Some((lo, rest)) => {
            let (hi, typical) = match rest.split_once(':') {
                Some((hi, typical)) => (hi, Some(number("dim", typical)?)),
                None => (rest, None),
            };
            let (lo, hi) = (number("dim", lo)?, number("dim", hi)?);
            if lo > hi || typical.is_some_and(|typical| typical < lo || typical > hi) {
                return Err(Failure::Usage(format!("--dim {text}: the range is empty or misses its typical value")));
            }
            DimBound::Range(lo, hi, typical)
        }
    };
    Ok((name.to_owned(), bound))
}

fn parse_shape(text: &str) -> Result<(String, Vec<i64>), Failure> {
    let (name, sizes) = split("shape", text)?;
    let sizes = sizes.split(',').filter(|size| !size.is_empty()).map(|size| number("shape", size));
    Ok((name.to_owned(), sizes.collect::<Result<_, _>>()?))
}

/// Threads of a run.
#[derive(Args, Clone, Copy)]
pub(super) struct ThreadArgs {
    /// Threads; 0 takes as many as the process may use
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) threads: usize,
}
