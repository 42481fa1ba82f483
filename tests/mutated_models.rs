//! Broken models through the whole way: decode, import, verify, passes, plan; some of the accepted ones are compiled and
//! run. None may panic, hang or take memory out of proportion.
//!
//! `LATHE_FUZZ_ROUNDS=100000 cargo test --release --test mutated_models` looks further than the tests of every day.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it goes wrong, and tells"
)]

#[path = "fuzz/mutator.rs"]
mod mutator;

use bytes::Bytes;
use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::onnx::import::{ImportOptions, import};
use lathe_compiler::onnx::{OnnxError, OnnxFile};
use lathe_compiler::{backend, plan};
use lathe_ir::{Kind, Module, Tensor};
use mutator::{Rng, mutate};
use std::time::{Duration, Instant};

/// Longest time for one model, far above what any needs.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest arena and input of a model that is run.
const RUN_BYTES: i64 = 64 << 20;

/// How far a model got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Refused,
    Imported,
    Planned,
    Ran,
}

fn go(bytes: Vec<u8>, may_run: bool) -> Reached {
    let file = match OnnxFile::from_bytes(Bytes::from(bytes)) {
        Ok(file) => file,
        Err(OnnxError::Rejected(_)) => return Reached::Refused,
        Err(error) => panic!("{error}"),
    };
    let mut module = match import(&file, &ImportOptions::default()) {
        Ok(module) => module,
        Err(found) => {
            assert!(found.0.iter().all(|finding| finding.kind != Kind::Bug), "{found}");
            return Reached::Refused;
        }
    };
    lathe_ir::verify::verify(&module).unwrap_or_else(|found| panic!("the importer made a wrong module: {found}"));
    if let Err(found) = lathe_passes::optimize(&mut module, &lathe_passes::Options::default()) {
        assert!(found.0.iter().all(|finding| finding.kind != Kind::Bug), "{found}");
        return Reached::Imported;
    }
    let planned = match plan::plan(&module) {
        Ok(planned) => planned,
        Err(found) => {
            assert!(found.0.iter().all(|finding| finding.kind != Kind::Bug), "{found}");
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

#[test]
fn whole_way() {
    let mut paths: Vec<_> =
        std::fs::read_dir("tests/models/onnx").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.push("examples/digits/digits.onnx".into());
    paths.sort();
    let models: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let rounds = std::env::var("LATHE_FUZZ_ROUNDS").map_or(1_500, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("LATHE_FUZZ_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut rng = Rng::new(seed);
    let mut counts = [0usize; 4];
    for round in 0..rounds {
        let broken = mutate(&models[round % models.len()], &mut rng);
        let kept = broken.clone();
        let started = Instant::now();
        let reached = std::panic::catch_unwind(|| go(broken, round % 16 == 0));
        let reached = reached.unwrap_or_else(|cause| {
            // The input stays for whoever looks into it.
            let path = std::env::temp_dir().join(format!("lathe-mutated-{seed}-{round}.onnx"));
            std::fs::write(&path, kept).unwrap();
            eprintln!("round {round}: {} is kept", path.display());
            std::panic::resume_unwind(cause)
        });
        let time = started.elapsed();
        assert!(time < LIMIT, "round {round} of seed {seed} took {time:?}");
        counts[reached as usize] += 1;
    }
    println!("refused {}, imported {}, planned {}, ran {} of {rounds}", counts[0], counts[1], counts[2], counts[3]);
    assert!(counts[2] + counts[3] > rounds / 50, "too few models got through to test anything behind the importer");
}
