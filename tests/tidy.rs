//! Rules about the project's own files, so that they stay true without anyone remembering them:
//! documents name only files that exist, `unsafe` stands only where ARCHITECTURE.md says, snapshots lie in one
//! place, and every script can be run.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The project's files, relative to its root, in order; build results and caches left out.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_str().unwrap();
            if matches!(name, "target" | ".git" | ".cache" | "__pycache__") {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found
}

fn with_extension(extension: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The text between single backticks, outside of indented and fenced blocks.
fn code_spans(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

/// Whether a code span claims to be a file or folder: `compiler/ir`, `tests/run.sh`, `ARCHITECTURE.md`. Spans with other
/// characters, or with a `*`, `<` or `NAME` for any name, are not.
fn is_path(span: &str, top: &[String]) -> bool {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let first = span.split('/').next().unwrap_or_default();
    let placeholder =
        span.split(['/', '.']).any(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase()))
            && !span.ends_with(".md");
    plain && !placeholder && (top.iter().any(|name| name == first) || span.ends_with(".md"))
}

/// Paths in backticks exist, seen from the root or from the document's own folder; so do the targets of relative links.
#[test]
fn documents_name_files_that_exist() {
    let mut top: Vec<_> =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    top.retain(|name| name != "target");
    let mut missing = Vec::new();
    for document in with_extension("md") {
        let text = read(&document);
        let beside = document.parent().unwrap();
        let exists = |path: &str| {
            // made by the tests themselves
            path.contains("/.cache") || root().join(path).exists() || root().join(beside).join(path).exists()
        };
        for span in code_spans(&text).iter().filter(|span| is_path(span, &top)) {
            if !exists(span) {
                missing.push(format!("{}: `{span}` does not exist", document.display()));
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if !link.contains("://") && !target.is_empty() && !exists(target) {
                missing.push(format!("{}: link to {link} leads nowhere", document.display()));
            }
        }
    }
    report(missing);
}

/// Every Rust file with an `unsafe` block, function or implementation is named in ARCHITECTURE.md, and no other.
#[test]
fn unsafe_stands_where_architecture_says() {
    if !root().join("ARCHITECTURE.md").exists() {
        return;
    }
    let architecture = read(Path::new("ARCHITECTURE.md"));
    let list = architecture.split_once("## Unsafe code").expect("the section of the list").1;
    let marks = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait"];
    let mut found = Vec::new();
    for path in with_extension("rs") {
        if path == Path::new("tests/tidy.rs") {
            continue; // it names them
        }
        let text = read(&path);
        let uses = text
            .lines()
            .any(|line| !line.trim_start().starts_with("//") && marks.iter().any(|mark| line.contains(mark)));
        let named = list.contains(&format!("`{}`", path.display()));
        if named && !uses {
            found.push(format!("{}: named in ARCHITECTURE.md for `unsafe`, and has none", path.display()));
        }
        if uses && !named {
            found.push(format!("{}: `unsafe`, and ARCHITECTURE.md does not name it", path.display()));
        }
    }
    report(found);
}

/// Snapshots lie under snapshots/, and none is waiting to be looked at.
#[test]
fn snapshots_lie_in_one_place() {
    let found = files()
        .iter()
        .map(|path| path.display().to_string())
        .filter(|path| path.ends_with(".snap.new") || path.ends_with(".snap") && !path.starts_with("snapshots/"))
        .map(|path| format!("{path}: a snapshot out of place or not yet accepted"))
        .collect();
    report(found);
}

/// Scripts with a `#!` line have the right to be executed.
#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for path in files() {
        let full = root().join(&path);
        if fs::read(&full).unwrap().starts_with(b"#!/") && full.metadata().unwrap().permissions().mode() & 0o111 == 0 {
            found.push(format!("{}: not executable", path.display()));
        }
    }
    report(found);
}

/// Names of another machine's folders and of hosts that only some networks reach have no place in the project.
#[test]
fn nothing_points_outside() {
    // spelled in two parts, so that this file does not find itself
    let marks = [
        concat!("/wo", "rk/"),
        concat!("../sha", "red"),
        concat!("/tm", "p/wt"),
        concat!("pypi", ".org"),
        concat!("npmjs", ".org"),
    ];
    let mut found = Vec::new();
    for path in files() {
        if path.file_name().is_some_and(|name| name == "Cargo.lock") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for mark in marks.iter().filter(|mark| text.contains(**mark)) {
            found.push(format!("{}: {mark}", path.display()));
        }
    }
    report(found);
}
