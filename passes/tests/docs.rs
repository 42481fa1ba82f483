//! docs/add-a-pass.md names files and rules that exist.

use lathe_passes::{PASSES, rules};
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn add_a_pass_is_true() {
    let text = read("docs/add-a-pass.md");
    let names = text.split('`').skip(1).step_by(2);
    let mut files = 0;
    for name in names.filter(|name| name.contains('/') && !name.contains("NAME") && !name.contains(' ')) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        assert!(path.exists(), "docs/add-a-pass.md names {name}, which does not exist");
        files += 1;
    }
    assert!(files > 8, "the paths are no longer read");
    let rule = rules::all().iter().find(|rule| rule.name == "transpose-of-transpose").unwrap();
    for side in [rule.equation.0, rule.equation.1] {
        assert!(text.contains(side), "docs/add-a-pass.md shows another rule than the library has: {side}");
    }
}

#[test]
fn every_pass_has_its_file_and_cases() {
    for pass in PASSES {
        let file = pass.name.replace('-', "_");
        let path =
            if pass.name == "rewrite" { "passes/src/egraph/mod.rs".into() } else { format!("passes/src/{file}.rs") };
        assert!(read(&path).starts_with(&format!("//! {}: ", pass.name)), "the head of {path} starts with the name");
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ir").join(pass.name);
        assert!(pass.name == "rewrite" || cases.is_dir(), "{} has no cases", pass.name);
    }
}
