//! The process that starts workers, notes what ended them, and makes failing inputs smaller.

use super::worker::UNDER_WAY;
use super::{FOUND, Target, mutator, seeds};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Fuzzes for some seconds; gives the number of failures.
pub(crate) fn fuzz(target: Target, seconds: u64, folder: &Path) -> usize {
    let folder = folder.join(target.extension());
    std::fs::create_dir_all(&folder).unwrap();
    let until = Instant::now() + Duration::from_secs(seconds);
    // Other seeds than the runs before, which left files here.
    let before = std::fs::read_dir(&folder).map_or(0, |entries| entries.count()) as u64;
    let mut seed = before + 1;
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        let mut worker = Command::new(std::env::current_exe().unwrap());
        worker.args(["worker", target.extension(), &left.to_string()]).arg(&folder).arg(seed.to_string());
        let status = worker.status().unwrap();
        if status.success() {
            break;
        }
        println!("worker {seed} ended with {status}");
        if let Some(input) = under_way(&folder) {
            let path = folder.join(format!("failed-{seed}-end.{}", target.extension()));
            std::fs::write(path, input).unwrap();
        }
        seed += 1;
        if Instant::now() >= until {
            break;
        }
    }
    let failed: Vec<PathBuf> = seeds::files(&folder, &[target.extension()])
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("failed-")))
        .collect();
    let mut kinds = Vec::new();
    for path in failed {
        let input = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let scratch = folder.join(format!("candidate.{}", target.extension()));
        let Some(kind) = failure(&input, &scratch) else { continue };
        if kinds.contains(&kind) {
            continue;
        }
        let small = minimise(target, input, &kind, &scratch);
        let _ = std::fs::remove_file(&scratch);
        let name = Path::new(FOUND).join(format!("{:016x}.{}", hash(&small), target.extension()));
        std::fs::create_dir_all(FOUND).unwrap();
        std::fs::write(&name, &small).unwrap();
        println!("{}: {} bytes: {kind}", name.display(), small.len());
        kinds.push(kind);
    }
    kinds.len()
}

fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// The input that a worker was at when it ended.
fn under_way(folder: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(folder.join(UNDER_WAY)).ok()?;
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?) as usize;
    Some(bytes.get(8..8usize.checked_add(length)?)?.to_vec())
}

/// How an input fails in a process of its own, without what changes with its size; `None` if it does not.
fn failure(input: &[u8], scratch: &Path) -> Option<String> {
    std::fs::write(scratch, input).unwrap();
    let done = Command::new(std::env::current_exe().unwrap()).arg("replay").arg(scratch).output().unwrap();
    if done.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let kind = said.split(": ").next().unwrap_or_default().trim().to_owned();
    Some(if kind.is_empty() { done.status.to_string() } else { kind })
}

/// Takes away what the failure does not need.
fn minimise(target: Target, input: Vec<u8>, kind: &str, scratch: &Path) -> Vec<u8> {
    let until = Instant::now() + Duration::from_secs(180);
    let mut best = input;
    loop {
        let candidates = match target {
            Target::Onnx => mutator::smaller(&best),
            _ => shorter(&best),
        };
        let better = candidates
            .into_iter()
            .take_while(|_| Instant::now() < until)
            .find(|candidate| candidate.len() < best.len() && failure(candidate, scratch).as_deref() == Some(kind));
        match better {
            Some(candidate) => best = candidate,
            None => return best,
        }
    }
}

/// Variants of a text without some of its lines, or without a word.
fn shorter(text: &[u8]) -> Vec<Vec<u8>> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut found = Vec::new();
    let mut length = lines.len() / 2;
    while length > 0 {
        for start in (0..lines.len()).step_by(length) {
            found.push([&lines[..start], &lines[(start + length).min(lines.len())..]].concat().concat());
        }
        length /= 2;
    }
    let words: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b' ').collect();
    for start in 0..words.len() {
        found.push([&words[..start], &words[start + 1..]].concat().concat());
    }
    found
}
