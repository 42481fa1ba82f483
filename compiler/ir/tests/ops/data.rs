//! Sizes from data: non_zero, unique, nms, data_size.

use crate::{INF, NAN, b, check, f, i, n, refuse};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{DType, Tensor, eval_module, verify};

#[test]
fn non_zero() {
    let x = i(&[2, 3], &[0, 4, 0, -1, 0, 2]);
    let places = i(&[2, 6], &[0, 1, 1, 0, 0, 0, 1, 0, 2, 0, 0, 0]);
    check("non_zero", &[x], "", &[places, i(&[], &[3])]);
    check("non_zero", &[f(&[4], &[-0.0, NAN, 0.0, INF])], "", &[i(&[1, 4], &[1, 3, 0, 0]), i(&[], &[2])]);
    check("non_zero", &[b(&[2], &[0, 0])], "", &[i(&[1, 2], &[0, 0]), i(&[], &[0])]);
    check("non_zero", &[f(&[0, 3], &[])], "", &[i(&[2, 0], &[]), i(&[], &[0])]);
    refuse("non_zero", &[f(&[], &[1.0])], "", &["i64[0,1]", "i64[]"], "at least 1 axes are needed");
}

#[test]
fn unique() {
    // numpy.unique([2, 1, 1, 3, 4, 3], return_index, return_inverse, return_counts)
    let x = f(&[6], &[2.0, 1.0, 1.0, 3.0, 4.0, 3.0]);
    let sorted = [i(&[6], &[1, 0, 3, 4, 0, 0]), i(&[6], &[1, 0, 0, 2, 3, 2]), i(&[6], &[2, 1, 2, 1, 0, 0])];
    let with_count = |parts: [Tensor; 3], count: i64| [&parts[..], &[i(&[], &[count])]].concat();
    check("unique", std::slice::from_ref(&x), "axis = 0", &with_count(sorted, 4));
    let order = [i(&[6], &[0, 1, 3, 4, 0, 0]), i(&[6], &[0, 1, 1, 2, 3, 2]), i(&[6], &[1, 2, 2, 1, 0, 0])];
    check("unique", &[x], "axis = 0, sorted = false", &with_count(order, 4));
    // Slices are compared element by element.
    let rows = n(DType::I8, &[1, 0, 0, 1, 0, 0, 2, 3, 4]).reshaped(&[3, 3]).unwrap();
    check(
        "unique",
        std::slice::from_ref(&rows),
        "axis = 0",
        &with_count([i(&[3], &[0, 2, 0]), i(&[3], &[0, 0, 1]), i(&[3], &[2, 1, 0])], 2),
    );
    check(
        "unique",
        &[rows],
        "axis = 1",
        &with_count([i(&[3], &[1, 2, 0]), i(&[3], &[2, 0, 1]), i(&[3], &[1, 1, 1])], 3),
    );
    let odd = f(&[5], &[NAN, -0.0, INF, 0.0, NAN]);
    check(
        "unique",
        &[odd],
        "axis = 0",
        &with_count([i(&[5], &[1, 2, 0, 0, 0]), i(&[5], &[2, 0, 1, 0, 2]), i(&[5], &[2, 1, 2, 0, 0])], 3),
    );
    let empty = || i(&[0], &[]);
    check("unique", &[f(&[0], &[])], "axis = 0", &with_count([empty(), empty(), empty()], 0));
    let types = ["i64[2]", "i64[2]", "i64[2]", "i64[]"];
    refuse("unique", &[f(&[2], &[1.0, 2.0])], "axis = 1", &types, "axis 1");
}

/// The cases of the ONNX operator's own tests.
#[test]
fn nms() {
    let boxes = f(
        &[1, 6, 4],
        &[
            0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, -0.1, 1.0, 0.9, 0.0, 10.0, 1.0, 11.0, 0.0, 10.1, 1.0, 11.1,
            0.0, 100.0, 1.0, 101.0,
        ],
    );
    let scores = f(&[1, 1, 6], &[0.9, 0.75, 0.6, 0.95, 0.5, 0.3]);
    let half = f(&[], &[0.5]);
    let run = |max_out: i64, least: Option<f32>, expected: &[i64], count: i64| {
        let operands = [
            Some(boxes.clone()),
            Some(scores.clone()),
            Some(i(&[], &[max_out])),
            Some(half.clone()),
            least.map(|least| f(&[], &[least])),
        ];
        check("nms", &operands, "most = [6]", &[i(&[6, 3], expected), i(&[], &[count])]);
    };
    let none = [0; 9];
    run(3, Some(0.0), &[&[0, 0, 3, 0, 0, 0, 0, 0, 5][..], &none].concat(), 3);
    run(2, None, &[&[0, 0, 3, 0, 0, 0, 0, 0, 0][..], &none].concat(), 2);
    run(30, Some(0.4), &[&[0, 0, 3, 0, 0, 0, 0, 0, 0][..], &none].concat(), 2);
    run(-1, None, &[0; 18], 0);
    // x, y, width, height; the second lies in the first.
    let center = f(&[1, 2, 4], &[0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 0.9, 0.9]);
    let operands = [center, f(&[1, 1, 2], &[0.1, 0.2]), i(&[], &[2]), half];
    let expected = [i(&[2, 3], &[0, 0, 1, 0, 0, 0]), i(&[], &[1])];
    check("nms", &operands, "center = true, most = [2]", &expected);
    let mut wrong = operands.clone();
    wrong[0] = f(&[1, 3, 4], &[0.0; 12]);
    refuse("nms", &wrong, "most = [2]", &["i64[2,3]", "i64[]"], "boxes is f32[1,3,4]");
}

const WHERE: &str = "
    symbol N : 0..100
    symbol data S : 1..100 <= N
    graph(%0 \"x\": f32[N]) {
      %1, %2 = non_zero(%0) : (i64[1,N], i64[])
      %3 = data_size(%2) {size = [S]} : i64[]
      %4 = slice(%1) {starts = [0, 0], sizes = [1, S], steps = [1, 1]} : i64[1,S]
      return %4 \"places\"
    }";

#[test]
fn data_size() {
    let module = parse_module(WHERE, &no_weights).unwrap();
    verify(&module).unwrap();
    assert_eq!(parse_module(&lathe_ir::text::print_module(&module), &no_weights).unwrap(), module);
    let run = |values: &[f32]| eval_module(&module, vec![f(&[values.len()], values)]);
    assert_eq!(run(&[0.0, 3.0, 0.0, 1.0]).unwrap(), [i(&[1, 2], &[1, 3])]);
    assert_eq!(run(&[5.0]).unwrap(), [i(&[1, 1], &[0])]);
    assert!(run(&[0.0]).unwrap_err().to_string().contains("the size S is 0, outside of 1..1"));
    check("data_size", &[i(&[], &[3])], "size = [S]", &[i(&[], &[3])]);
    refuse("data_size", &[i(&[], &[0])], "size = [3]", &["i64[]"], "one symbol is needed");
    refuse("data_size", &[i(&[1], &[0])], "size = [S]", &["i64[1]"], "it must be i64[]");
}

/// A size beyond its bound is no smaller tensor but an error.
#[test]
fn data_size_is_held_to_its_bounds() {
    let text = "
        symbol N : 0..100
        symbol data S : 0..50 <= N
        graph(%0 \"x\": f32[N], %1 \"n\": i64[]) {
          %2 = data_size(%1) {size = [S]} : i64[]
          %3 = iota() {shape = [S], axis = 0, dtype = i64} : i64[S]
          return %3 \"places\"
        }";
    let module = parse_module(text, &no_weights).unwrap();
    verify(&module).unwrap();
    let run = |inputs: usize, size: i64| eval_module(&module, vec![f(&[inputs], &vec![0.0; inputs]), i(&[], &[size])]);
    assert_eq!(run(3, 2).unwrap(), [i(&[2], &[0, 1])]);
    assert!(run(3, 4).unwrap_err().to_string().contains("the size S is 4, outside of 0..3"));
    assert!(run(90, 60).unwrap_err().to_string().contains("the size S is 60, outside of 0..50"));
    assert!(run(3, -1).unwrap_err().to_string().contains("the size S is -1, outside of 0..3"));
}
