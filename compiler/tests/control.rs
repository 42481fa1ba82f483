//! Branches and loops planned, compiled and run, against the reference evaluator.

#![allow(clippy::unwrap_used)]

use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::{backend, plan};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Module, Tensor, eval_module, verify};

fn module(text: &str) -> Module {
    let module = parse_module(text, &no_weights).unwrap_or_else(|error| panic!("{error}\n{text}"));
    verify(&module).unwrap_or_else(|found| panic!("{found}\n{text}"));
    module
}

fn load(module: &Module, threads: usize) -> InProcess {
    let planned = plan::plan(module).unwrap_or_else(|errors| panic!("{errors}"));
    let compiled = compile(planned, &backend::Options::default()).unwrap_or_else(|error| panic!("{error}"));
    InProcess::load(&compiled, threads).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs the module on each set of inputs, twice in one session, and compares with the evaluator.
#[track_caller]
fn same(text: &str, sets: &[Vec<Tensor>]) {
    let module = module(text);
    for threads in [1, 2] {
        let mut session = load(&module, threads);
        for inputs in sets.iter().chain(sets) {
            let want = eval_module(&module, inputs.clone()).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let got = session.run(inputs).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(got, want, "{threads} threads, {inputs:?}\n{text}");
        }
    }
}

/// Runs the module, which must fail and say so.
#[track_caller]
fn fails(text: &str, inputs: &[Tensor], message: &str) {
    let error = load(&module(text), 1).run(inputs).unwrap_err().to_string();
    assert!(error.contains(message), "{error}\n{text}");
}

fn f(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape, values)
}

fn ramp(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_f32(shape, &(0..count).map(|at| at as f32 * 0.25 - 1.0).collect::<Vec<_>>())
}

fn n(value: i64) -> Tensor {
    Tensor::from_i64(DType::I64, &[], &[value])
}

fn flag(value: bool) -> Tensor {
    Tensor::from_i64(DType::Bool, &[], &[i64::from(value)])
}

#[test]
fn a_branch_computes_or_passes_on() {
    let text = r#"graph(%0 "c": bool[], %1 "x": f32[2,3]) {
  %2 = relu(%1)
  %3 = if(%0, %2, %1) region(%0 "r": f32[2,3], %1 "x": f32[2,3]) {
    %2 = neg(%0)
    %3 = transpose(%2) {perm = [1, 0]}
    return %3 "y"
  } region(%0 "r": f32[2,3], %1 "x": f32[2,3]) {
    %2 = reshape(%1) {shape = [3, 2]}
    return %2 "y"
  }
  %4 = add(%3, %3)
  return %3 "y", %4 "twice"
}"#;
    same(text, &[vec![flag(true), ramp(&[2, 3])], vec![flag(false), ramp(&[2, 3])]]);
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
  %3 = neg(%2)
  %4 = dims() {values = [D + N]}
  return %2 "y", %3 "z", %4 "n"
}"#;

#[test]
fn branches_of_different_sizes() {
    let sets = [(true, 3), (false, 3), (false, 40)].map(|(cond, size)| vec![flag(cond), ramp(&[size])]);
    same(SIZES, &sets);
    fails(&SIZES.replace("<= 2*N", "<= N"), &[flag(false), ramp(&[4])], "size over its compile-time bound");
}

#[test]
fn sizes_that_shrink_as_others_grow() {
    let text = SIZES
        .replace("graph(%0", "symbol data E : 0.. <= 2*N\ngraph(%0")
        .replace(
            "%4 = dims",
            "%4 = slice(%1) {starts = [0], sizes = [2*N - D], steps = [1]}\n  %5 = neg(%4)\n  %6 = dims",
        )
        .replace("%4 \"n\"", "%5 \"rest\", %6 \"n\"");
    same(&text, &[vec![flag(true), ramp(&[5])], vec![flag(false), ramp(&[5])]]);
}

#[test]
fn a_loop_carries_in_place_and_stacks() {
    let text = r#"symbol data i : 0..
symbol N : 1..
graph(%0 "x": f32[N,3], %1 "h": f32[3]) {
  %2, %3 = loop(none, none, %1, %0) {counter = [i], carried = 1, trips = [N]}
  region(%0 "h": f32[3], %1 "x": f32[N,3]) {
    %2 = slice(%1) {starts = [i, 0], sizes = [1, 3], steps = [1, 1]}
    %3 = reshape(%2) {shape = [3]}
    %4 = add(%0, %3)
    %5 = tanh(%4)
    %6 = dims() {values = [i]}
    %7 = cast(%6) {to = f32}
    %8 = mul(%5, %7)
    return %5 "h", %8 "y"
  }
  return %2 "h", %3 "ys"
}"#;
    let module = module(text);
    let mut session = load(&module, 1);
    for size in [1, 2, 30] {
        let inputs = vec![ramp(&[size, 3]), f(&[3], &[0.5, -0.5, 0.0])];
        let (want, got) = (eval_module(&module, inputs.clone()).unwrap(), session.run(&inputs).unwrap());
        for (want, got) in want.iter().zip(&got) {
            assert_eq!(want.ty(), got.ty());
            let far = want.to_f64().iter().zip(got.to_f64()).any(|(a, b)| (a - b).abs() > 1e-5);
            assert!(!far, "{got:?} instead of {want:?}");
        }
    }
}

#[test]
fn carried_values_change_places() {
    // Fibonacci, a rotation of three, and one that stays.
    let text = r#"symbol data i : 0..
graph(%0 "n": i64[], %1 "a": i64[2], %2 "b": i64[2], %3 "c": i64[2]) {
  %4, %5, %6, %7 = loop(%0, none, %1, %2, %3, %1) {counter = [i], carried = 4}
  region(%0 "a": i64[2], %1 "b": i64[2], %2 "c": i64[2], %3 "d": i64[2]) {
    %4 = add(%0, %1)
    return %1 "a", %4 "b", %0 "c", %3 "d"
  }
  return %4 "a", %5 "b", %6 "c", %7 "d"
}"#;
    let pair = |a, b| Tensor::from_i64(DType::I64, &[2], &[a, b]);
    let set = |count| vec![n(count), pair(0, 1), pair(1, 1), pair(7, 8)];
    same(text, &[set(0), set(1), set(2), set(10), set(-3)]);
}

const HALVING: &str = r#"symbol data i : 0..8
symbol data K : 0..9
graph(%0 "n": i64[], %1 "go": bool[], %2 "x": f32[2]) {
  %3, %4 = loop(%0, %1, %2) {counter = [i], carried = 1, while = true, sizes = [2, K, 2]} region(%0 "x": f32[2]) {
    %1 = const f32[] 0.5
    %2 = mul(%0, %1)
    %3 = reduce_max(%2) {axes = [0], keepdims = false}
    %4 = const f32[] 1.0
    %5 = lt(%4, %3)
    return %5 "more", %2 "x", %2 "seen"
  }
  return %3 "x", %4 "seen"
}"#;

#[test]
fn a_condition_ends_a_loop_early() {
    let set = |count, go, x| vec![n(count), flag(go), f(&[2], &[x, 0.5])];
    same(HALVING, &[set(9, true, 8.0), set(2, true, 8.0), set(9, false, 8.0), set(0, true, 8.0), set(20, true, 1.0)]);
    fails(HALVING, &set(20, true, 1e6), "size over its compile-time bound: 9");
}

#[test]
fn a_loop_without_end_is_given_up() {
    let text = r#"symbol data i : 0..
graph(%0 "x": f32[]) {
  %1 = loop(none, none, %0) {counter = [i], carried = 1, limit = 1000} region(%0 "x": f32[]) {
    return %0 "x"
  } : f32[] loc "forever"
  return %1 "x"
}"#;
    fails(text, &[f(&[], &[8.0])], "node \"forever\" (loop): loop does not end: 1000");
}

#[test]
fn a_carried_value_grows() {
    let text = r#"symbol N : 1..
symbol data i : 0..
symbol data S : 0.. <= 2*N + 1
symbol data T : 0.. <= 2*N + 1
graph(%0 "x": f32[N,2], %1 "start": f32[2,1]) {
  %2 = loop(none, none, %1, %0) {counter = [i], carried = 1, trips = [N], changing = [S], sizes = [2, T]}
  region(%0 "acc": f32[2,S], %1 "x": f32[N,2]) {
    %2 = slice(%1) {starts = [i, 0], sizes = [1, 2], steps = [1, 1]}
    %3 = transpose(%2) {perm = [1, 0]}
    %4 = concat(%0, %3, %3) {axis = 1}
    return %4 "acc"
  }
  %3 = neg(%2)
  return %2 "all", %3 "neg"
}"#;
    let set = |size| vec![ramp(&[size, 2]), f(&[2, 1], &[5.0, 6.0])];
    same(text, &[set(1), set(2), set(7)]);
    fails(&text.replace("<= 2*N + 1", "<= 2*N"), &set(3), "size over its compile-time bound: 7");
}

#[test]
fn loops_and_branches_nest() {
    let text = r#"symbol data i : 0..
symbol data j : 0..
graph(%0 "x": f32[2,3], %1 "w": f32[3,3]) {
  %2 = transpose(%1) {perm = [1, 0]}
  %3 = loop(none, none, %0, %2) {counter = [i], carried = 1, trips = [4]} region(%0 "x": f32[2,3], %1 "w": f32[3,3]) {
    %2 = loop(none, none, %0, %1) {counter = [j], carried = 1, trips = [i]} region(%0 "x": f32[2,3], %1 "w": f32[3,3]) {
      %2 = dims() {values = [i - 2*j]}
      %3 = reshape(%2) {shape = []}
      %4 = const i64[] 0
      %5 = lt(%3, %4)
      %6 = if(%5, %0, %1) region(%0 "x": f32[2,3], %1 "w": f32[3,3]) {
        %2 = add(%0, %0)
        return %2 "x"
      } region(%0 "x": f32[2,3], %1 "w": f32[3,3]) {
        %2 = matmul(%0, %1)
        return %2 "x"
      }
      return %6 "x"
    }
    return %2 "x"
  }
  return %3 "x"
}"#;
    let w = f(&[3, 3], &[1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.25, 0.0, 1.0]);
    same(text, &[vec![ramp(&[2, 3]), w]]);
}

#[test]
fn a_trap_names_the_node_and_says_why() {
    let text = r#"graph(%0 "c": bool[], %1 "x": f32[2]) {
  %2 = if(%0, %1) region(%0 "x": f32[2]) {
    %1 = trap() {dtype = f32, shape = [2], why = "axis 3 is none of x"} : f32[2] loc "squeeze_1"
    return %1 "y"
  } region(%0 "x": f32[2]) {
    return %0 "y"
  }
  return %2 "y"
}"#;
    same(text, &[vec![flag(false), ramp(&[2])]]);
    fails(text, &[flag(true), ramp(&[2])], "node \"squeeze_1\" (axis 3 is none of x): reached a branch");
}

#[test]
fn what_a_branch_needs_to_be_equal_is_checked_there() {
    let text = r#"symbol N : 1..
symbol M : 1..
equal N == M branch
graph(%0 "c": bool[], %1 "x": f32[N], %2 "z": f32[M]) {
  %3 = if(%0, %1, %2) region(%0 "x": f32[N], %1 "z": f32[M]) {
    %2 = add(%0, %1)
    return %2 "y"
  } region(%0 "x": f32[N], %1 "z": f32[M]) {
    return %0 "y"
  } : f32[N] loc "if_1"
  return %3 "y"
}"#;
    same(text, &[vec![flag(true), ramp(&[3]), ramp(&[3])], vec![flag(false), ramp(&[3]), ramp(&[4])]]);
    fails(text, &[flag(true), ramp(&[3]), ramp(&[4])], "node \"if_1\" (if): shape mismatch");
}

#[test]
fn a_list_grows_where_it_is() {
    let text = r#"symbol data i : 0.. <= 5
symbol data S : 0.. <= 13
symbol data T : 0.. <= 13
graph(%0 "n": i64[], %1 "x": f32[2], %2 "start": f32[1,3]) {
  %3 = loop(%0, none, %2, %1) {counter = [i], carried = 1, changing = [S], sizes = [1, T]}
  region(%0 "acc": f32[1,S], %1 "x": f32[2]) {
    %2 = reshape(%1) {shape = [1, 2]}
    %3 = concat(%0, %2) {axis = 1}
    return %3 "acc"
  }
  %4 = neg(%3)
  return %3 "all", %4 "neg"
}"#;
    let set = |turns| vec![n(turns), ramp(&[2]), f(&[1, 3], &[5.0, 6.0, 7.0])];
    same(text, &[set(0), set(1), set(5)]);
    fails(text, &set(6), "size over its compile-time bound");
    // Only the first value is copied to where the list is.
    let program = plan::plan(&module(text)).unwrap().program;
    assert_eq!(program.kernels.iter().filter(|kernel| kernel.name.starts_with("carry")).count(), 1);
}
