//! Models of a few bytes that ask for terabytes: refused at once, with the node and the option that would allow it.

use std::time::{Duration, Instant};

use lathe_compiler::pipeline::{self, Settings};
use lathe_ir::{DType, Tensor};

use crate::support::*;

/// What compiling the model ends in.
#[track_caller]
fn refused(case: Case) -> String {
    let begun = Instant::now();
    let module = case.import();
    let built = pipeline::build(module, &Settings::default(), &mut |_| ());
    let Err(found) = built else { panic!("it was compiled") };
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    found.to_string()
}

#[track_caller]
fn names(case: Case, node: &str) {
    let found = refused(case.outputs(&["y"]));
    assert!(found.contains(&format!("{node:?}")) && found.contains("--max-memory"), "{found}");
}

const HUGE: i64 = 1 << 40;

#[test]
fn shapes_that_are_not_in_the_file() {
    let case = || Case::new(18).weight("huge", i64s(&[HUGE])).input("x", floats(&[1.0]));
    names(case().node("ConstantOfShape", &["huge"], &["c"], &[]).node("Add", &["c", "x"], &["y"], &[]), "c");
    names(case().node("Expand", &["x", "huge"], &["e"], &[]).node("Exp", &["e"], &["y"], &[]), "e");
    names(case().node("Tile", &["x", "huge"], &["y"], &[]), "y");
    let scalar = |value| Tensor::from_i64(DType::I64, &[], &[value]);
    let range = Case::new(18).weight("zero", scalar(0)).weight("one", scalar(1)).weight("huge", scalar(HUGE));
    names(range.node("Range", &["zero", "huge", "one"], &["y"], &[]), "y");
    let pads = case().weight("pads", i64s(&[HUGE, HUGE]));
    names(pads.node("Pad", &["x", "pads"], &["y"], &[]), "y");
    let sizes = Case::new(18).input("x", f32s(&[1, 1, 2, 2], 0)).weight("sizes", i64s(&[1, 1, 1 << 20, 1 << 20]));
    names(sizes.node("Resize", &["x", "", "", "sizes"], &["y"], &[("mode", A::Str("nearest"))]), "y");
}

/// Each node doubles what it gets; constants are not folded without end, and what is left is counted.
#[test]
fn doubling_over_and_over() {
    for is_constant in [true, false] {
        let mut case = Case::new(18);
        let x = f32s(&[1024], 0);
        case = if is_constant { case.weight("x0", x).input("unused", floats(&[0.0])) } else { case.input("x0", x) };
        for step in 0..40 {
            let (from, to) = (format!("x{step}"), format!("x{}", step + 1));
            case = case.node("Concat", &[&from, &from], &[&to], &[("axis", A::Int(0))]);
        }
        let found = refused(case.node("Neg", &["x40"], &["y"], &[]).outputs(&["y"]));
        assert!(found.contains("\"x40\"") && found.contains("4096.0 TiB"), "{found}");
    }
}
