//! Random graphs: the evaluator against native code at each level of optimisation.
//!
//! `tests/graphs.sh [COUNT] [SEED]` runs more of them than the tests of every day, and holds them to onnxruntime too. A
//! graph that fails is made small and written to `tests/graphs/found`, from where it is run again with every test run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it goes wrong, and tells"
)]

mod bounds;
mod build;
mod export;
#[path = "../../compiler/ir/tests/generate/mod.rs"]
mod generate;
mod levels;
mod reduce;
mod variants;

use bounds::Judge;
use build::Sample;
use lathe_ir::{Module, Tensor};
use levels::{LEVELS, Level, Outcome};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder of samples that once failed.
const FOUND: &str = "tests/graphs/found";

/// What many graphs gave.
#[derive(Default)]
struct Tally {
    right: usize,
    /// Right in another form too.
    forms: usize,
    empty: usize,
    unsupported: BTreeMap<String, usize>,
    ops: BTreeMap<&'static str, usize>,
    elements: usize,
    loose: usize,
    failed: Vec<String>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn run_one(seed: u64, folder: Option<&Path>, tally: &Mutex<Tally>) {
    let sample = build::sample(seed);
    if sample.module.main.results.is_empty() {
        tally.lock().unwrap().empty += 1;
        return;
    }
    lathe_ir::verify::verify(&sample.module).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
    let expected =
        bounds::expected(&sample.module, &sample.inputs, Judge::Own).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    {
        let mut tally = tally.lock().unwrap();
        for (_, op) in sample.module.main.iter() {
            *tally.ops.entry(op.code.name()).or_default() += 1;
        }
        let tolerances = || expected.iter().flat_map(|output| &output.tolerance);
        tally.elements += tolerances().count();
        tally.loose += tolerances().filter(|tolerance| tolerance.is_nan()).count();
    }
    let threads = if seed.is_multiple_of(8) { 2 } else { 1 };
    match check(&sample, &expected, &LEVELS, threads, tally) {
        Checked::Unsupported => return,
        Checked::Wrong(level, what) => return keep(seed, reduce::reduce(sample, level), level, &what, tally),
        Checked::Right => {}
    }
    tally.lock().unwrap().right += 1;
    write(&sample, folder, &seed.to_string());
    let Some(form) = variants::variant(&sample, &mut generate::Rng::new(!seed)) else { return };
    // A piece that runs several times may do what a run ends with an error for.
    let Ok(expected) = bounds::expected(form.judge(), &form.inputs, Judge::Own) else { return };
    lathe_ir::verify::verify(&form.module).unwrap_or_else(|found| panic!("form of seed {seed}: {found}"));
    let evaluate = |module: &Module| lathe_ir::eval_module(module, form.inputs.clone()).unwrap();
    let same = |(a, b): (&Tensor, &Tensor)| a.ty() == b.ty() && a.bytes() == b.bytes();
    let (own, other) = (evaluate(&form.module), evaluate(form.judge()));
    assert!(own.len() == other.len() && own.iter().zip(&other).all(same), "form of seed {seed}: evaluated otherwise");
    match check(&form, &expected, &[Level::None, Level::All], threads, tally) {
        Checked::Unsupported => {}
        Checked::Wrong(level, what) => keep(seed, reduce::reduce_form(form, level), level, &what, tally),
        Checked::Right => {
            tally.lock().unwrap().forms += 1;
            write(&form, folder, &format!("{seed}-form"));
        }
    }
}

/// How a sample fares at some levels.
enum Checked {
    Right,
    Unsupported,
    Wrong(Level, String),
}

fn check(
    sample: &Sample,
    expected: &[bounds::Expected],
    at: &[Level],
    threads: usize,
    tally: &Mutex<Tally>,
) -> Checked {
    for &level in at {
        let threads = if level == Level::All { threads } else { 1 };
        match levels::run(&sample.module, &sample.inputs, expected, level, threads) {
            Outcome::Right => {}
            Outcome::Unsupported(what) => {
                let first = what.lines().next().unwrap_or_default();
                *tally.lock().unwrap().unsupported.entry(first.to_owned()).or_default() += 1;
                return Checked::Unsupported;
            }
            Outcome::Wrong(what) => return Checked::Wrong(level, what),
        }
    }
    Checked::Right
}

/// Writes a sample for onnxruntime.
fn write(sample: &Sample, folder: Option<&Path>, name: &str) {
    if let Some(folder) = folder {
        let expected = bounds::expected(sample.judge(), &sample.inputs, Judge::Foreign).unwrap();
        export::write(sample, &expected, &folder.join(name));
    }
}

/// Keeps what failed as a test.
fn keep(seed: u64, small: Sample, level: Level, what: &str, tally: &Mutex<Tally>) {
    let text = format!("// seed {seed}, level {level:?}: {}\n{}", what.replace('\n', " "), reduce::print(&small));
    let path = PathBuf::from(FOUND).join(format!("seed-{seed}.ir"));
    std::fs::create_dir_all(FOUND).unwrap();
    std::fs::write(&path, &text).unwrap();
    let ops: Vec<&str> = small.module.main.iter().map(|(_, op)| op.code.name()).collect();
    let line = format!("{}: {level:?}: {}: {what}", path.display(), ops.join(", "));
    eprintln!("{line}");
    tally.lock().unwrap().failed.push(line);
}

#[test]
fn random_graphs() {
    let count = number("LATHE_GRAPHS", 500);
    let first = number("LATHE_GRAPHS_SEED", 1);
    let folder = std::env::var_os("LATHE_GRAPHS_DIR").map(PathBuf::from);
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    run_one(seed, folder.as_deref(), &tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    let ops: usize = tally.ops.values().sum();
    println!(
        "{count} graphs: {} right at {} levels, {} of them in another form too, {} empty, {} not supported, {} wrong; {ops} ops of {} kinds, {:.1}% of {} elements too loose to compare",
        tally.right,
        LEVELS.len(),
        tally.forms,
        tally.empty,
        tally.unsupported.values().sum::<usize>(),
        tally.failed.len(),
        tally.ops.len(),
        100.0 * tally.loose as f64 / tally.elements.max(1) as f64,
        tally.elements
    );
    for (what, count) in &tally.unsupported {
        println!("{count:6} {what}");
    }
    assert!(tally.failed.is_empty(), "{} graphs failed:\n{}", tally.failed.len(), tally.failed.join("\n"));
    assert!(tally.right as u64 >= count * 2 / 3, "too few graphs could be run to test anything");
    assert!(tally.forms as u64 >= count / 3, "too few graphs had another form");
}

#[test]
fn what_was_found_stays_right() {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(FOUND).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ir"));
    paths.sort();
    let mut failed = Vec::new();
    for path in paths {
        let sample = reduce::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        lathe_ir::verify::verify(&sample.module).unwrap();
        let expected = bounds::expected(sample.judge(), &sample.inputs, Judge::Own).unwrap();
        for level in LEVELS {
            let outcome = levels::run(&sample.module, &sample.inputs, &expected, level, 1);
            if outcome != Outcome::Right {
                failed.push(format!("{} at {level:?}: {outcome:?}", path.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
