//! The process that runs inputs.

use super::coverage::Coverage;
use super::mutator::{self, Rng};
use super::targets::{MEMORY_LIMIT, Reached, TIME_LIMIT};
use super::{Target, allocator, seeds, text_mutator};
use lathe_compiler::onnx::import::operators;
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The file that holds the input under way, in the worker's folder: its length in 8 bytes, then the input.
pub(crate) const UNDER_WAY: &str = "under-way";
/// The exit status of a worker whose input took too long.
pub(crate) const TOO_SLOW: i32 = 99;

/// What the last panic said, with its place.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Runs an input; a panic, too much time or too much memory is told.
pub(crate) fn guarded(target: Target, input: &[u8]) -> Result<Reached, String> {
    let before = allocator::begin();
    let started = Instant::now();
    let reached = std::panic::catch_unwind(|| target.run(input));
    let (time, memory) = (started.elapsed(), allocator::peak(before));
    let reached = reached.map_err(|_| LAST_PANIC.lock().map(|said| said.clone()).unwrap_or_default())?;
    if time > TIME_LIMIT {
        return Err(format!("time: {} s", time.as_secs()));
    }
    if memory > input.len() + MEMORY_LIMIT {
        return Err(format!("memory: {} MiB", memory >> 20));
    }
    Ok(reached)
}

/// Makes panics remembered instead of printed.
pub(crate) fn quiet() {
    std::panic::set_hook(Box::new(|info| {
        let said = info.payload().downcast_ref::<String>().cloned();
        let said = said.or_else(|| info.payload().downcast_ref::<&str>().map(|said| (*said).to_owned()));
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = format!("panic at {place}: {}", said.unwrap_or_default());
        }
    }));
}

/// Runs the input of a file; the error is how it fails.
pub(crate) fn replay(path: &Path) -> Result<(), String> {
    quiet();
    let name = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let target = Target::of(name).ok_or("no target has this extension")?;
    let input = std::fs::read(path).map_err(|error| error.to_string())?;
    let watch = Watch::start();
    watch.begin();
    let result = guarded(target, &input);
    watch.end();
    let _ = std::panic::take_hook();
    result.map(|_| ())
}

/// Ends the process if an input takes too long.
struct Watch {
    start: Instant,
    /// Milliseconds since `start` at which the input under way began, plus 1; 0 between inputs.
    began: &'static AtomicU64,
}

impl Watch {
    fn start() -> Watch {
        let began: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
        let start = Instant::now();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let began = began.load(Ordering::Relaxed);
                let now = start.elapsed().as_millis() as u64;
                if began != 0 && now > began + 2 * TIME_LIMIT.as_millis() as u64 {
                    println!("time: more than {} s", 2 * TIME_LIMIT.as_secs());
                    std::process::exit(TOO_SLOW);
                }
            }
        });
        Watch { start, began }
    }

    fn begin(&self) {
        self.began.store(self.start.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.began.store(0, Ordering::Relaxed);
    }
}

/// An input that took an edge which none before it did.
struct Kept {
    bytes: Vec<u8>,
    /// How often it was taken to be mutated.
    tries: usize,
    /// How many new counts it brought.
    new: usize,
}

/// Mutates and runs for some seconds.
pub(crate) fn work(target: Target, seconds: u64, folder: &Path, seed: u64) {
    quiet();
    let until = Instant::now() + Duration::from_secs(seconds);
    let under_way = std::fs::File::create(folder.join(UNDER_WAY)).unwrap();
    let watch = Watch::start();
    let mut coverage = Coverage::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut kept: Vec<Kept> = Vec::new();
    let (mut runs, mut valid) = (0u64, 0u64);
    let mut run = |input: Vec<u8>, keep_always: bool, kept: &mut Vec<Kept>, coverage: &mut Coverage| {
        under_way.write_all_at(&(input.len() as u64).to_le_bytes(), 0).unwrap();
        under_way.write_all_at(&input, 8).unwrap();
        coverage.begin();
        watch.begin();
        let result = guarded(target, &input);
        watch.end();
        runs += 1;
        let new = coverage.end();
        match result {
            Ok(reached) => valid += u64::from(reached != Reached::Refused),
            Err(what) => {
                // One of each kind is enough; the place of a panic is its kind.
                let kind = what.split(": ").next().unwrap_or_default().to_owned();
                if failed.insert(kind) {
                    println!("failed: {what}");
                    let name = format!("failed-{seed}-{}.{}", failed.len(), target.extension());
                    std::fs::write(folder.join(name), &input).unwrap();
                }
                return;
            }
        }
        if new > 0 || keep_always {
            if new > 0 && !keep_always {
                let name = format!("kept-{seed}-{:06}.{}", runs, target.extension());
                std::fs::write(folder.join(name), &input).unwrap();
            }
            kept.push(Kept { bytes: input, tries: 0, new });
        }
    };
    let mut first = seeds::of(target);
    first.extend(seeds::contents(seeds::files(folder, &[target.extension()])));
    let seed_count = first.len();
    for input in first {
        run(input, true, &mut kept, &mut coverage);
    }
    let begun_with = coverage.edges_seen();
    let words: Vec<&str> = operators().flat_map(|op| std::iter::once(op.name).chain(op.attributes.to_vec())).collect();
    let mut rng = Rng::new(seed);
    while Instant::now() < until {
        // Of some, the one that was tried least for what it brought; the latest come first.
        let choose = |rng: &mut Rng| match rng.below(3) {
            0 => kept.len() - 1 - rng.below(kept.len().min(64)),
            _ => rng.below(kept.len()),
        };
        let at = (0..3).map(|_| choose(&mut rng)).min_by_key(|&at| kept[at].tries / (kept[at].new + 1)).unwrap_or(0);
        let other = rng.below(kept.len());
        kept[at].tries += 1;
        let (good, other) = (&kept[at].bytes, &kept[other].bytes);
        let input = match target {
            Target::Onnx if rng.below(4) == 0 => mutator::mutate(good, &mut rng),
            Target::Onnx => mutator::mutate_gently(good, other, &words, &mut rng),
            _ => text_mutator::mutate(good, other, &mut rng),
        };
        if input.len() <= 128 << 10 {
            run(input, false, &mut kept, &mut coverage);
        }
    }
    println!(
        "{runs} runs, {valid} valid; {} edges of {} ({begun_with} of them by {seed_count} seeds), {} inputs kept, {} failed",
        coverage.edges_seen(),
        coverage.edges(),
        kept.len() - seed_count,
        failed.len()
    );
}
