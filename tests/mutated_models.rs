//! Broken models through the whole way: decode, import, verify, print and parse, passes, plan; those that get so far are
//! compiled and run. None may panic, hang or take memory out of proportion.
//!
//! `LATHE_FUZZ_ROUNDS=1000000 cargo test --release --test mutated_models` looks further than the tests of every day.
//! `LATHE_FUZZ_SEED` chooses other models.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it goes wrong, and tells"
)]

#[path = "fuzz/allocator.rs"]
mod allocator;
#[path = "fuzz/mutator.rs"]
#[allow(dead_code)]
mod mutator;
#[path = "fuzz/targets.rs"]
#[allow(dead_code)]
mod targets;

use lathe_compiler::onnx::import::operators;
use mutator::{Rng, mutate, mutate_gently};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

#[test]
fn whole_way() {
    let mut paths: Vec<_> =
        std::fs::read_dir("tests/models/onnx").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.push("examples/digits/digits.onnx".into());
    paths.sort();
    let models: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let words: Vec<&str> = operators().flat_map(|op| std::iter::once(op.name).chain(op.attributes.to_vec())).collect();
    let rounds = std::env::var("LATHE_FUZZ_ROUNDS").map_or(20_000, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("LATHE_FUZZ_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut rng = Rng::new(seed);
    let mut counts = [0usize; 4];
    let (mut most_memory, mut most_time) = (0, std::time::Duration::ZERO);
    for round in 0..rounds {
        let good = &models[round % models.len()];
        // Harsh ones test the decoder, gentle ones what is behind it.
        let broken = match rng.below(4) {
            0 => mutate_gently(good, &models[rng.below(models.len())], &words, &mut rng),
            _ => mutate(good, &mut rng),
        };
        let before = allocator::begin();
        let started = Instant::now();
        let reached = std::panic::catch_unwind(|| targets::onnx(&broken, round % 4 == 0));
        let (time, memory) = (started.elapsed(), allocator::peak(before));
        let keep = || {
            // The input stays for whoever looks into it.
            let path = std::env::temp_dir().join(format!("lathe-mutated-{seed}-{round}.onnx"));
            std::fs::write(&path, &broken).unwrap();
            eprintln!("round {round}: {} is kept", path.display());
        };
        let reached = reached.unwrap_or_else(|cause| {
            keep();
            std::panic::resume_unwind(cause)
        });
        if time >= targets::TIME_LIMIT || memory > broken.len() + targets::MEMORY_LIMIT {
            keep();
            panic!("round {round} of seed {seed} took {time:?} and {} MiB", memory >> 20);
        }
        counts[reached as usize] += 1;
        (most_memory, most_time) = (most_memory.max(memory), most_time.max(time));
    }
    let [refused, imported, planned, ran] = counts;
    println!("{rounds} models: {refused} refused, {imported} imported, {planned} planned, {ran} ran");
    println!("at most {most_time:.0?} and {} MiB for one", most_memory >> 20);
    assert!(ran >= rounds / 50, "too few models got through to test anything behind the importer");
}
