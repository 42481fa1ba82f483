//! What the manager does around the passes.

#![allow(clippy::unwrap_used)]

use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{Kind, Module};
use lathe_passes::{Options, optimize};

const TEXT: &str =
    "graph(%0 \"x\": f32[3]) {\n %1 = const f32[] 1.0\n %2 = mul(%0, %1)\n %3 = neg(%2)\n return %3 \"y\" }";

fn module() -> Module {
    parse_module(TEXT, &no_weights).unwrap()
}

fn passes(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn steps_are_reported_and_can_be_cut_short() {
    let options = Options { passes: passes(&["cse", "rewrite", "dce"]), stop_after: Some(2), ..Options::default() };
    let report = optimize(&mut module(), &options).unwrap();
    let steps: Vec<(&str, bool)> = report.steps.iter().map(|step| (step.pass, step.changed)).collect();
    assert_eq!(steps, [("cse", false), ("rewrite", true)]);
    assert_eq!(report.fired.get("mul-one"), Some(&1));
}

#[test]
fn rules_can_be_turned_off() {
    for name in ["mul-one", "algebra"] {
        let options = Options { disabled_rules: [name.to_owned()].into(), ..Options::default() };
        assert!(optimize(&mut module(), &options).unwrap().fired.is_empty());
    }
}

#[test]
fn an_unknown_pass_is_named_with_the_known_ones() {
    let error = optimize(&mut module(), &Options { passes: passes(&["fold"]), ..Options::default() }).unwrap_err();
    assert_eq!(error.0[0].kind, Kind::Invalid);
    assert!(error.to_string().contains("there is no pass fold"), "{error}");
    assert!(error.to_string().contains("fold-constants"), "{error}");
}

#[test]
fn dumps_hold_what_changed() {
    let folder = std::env::temp_dir().join(format!("lathe-dump-{}", std::process::id()));
    let options =
        Options { passes: passes(&["cse", "rewrite", "dce"]), dump_dir: Some(folder.clone()), ..Options::default() };
    optimize(&mut module(), &options).unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let text = std::fs::read_to_string(folder.join("02-rewrite.ir")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(names, ["02-rewrite.ir"]);
    assert!(text.contains("neg(%0)"), "{text}");
}

#[test]
fn a_bug_says_how_to_repeat_it() {
    let mut broken = module();
    let id = broken.main.order()[1];
    broken.main.op_mut(id).operands.pop();
    let options =
        Options { passes: passes(&["cse", "dce"]), command: "lathe opt model.onnx".to_owned(), ..Options::default() };
    let error = optimize(&mut broken, &options).unwrap_err();
    assert_eq!(error.exit_status(), 70);
    assert!(error.to_string().contains("to repeat it: lathe opt model.onnx --passes cse"), "{error}");
}
