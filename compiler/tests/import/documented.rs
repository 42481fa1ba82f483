//! docs/operators.md lists what the import knows, no more and no less.

use std::collections::BTreeMap;
use std::path::Path;

use lathe_compiler::onnx::import::operators;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md");
    std::fs::read_to_string(path).unwrap()
}

/// The cells of the page's table rows below a heading that begins with these words.
fn rows<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    lines.skip(1).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn operators_are_documented() {
    let page = page();
    let mut domains: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for operator in operators() {
        let domain = if operator.domain.is_empty() { "ai.onnx" } else { operator.domain };
        domains.entry(domain).or_default().push(operator);
    }
    let mut wrong = Vec::new();
    for (domain, operators) in &domains {
        let rows = rows(&page, &format!("Domain {domain}\n"));
        for operator in operators {
            let versions: Vec<String> = operator.versions.iter().map(i64::to_string).collect();
            let versions = versions.join(", ");
            if !rows.iter().any(|row| row[0] == operator.name && row[1] == versions) {
                wrong.push(format!("{domain}: there should be a line | {} | {versions} | .. |", operator.name));
            }
        }
        for row in rows.iter().filter(|row| operators.iter().all(|operator| operator.name != row[0])) {
            wrong.push(format!("{domain}: there is a line for {}, which is not imported", row[0]));
        }
        let names: Vec<String> = rows.iter().map(|row| row[0].to_lowercase()).collect();
        if !names.is_sorted() {
            wrong.push(format!("{domain}: the lines are not in alphabetical order"));
        }
    }
    let missing = rows(&page, "Not imported");
    for name in missing.iter().flat_map(|row| row[1].split(", ")) {
        if domains["ai.onnx"].iter().any(|operator| operator.name == name) {
            wrong.push(format!("{name} is listed as not imported"));
        }
    }
    assert!(missing.len() >= 2, "the page is no longer read");
    assert!(wrong.is_empty(), "docs/operators.md:\n{}", wrong.join("\n"));
}
