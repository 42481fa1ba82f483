//! docs/add-an-op.md stays true: what it quotes stands in the files that it names.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// Lines without their indentation.
fn flush(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn quotations_stand_in_their_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/add-an-op.md")).unwrap();
    let mut lines = document.lines();
    let (mut source, mut quotations) = (None, 0);
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            source = Some(path.to_owned());
        } else if line.starts_with("```") {
            let quoted: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let path = source.take().unwrap_or_else(|| panic!("no file is named above {quoted:?}"));
            let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(flush(&text).contains(&flush(&quoted.join("\n"))), "{path} does not contain {quoted:?}");
            quotations += 1;
        }
    }
    assert!(quotations >= 8, "only {quotations} quotations were found: has the form of the document changed?");
}
