//! If, loop and trap.

use super::{b, f, i};
use lathe_ir::text::{no_weights, parse_module, print_module};
use lathe_ir::{DType, Tensor, eval_module, verify};

/// Parses, prints and parses again, verifies and evaluates.
#[track_caller]
fn run(text: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let module = parse_module(text, &no_weights).map_err(|error| error.to_string())?;
    let printed = print_module(&module);
    assert_eq!(parse_module(&printed, &no_weights).unwrap(), module, "{printed}");
    verify(&module).map_err(|found| found.to_string())?;
    eval_module(&module, inputs.to_vec()).map_err(|error| error.to_string())
}

#[track_caller]
fn gives(text: &str, inputs: &[Tensor], expected: &[Tensor]) {
    assert_eq!(run(text, inputs).unwrap(), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, inputs: &[Tensor], message: &str) {
    let error = run(text, inputs).unwrap_err();
    assert!(error.contains(message), "{error}\n{text}");
}

fn flag(value: bool) -> Tensor {
    Tensor::from_i64(DType::Bool, &[], &[i64::from(value)])
}

const BRANCHES: &str = r#"graph(%0 "c": bool[], %1 "x": f32[2]) {
  %2 = if(%0, %1) region(%0 "x": f32[2]) {
    %1 = neg(%0)
    return %1 "y"
  } region(%0 "x": f32[2]) {
    return %0 "y"
  }
  return %2 "y"
}"#;

#[test]
fn one_of_two_branches() {
    let x = f(&[2], &[1.0, -2.0]);
    gives(BRANCHES, &[flag(true), x.clone()], &[f(&[2], &[-1.0, 2.0])]);
    gives(BRANCHES, &[flag(false), x.clone()], &[x]);
}

const SIZES: &str = r#"symbol N : 1..
symbol data D : 0.. <= 2*N
graph(%0 "c": bool[], %1 "x": f32[N]) {
  %2 = if(%0, %1) {sizes = [D]} region(%0 "x": f32[N]) {
    return %0 "y"
  } region(%0 "x": f32[N]) {
    %1 = concat(%0, %0) {axis = 0}
    return %1 "y"
  }
  %3 = dims() {values = [D + N]}
  return %2 "y", %3 "n"
}"#;

#[test]
fn branches_of_different_sizes() {
    let x = f(&[2], &[1.0, 2.0]);
    gives(SIZES, &[flag(true), x.clone()], &[x.clone(), i(&[1], &[4])]);
    gives(SIZES, &[flag(false), x], &[f(&[4], &[1.0, 2.0, 1.0, 2.0]), i(&[1], &[6])]);
    refused(&SIZES.replace(" {sizes = [D]}", ""), &[], "sizes is needed");
    refused(&SIZES.replace("{sizes = [D]}", "{sizes = [D, D]}"), &[], "sizes has 2 entries");
}

#[test]
fn branches_must_fit() {
    refused(&BRANCHES.replace("%0 \"c\": bool[]", "%0 \"c\": i64[]"), &[], "cond is i64[]");
    refused(&BRANCHES.replacen("region(%0 \"x\": f32[2])", "region(%0 \"x\": f32[3])", 1), &[], "capture 0 is f32[2]");
    refused(&BRANCHES.replace("if(%0, %1)", "if(%0)"), &[], "a region has 1 parameters for 0 values");
}

#[test]
fn a_counted_loop_carries_and_stacks() {
    let text = r#"symbol data i : 0..
graph(%0 "x": f32[2]) {
  %1 = const f32[2] [10.0, 20.0]
  %2, %3 = loop(none, none, %0, %1) {counter = [i], carried = 1, trips = [3]}
  region(%0 "acc": f32[2], %1 "step": f32[2]) {
    %2 = add(%0, %1)
    %3 = dims() {values = [i]}
    return %2 "next", %3 "turn"
  }
  return %2 "last", %3 "turns"
}"#;
    gives(text, &[f(&[2], &[1.0, 2.0])], &[f(&[2], &[31.0, 62.0]), i(&[3, 1], &[0, 1, 2])]);
    let never = text.replace("trips = [3]", "trips = [0]");
    gives(&never, &[f(&[2], &[1.0, 2.0])], &[f(&[2], &[1.0, 2.0]), i(&[0, 1], &[])]);
}

const HALVING: &str = r#"symbol data i : 0..
symbol data K : 0..9
graph(%0 "n": i64[], %1 "go": bool[], %2 "x": f32[]) {
  %3, %4 = loop(%0, %1, %2) {counter = [i], carried = 1, while = true, sizes = [K]} region(%0 "x": f32[]) {
    %1 = const f32[] 0.5
    %2 = mul(%0, %1)
    %3 = const f32[] 1.0
    %4 = lt(%3, %2)
    return %4 "more", %2 "x", %2 "seen"
  }
  return %3 "x", %4 "seen"
}"#;

#[test]
fn a_condition_ends_a_loop_early() {
    let n = |value| Tensor::from_i64(DType::I64, &[], &[value]);
    let x = f(&[], &[8.0]);
    gives(HALVING, &[n(9), flag(true), x.clone()], &[f(&[], &[1.0]), f(&[3], &[4.0, 2.0, 1.0])]);
    gives(HALVING, &[n(2), flag(true), x.clone()], &[f(&[], &[2.0]), f(&[2], &[4.0, 2.0])]);
    gives(HALVING, &[n(9), flag(false), x.clone()], &[x.clone(), f(&[0], &[])]);
    gives(HALVING, &[n(-1), flag(true), x.clone()], &[x, f(&[0], &[])]);
}

#[test]
fn a_loop_without_end_is_given_up() {
    let text = r#"symbol data i : 0..
graph(%0 "x": f32[]) {
  %1 = loop(none, none, %0) {counter = [i], carried = 1, limit = 5} region(%0 "x": f32[]) {
    return %0 "x"
  }
  return %1 "x"
}"#;
    refused(text, &[f(&[], &[8.0])], "the loop does not end within 5 turns");
}

const GROWING: &str = r#"symbol N : 1..
symbol data i : 0..
symbol data S : 0.. <= 2*N + 1
symbol data T : 0.. <= 2*N + 1
graph(%0 "x": f32[N], %1 "start": f32[1]) {
  %2 = loop(none, none, %1, %0) {counter = [i], carried = 1, trips = [N], changing = [S], sizes = [T]}
  region(%0 "acc": f32[S], %1 "x": f32[N]) {
    %2 = slice(%1) {starts = [i], sizes = [1], steps = [1]}
    %3 = concat(%0, %2, %2) {axis = 0}
    return %3 "acc"
  }
  return %2 "all"
}"#;

#[test]
fn a_carried_value_grows() {
    let (x, start) = (f(&[2], &[1.0, 2.0]), f(&[1], &[0.0]));
    gives(GROWING, &[x, start], &[f(&[5], &[0.0, 1.0, 1.0, 2.0, 2.0])]);
    refused(&GROWING.replace(", sizes = [T]", ""), &[], "result 0 needs sizes");
    refused(&GROWING.replace("changing = [S], ", ""), &[], "carried value 0 after a turn is f32[S + 2]");
    refused(&GROWING.replace("sizes = [T]", "sizes = [S]"), &[], "defined a second time");
    refused(&GROWING.replace("counter = [i]", "counter = [N]"), &[], "counter must be one data-dependent symbol");
}

#[test]
fn loops_nest() {
    let text = r#"symbol data i : 0..
symbol data j : 0..
graph(%0 "x": i64[1]) {
  %1 = loop(none, none, %0) {counter = [i], carried = 1, trips = [3]} region(%0 "x": i64[1]) {
    %1 = loop(none, none, %0) {counter = [j], carried = 1, trips = [i]} region(%0 "x": i64[1]) {
      %1 = dims() {values = [10*i + j]}
      %2 = add(%0, %1)
      return %2 "x"
    }
    return %1 "x"
  }
  return %1 "x"
}"#;
    gives(text, &[i(&[1], &[5])], &[i(&[1], &[5 + 10 + 20 + 21])]);
}

#[test]
fn a_trap_says_why() {
    let text = r#"graph(%0 "c": bool[], %1 "x": f32[2]) {
  %2 = if(%0, %1) region(%0 "x": f32[2]) {
    %1 = trap() {dtype = f32, shape = [2], why = "axis 3 is none of x"}
    return %1 "y"
  } region(%0 "x": f32[2]) {
    return %0 "y"
  }
  return %2 "y"
}"#;
    let x = f(&[2], &[1.0, 2.0]);
    gives(text, &[flag(false), x.clone()], std::slice::from_ref(&x));
    refused(text, &[flag(true), x], "axis 3 is none of x");
    let both = b(&[2], &[0, 1]);
    refused(text, &[both.clone(), both], "input 0 is bool[2]");
}
