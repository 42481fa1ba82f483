//! Sizes that data decide: found natively, bounded at compile time, and used by what comes after.

use super::{check, op};
use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::{backend, plan};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Tensor, eval_module};

#[test]
fn non_zero() {
    for ty in ["i64[N,3]", "f32[N,2,5]", "bool[40]", "u8[4,N]", "f16[33]", "f64[2,2,2,N]", "i8[0,3]"] {
        op2(&[ty], "non_zero(%0)", 2);
    }
}

#[test]
fn unique() {
    for ty in ["i64[N]", "f32[N]", "bool[9]", "u8[300]", "f16[70]"] {
        for sorted in [true, false] {
            op2(&[ty], &format!("unique(%0) {{axis = 0, sorted = {sorted}}}"), 4);
        }
    }
    op2(&["i32[N,2,3]"], "unique(%0) {axis = 0}", 4);
    op2(&["i8[2,N]"], "unique(%0) {axis = 1, sorted = false}", 4);
    op2(&["bool[2,N,1]"], "unique(%0) {axis = 1}", 4);
}

#[test]
fn nms() {
    for attrs in ["most = [17]", "center = true, most = [N]"] {
        op2(
            &["f32[2,N,4]", "f32[2,3,N]", "i64[]", "f32[]", "f32[]"],
            &format!("nms(%0, %1, %2, %3, %4) {{{attrs}}}"),
            2,
        );
        op2(&["f32[1,N,4]", "f32[1,1,N]", "i64[]", "f32[]"], &format!("nms(%0, %1, %2, %3) {{{attrs}}}"), 2);
    }
}

/// An op of several results on parameters of the given types.
fn op2(types: &[&str], call: &str, results: usize) {
    if results == 1 {
        return op(types, call);
    }
    let params: Vec<String> = types.iter().enumerate().map(|(i, ty)| format!("%{i} \"p{i}\": {ty}")).collect();
    let symbol = if types.iter().any(|ty| ty.contains('N')) { "symbol N : 0..512 ~ 32\n" } else { "" };
    let values: Vec<String> = (0..results).map(|i| format!("%{}", types.len() + i)).collect();
    let returned: Vec<String> = values.iter().map(|value| format!("{value} \"{value}\"")).collect();
    let (values, returned) = (values.join(", "), returned.join(", "));
    check(&format!("{symbol}graph({}) {{ {values} = {call} return {returned} }}", params.join(", ")));
}

/// Rows of x where the condition holds, and what users do with them.
const PICKED: &str = "
    symbol N : 0..512
    symbol data S : 0..512 <= N
    graph(%0 \"x\": f32[N,6], %1 \"keep\": bool[N], %2 \"w\": f32[6,20]) {
      %3, %4 = non_zero(%1)
      %5 = data_size(%4) {size = [S]}
      %6 = slice(%3) {starts = [0, 0], sizes = [1, S], steps = [1, 1]}
      %7 = reshape(%6) {shape = [S]}
      %8 = gather(%0, %7) {axis = 0}
      BODY
    }";

#[test]
fn users_see_the_real_size() {
    for body in [
        "%9 = relu(%8) %10 = exp(%9) return %10 \"y\", %8 \"rows\"",
        "%9 = matmul(%8, %2) {act = \"relu\"} return %9 \"y\", %7 \"places\"",
        "%9 = concat(%0, %8) {axis = 0} %10 = transpose(%9) {perm = [1, 0]} return %10 \"y\"",
        "%9 = reduce_sum(%8) {axes = [0]} %10 = reduce_mean(%8) {axes = [1]} return %9 \"sum\", %10 \"mean\"",
        "%9 = transpose(%8) {perm = [1, 0]} %10 = softmax(%9) {axis = 1} return %10 \"y\"",
        "%9 = iota() {shape = [S], axis = 0, dtype = f32} %10 = add(%9, %9) return %10 \"y\"",
        "%9 = pad(%8) {before = [1, 0], after = [2, 1]} return %9 \"y\"",
        "%9 = slice(%0) {starts = [S, 0], sizes = [N - S, 6], steps = [1, 1]} %10 = neg(%9) return %10 \"rest\"",
        "%9 = dims() {values = [S, N, 6*S]} return %9 \"sizes\"",
        "%9 = cumsum(%8) {axis = 0} %10, %11 = topk(%9) {axis = 0, k = [S]} return %10 \"y\", %11 \"at\"",
    ] {
        check(&PICKED.replace("BODY", body));
    }
}

/// Memory is laid out for the bound, whatever the size turns out to be: a buffer for what is left over is largest where
/// nothing is found.
#[test]
fn what_is_left_over_fits() {
    let text = PICKED.replace(
        "BODY",
        "%9 = slice(%0) {starts = [0, 0], sizes = [N - S, 6], steps = [1, 1]}
         %10 = exp(%9)
         %11 = reduce_sum(%10) {axes = [0]}
         %12 = reduce_max(%10) {axes = [1]}
         return %11 \"sum\", %12 \"most\"",
    );
    let module = parse_module(&text, &no_weights).unwrap();
    let planned = plan::plan(&module).unwrap();
    let mut session = InProcess::load(&compile(planned, &backend::Options::default()).unwrap(), 1).unwrap();
    for rows in [0, 1, 7, 512] {
        for every in [1, 2, usize::MAX] {
            let x = Tensor::from_f32(&[rows, 6], &(0..rows * 6).map(|i| i as f32 / 512.0).collect::<Vec<_>>());
            let keep: Vec<i64> = (0..rows).map(|row| i64::from(every != usize::MAX && row % every == 0)).collect();
            let w = Tensor::from_f32(&[6, 20], &[0.5; 120]);
            let inputs = vec![x, Tensor::from_i64(DType::Bool, &[rows], &keep), w];
            let want = eval_module(&module, inputs.clone()).unwrap();
            let got = session.run(&inputs).unwrap();
            assert_eq!(got[1].ty(), want[1].ty());
            super::native::close(&got[0], &want[0], 1.0).unwrap();
            super::native::close(&got[1], &want[1], 1.0).unwrap();
        }
    }
}

/// A number from data as a size: beyond its bound, or negative, it ends the run.
#[test]
fn a_size_beyond_its_bound_is_an_error() {
    let text = "
        symbol N : 0..100
        symbol data S : 0..50 <= N
        graph(%0 \"x\": f32[N], %1 \"n\": i64[]) {
          %2 = data_size(%1) {size = [S]} loc \"length\"
          %3 = iota() {shape = [S], axis = 0, dtype = i64}
          return %3 \"places\"
        }";
    let module = parse_module(text, &no_weights).unwrap();
    let compiled = compile(plan::plan(&module).unwrap(), &backend::Options::default()).unwrap();
    let mut session = InProcess::load(&compiled, 1).unwrap();
    let inputs = |rows: usize, size: i64| {
        [Tensor::from_f32(&[rows], &vec![0.0; rows]), Tensor::from_i64(DType::I64, &[], &[size])]
    };
    assert_eq!(session.run(&inputs(5, 5)).unwrap()[0].len(), 5);
    for (rows, size) in [(5, 6), (90, 51), (90, -1), (90, i64::MAX), (90, i64::MIN)] {
        let error = session.run(&inputs(rows, size)).unwrap_err().to_string();
        assert!(error.contains("node \"length\" (data_size): size over its compile-time bound"), "{error}");
        assert!(error.contains(&size.to_string()), "{error}");
    }
    assert_eq!(session.run(&inputs(7, 0)).unwrap()[0].len(), 0);
}

/// A shape from data: its sizes are each bounded by the number of elements, their product is that number, so memory does
/// not grow with a power of it.
#[test]
fn shapes_from_data_need_no_more_memory_than_their_elements() {
    let text = "
        symbol N : 1..1000
        symbol data S : 0..4000 <= 4*N
        symbol data T : 0..4000 <= 4*N
        symbol data U : 0..4000 <= 4*N
        equal S*T*U == 4*N
        graph(%0 \"x\": f32[N,4], %1 \"s\": i64[], %2 \"t\": i64[], %3 \"u\": i64[]) {
          %4 = data_size(%1) {size = [S]} loc \"shape\"
          %5 = data_size(%2) {size = [T]} loc \"shape\"
          %6 = data_size(%3) {size = [U]} loc \"shape\"
          %7 = neg(%0)
          %8 = reshape(%7) {shape = [S, T, U]}
          %9 = transpose(%8) {perm = [2, 0, 1]}
          %10 = softmax(%9) {axis = 2}
          %11 = reduce_sum(%10) {axes = [0], keepdims = false}
          %12 = exp(%11)
          %13 = reduce_sum(%12) {axes = [0, 1], keepdims = false}
          return %13 \"sum\"
        }";
    let module = parse_module(text, &no_weights).unwrap();
    lathe_ir::verify(&module).unwrap();
    let planned = plan::plan(&module).unwrap();
    assert!(planned.arena_bytes <= 5 * 4 * 4000, "{} bytes", planned.arena_bytes);
    let mut session = InProcess::load(&compile(planned, &backend::Options::default()).unwrap(), 2).unwrap();
    let inputs = |rows: usize, shape: [i64; 3]| {
        let x = Tensor::from_f32(&[rows, 4], &(0..rows * 4).map(|i| (i % 7) as f32).collect::<Vec<_>>());
        let sizes = shape.map(|size| Tensor::from_i64(DType::I64, &[], &[size]));
        std::iter::once(x).chain(sizes).collect::<Vec<_>>()
    };
    for (rows, shape) in [(6, [2, 3, 4]), (6, [24, 1, 1]), (1, [1, 4, 1]), (1000, [1, 1, 4000]), (1000, [40, 10, 10])] {
        let given = inputs(rows, shape);
        let got = session.run(&given).unwrap();
        super::native::close(&got[0], &eval_module(&module, given).unwrap()[0], 1.0).unwrap();
    }
    for shape in [[5, 5, 1], [24, 1, 2], [-1, -4, 6], [25, 1, 1], [i64::MAX, 1, 1]] {
        let error = session.run(&inputs(6, shape)).unwrap_err().to_string();
        assert!(error.contains("node \"shape\" (data_size)"), "{error}");
    }
}
