//! Coverage-guided fuzzing on stable Rust, and the replay of what it found.
//!
//! As a test, without arguments: every file under `tests/fuzz/found` goes through its target again, and so do some
//! thousand mutated texts. `tests/fuzz.sh` builds this with the compiler's edge counters and calls
//! `fuzz TARGET SECONDS FOLDER`. Then
//! - a worker process mutates inputs, and keeps those that take an edge, or take it a number of times, that none did
//!   before; they are written to FOLDER, so that the next run goes on from there;
//! - the input under way lies in a file, so that one that ends the process (a crash, no memory, more than ten seconds)
//!   is known to the parent process, which starts another worker;
//! - what failed is made smaller as long as it fails in the same way, and written to `tests/fuzz/found`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it goes wrong, and tells"
)]

mod allocator;
mod coverage;
#[allow(dead_code)]
mod mutator;
mod parent;
mod seeds;
mod targets;
mod text_mutator;
mod worker;

use std::path::Path;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// ONNX files, the whole way to the plan.
    Onnx,
    /// Text of the IR, the whole way to the plan.
    Ir,
    /// Text of the loop IR.
    Loops,
}

impl Target {
    fn of(name: &str) -> Option<Target> {
        [Target::Onnx, Target::Ir, Target::Loops].into_iter().find(|target| target.extension() == name)
    }

    /// Its name, and the extension of its files.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Target::Onnx => "onnx",
            Target::Ir => "ir",
            Target::Loops => "loop",
        }
    }

    /// Takes an input.
    pub(crate) fn run(self, bytes: &[u8]) -> targets::Reached {
        match self {
            Target::Onnx => targets::onnx(bytes, false),
            Target::Ir => targets::ir(bytes),
            Target::Loops => targets::loops(bytes),
        }
    }
}

/// The folder of inputs that once failed.
pub(crate) const FOUND: &str = "tests/fuzz/found";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["fuzz", target, seconds, folder] => {
            let target = Target::of(target).expect("a target: onnx, ir, loop");
            let found = parent::fuzz(target, seconds.parse().expect("seconds"), Path::new(folder));
            std::process::exit(i32::from(found > 0));
        }
        ["worker", target, seconds, folder, seed] => {
            let target = Target::of(target).expect("a target: onnx, ir, loop");
            worker::work(target, seconds.parse().unwrap(), Path::new(folder), seed.parse().unwrap());
        }
        ["replay", file] => {
            if let Err(what) = worker::replay(Path::new(file)) {
                println!("{what}");
                std::process::exit(1);
            }
        }
        // A name filter of `cargo test` that means other tests.
        [filter, ..] if !filter.starts_with('-') && !"fuzz".contains(filter) => {}
        _ => replay_all(),
    }
}

/// The test of every day.
fn replay_all() {
    let mut failed = 0;
    for path in seeds::files(Path::new(FOUND), &["onnx", "ir", "loop"]) {
        eprintln!("replay {}", path.display());
        if let Err(what) = worker::replay(&path) {
            eprintln!("FAILED: {what}");
            failed += 1;
        }
    }
    worker::quiet();
    for target in [Target::Ir, Target::Loops] {
        let seeds = seeds::of(target);
        let mut rng = mutator::Rng::new(3);
        let mut passed = 0;
        let rounds = 3_000;
        for round in 0..rounds {
            let other = &seeds[rng.below(seeds.len())];
            let broken = text_mutator::mutate(&seeds[round % seeds.len()], other, &mut rng);
            match worker::guarded(target, &broken) {
                Ok(reached) => passed += usize::from(reached != targets::Reached::Refused),
                Err(what) => {
                    let path = std::env::temp_dir().join(format!("lathe-{round}.{}", target.extension()));
                    std::fs::write(&path, &broken).unwrap();
                    eprintln!("FAILED: {what}: {} is kept", path.display());
                    failed += 1;
                }
            }
        }
        eprintln!("{}: {passed} of {rounds} mutated texts are valid", target.extension());
        assert!(passed > rounds / 50, "a mutator that breaks every text tests nothing behind the parser");
    }
    let _ = std::panic::take_hook();
    assert_eq!(failed, 0, "{failed} inputs failed");
}
