//! Ops along axes: reductions, positions of extremes, running sums, sorting, softmax, normalisation.

use super::{INF, NAN, b, check, f, i, n, refuse};
use lathe_ir::DType;

#[test]
fn reduce_sum() {
    check("reduce_sum", &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])], "axes = [1]", &[f(&[2, 1], &[2.5, 3.25])]);
    check(
        "reduce_sum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0], keepdims = false",
        &[f(&[3], &[1.75, 2.0, 2.0])],
    );
    check(
        "reduce_sum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0, 1], keepdims = false",
        &[f(&[], &[5.75])],
    );
    check(
        "reduce_sum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = []",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
    );
    check("reduce_sum", &[f(&[2, 2], &[1.0, NAN, 2.0, 3.0])], "axes = [1], keepdims = false", &[f(&[2], &[NAN, 5.0])]);
    check("reduce_sum", &[f(&[], &[2.5])], "axes = []", &[f(&[], &[2.5])]);
    check("reduce_sum", &[f(&[2, 0], &[])], "axes = [1], keepdims = false", &[f(&[2], &[0.0, 0.0])]);
    check("reduce_sum", &[f(&[2, 0], &[])], "axes = [0]", &[f(&[1, 0], &[])]);
    check("reduce_sum", &[n(DType::I8, &[100, 100, -100])], "axes = [0]", &[n(DType::I8, &[100])]);
    check("reduce_sum", &[n(DType::U64, &[-1, 1])], "axes = [0]", &[n(DType::U64, &[0])]);
    refuse("reduce_sum", &[b(&[1], &[1])], "axes = [0]", &["bool[1]"], "x is bool[1], numbers are needed");
}

#[test]
fn reduce_mean() {
    check(
        "reduce_mean",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [1]",
        &[f(&[2, 1], &[0.8333333, 1.0833334])],
    );
    check(
        "reduce_mean",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0], keepdims = false",
        &[f(&[3], &[0.875, 1.0, 1.0])],
    );
    check(
        "reduce_mean",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0, 1], keepdims = false",
        &[f(&[], &[0.9583333])],
    );
    check(
        "reduce_mean",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = []",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
    );
    check("reduce_mean", &[f(&[2, 2], &[1.0, NAN, 2.0, 3.0])], "axes = [1], keepdims = false", &[f(&[2], &[NAN, 2.5])]);
    check("reduce_mean", &[f(&[], &[2.5])], "axes = []", &[f(&[], &[2.5])]);
    check("reduce_mean", &[f(&[2, 0], &[])], "axes = [1], keepdims = false", &[f(&[2], &[NAN, NAN])]);
    check("reduce_mean", &[f(&[2, 0], &[])], "axes = [0]", &[f(&[1, 0], &[])]);
    check("reduce_mean", &[n(DType::I8, &[100, 100, -100])], "axes = [0]", &[n(DType::I8, &[33])]);
    check("reduce_mean", &[n(DType::I8, &[-3, 2, -2])], "axes = [0]", &[n(DType::I8, &[-1])]);
    check("reduce_mean", &[n(DType::U64, &[-1, 1])], "axes = [0]", &[n(DType::U64, &[0])]);
    refuse("reduce_mean", &[b(&[1], &[1])], "axes = [0]", &["bool[1]"], "x is bool[1], numbers are needed");
    refuse("reduce_mean", &[i(&[0], &[])], "axes = [0]", &["i64[1]"], "the integer mean of no elements");
}

#[test]
fn reduce_max() {
    check("reduce_max", &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])], "axes = [1]", &[f(&[2, 1], &[3.0, 4.0])]);
    check(
        "reduce_max",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0], keepdims = false",
        &[f(&[3], &[1.5, 4.0, 3.0])],
    );
    check(
        "reduce_max",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0, 1], keepdims = false",
        &[f(&[], &[4.0])],
    );
    check(
        "reduce_max",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = []",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
    );
    check("reduce_max", &[f(&[2, 2], &[1.0, NAN, 2.0, 3.0])], "axes = [1], keepdims = false", &[f(&[2], &[NAN, 3.0])]);
    check("reduce_max", &[f(&[], &[2.5])], "axes = []", &[f(&[], &[2.5])]);
    check("reduce_max", &[f(&[2, 0], &[])], "axes = [1], keepdims = false", &[f(&[2], &[-INF, -INF])]);
    check("reduce_max", &[f(&[2, 0], &[])], "axes = [0]", &[f(&[1, 0], &[])]);
    check("reduce_max", &[n(DType::I8, &[100, 100, -100])], "axes = [0]", &[n(DType::I8, &[100])]);
    check("reduce_max", &[n(DType::U64, &[-1, 1])], "axes = [0]", &[n(DType::U64, &[-1])]);
    check("reduce_max", &[b(&[2, 2], &[0, 1, 0, 0])], "axes = [1], keepdims = false", &[b(&[2], &[1, 0])]);
    check("reduce_max", &[i(&[0], &[])], "axes = [0]", &[i(&[1], &[i64::MIN])]);
}

#[test]
fn reduce_min() {
    check("reduce_min", &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])], "axes = [1]", &[f(&[2, 1], &[-2.0, -1.0])]);
    check(
        "reduce_min",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0], keepdims = false",
        &[f(&[3], &[0.25, -2.0, -1.0])],
    );
    check(
        "reduce_min",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0, 1], keepdims = false",
        &[f(&[], &[-2.0])],
    );
    check(
        "reduce_min",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = []",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
    );
    check("reduce_min", &[f(&[2, 2], &[1.0, NAN, 2.0, 3.0])], "axes = [1], keepdims = false", &[f(&[2], &[NAN, 2.0])]);
    check("reduce_min", &[f(&[], &[2.5])], "axes = []", &[f(&[], &[2.5])]);
    check("reduce_min", &[f(&[2, 0], &[])], "axes = [1], keepdims = false", &[f(&[2], &[INF, INF])]);
    check("reduce_min", &[f(&[2, 0], &[])], "axes = [0]", &[f(&[1, 0], &[])]);
    check("reduce_min", &[n(DType::I8, &[100, 100, -100])], "axes = [0]", &[n(DType::I8, &[-100])]);
    check("reduce_min", &[n(DType::U64, &[-1, 1])], "axes = [0]", &[n(DType::U64, &[1])]);
    check("reduce_min", &[b(&[2, 2], &[0, 1, 0, 0])], "axes = [1], keepdims = false", &[b(&[2], &[0, 0])]);
    check("reduce_min", &[i(&[0], &[])], "axes = [0]", &[i(&[1], &[i64::MAX])]);
}

#[test]
fn reduce_prod() {
    check("reduce_prod", &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])], "axes = [1]", &[f(&[2, 1], &[-9.0, -1.0])]);
    check(
        "reduce_prod",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0], keepdims = false",
        &[f(&[3], &[0.375, -8.0, -3.0])],
    );
    check(
        "reduce_prod",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = [0, 1], keepdims = false",
        &[f(&[], &[9.0])],
    );
    check(
        "reduce_prod",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axes = []",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
    );
    check("reduce_prod", &[f(&[2, 2], &[1.0, NAN, 2.0, 3.0])], "axes = [1], keepdims = false", &[f(&[2], &[NAN, 6.0])]);
    check("reduce_prod", &[f(&[], &[2.5])], "axes = []", &[f(&[], &[2.5])]);
    check("reduce_prod", &[f(&[2, 0], &[])], "axes = [1], keepdims = false", &[f(&[2], &[1.0, 1.0])]);
    check("reduce_prod", &[f(&[2, 0], &[])], "axes = [0]", &[f(&[1, 0], &[])]);
    check("reduce_prod", &[n(DType::I8, &[100, 100, -100])], "axes = [0]", &[n(DType::I8, &[-64])]);
    check("reduce_prod", &[n(DType::U64, &[-1, 1])], "axes = [0]", &[n(DType::U64, &[-1])]);
    refuse("reduce_prod", &[b(&[1], &[1])], "axes = [0]", &["bool[1]"], "x is bool[1], numbers are needed");
}

#[test]
fn reduce_axes() {
    let x = f(&[1, 1], &[0.0]);
    for axes in ["[2]", "[-1]", "[1, 0]", "[0, 0]"] {
        let message = format!("axes {axes} are not sorted axes of x, which is f32[1,1]");
        refuse("reduce_sum", std::slice::from_ref(&x), &format!("axes = {axes}"), &["f32[1,1]"], &message);
    }
    // f32 would lose the ones.
    let mut values = vec![1.0; 33];
    values[0] = 16777216.0;
    check("reduce_sum", &[f(&[33], &values)], "axes = [0]", &[f(&[1], &[16777248.0])]);
}

#[test]
fn arg_max() {
    check("arg_max", &[f(&[2, 3], &[3.0, 1.0, 3.0, 2.0, 5.0, 5.0])], "axis = 1", &[i(&[2, 1], &[0, 1])]);
    check("arg_max", &[f(&[2, 3], &[3.0, 1.0, 3.0, 2.0, 5.0, 5.0])], "axis = 1, last = true", &[i(&[2, 1], &[2, 2])]);
    check(
        "arg_max",
        &[f(&[2, 3], &[3.0, 1.0, 3.0, 2.0, 5.0, 5.0])],
        "axis = 0, keepdims = false",
        &[i(&[3], &[0, 1, 1])],
    );
    check("arg_max", &[f(&[4], &[0.0, NAN, INF, NAN])], "axis = 0", &[i(&[1], &[1])]);
    check("arg_max", &[f(&[4], &[0.0, NAN, INF, NAN])], "axis = 0, last = true", &[i(&[1], &[3])]);
    check("arg_max", &[f(&[2], &[0.0, -0.0])], "axis = 0", &[i(&[1], &[0])]);
    check("arg_max", &[f(&[0, 2], &[])], "axis = 1", &[i(&[0, 1], &[])]);
    check("arg_max", &[n(DType::U64, &[1, -1, 0])], "axis = 0, keepdims = false", &[i(&[], &[1])]);
    refuse("arg_max", &[f(&[2, 0], &[])], "axis = 1", &["i64[2,1]"], "axis 1 of x, which is f32[2,0], is empty");
    refuse("arg_max", &[f(&[], &[0.0])], "axis = 0", &["i64[]"], "axis 0 is not one of x");
    refuse("arg_max", &[f(&[1], &[0.0])], "axis = -1", &["i64[1]"], "axis -1");
}

#[test]
fn arg_min() {
    check("arg_min", &[f(&[2, 3], &[-3.0, -1.0, -3.0, -2.0, -5.0, -5.0])], "axis = 1", &[i(&[2, 1], &[0, 1])]);
    check(
        "arg_min",
        &[f(&[2, 3], &[-3.0, -1.0, -3.0, -2.0, -5.0, -5.0])],
        "axis = 1, last = true",
        &[i(&[2, 1], &[2, 2])],
    );
    check(
        "arg_min",
        &[f(&[2, 3], &[-3.0, -1.0, -3.0, -2.0, -5.0, -5.0])],
        "axis = 0, keepdims = false",
        &[i(&[3], &[0, 1, 1])],
    );
    check("arg_min", &[f(&[4], &[0.0, NAN, -INF, NAN])], "axis = 0", &[i(&[1], &[1])]);
    check("arg_min", &[f(&[4], &[0.0, NAN, -INF, NAN])], "axis = 0, last = true", &[i(&[1], &[3])]);
    check("arg_min", &[f(&[2], &[0.0, -0.0])], "axis = 0", &[i(&[1], &[0])]);
    check("arg_min", &[f(&[0, 2], &[])], "axis = 1", &[i(&[0, 1], &[])]);
    check("arg_min", &[n(DType::U64, &[1, -1, 0])], "axis = 0, keepdims = false", &[i(&[], &[2])]);
    refuse("arg_min", &[f(&[2, 0], &[])], "axis = 1", &["i64[2,1]"], "axis 1 of x, which is f32[2,0], is empty");
    refuse("arg_min", &[f(&[], &[0.0])], "axis = 0", &["i64[]"], "axis 0 is not one of x");
    refuse("arg_min", &[f(&[1], &[0.0])], "axis = -1", &["i64[1]"], "axis -1");
}

#[test]
fn cumsum() {
    check(
        "cumsum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 1",
        &[f(&[2, 3], &[1.5, -0.5, 2.5, 0.25, 4.25, 3.25])],
    );
    check(
        "cumsum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 1, exclusive = true",
        &[f(&[2, 3], &[0.0, 1.5, -0.5, 0.0, 0.25, 4.25])],
    );
    check(
        "cumsum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 1, reverse = true",
        &[f(&[2, 3], &[2.5, 1.0, 3.0, 3.25, 3.0, -1.0])],
    );
    check(
        "cumsum",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 1, exclusive = true, reverse = true",
        &[f(&[2, 3], &[1.0, 3.0, 0.0, 3.0, -1.0, 0.0])],
    );
    check("cumsum", &[f(&[2, 1], &[1.0, 2.0])], "axis = 0", &[f(&[2, 1], &[1.0, 3.0])]);
    check("cumsum", &[n(DType::I8, &[100, 100, 1])], "axis = 0", &[n(DType::I8, &[100, -56, -55])]);
    check("cumsum", &[n(DType::U64, &[-1, 2])], "axis = 0", &[n(DType::U64, &[-1, 1])]);
    check("cumsum", &[f(&[0], &[])], "axis = 0", &[f(&[0], &[])]);
    refuse("cumsum", &[f(&[], &[1.0])], "axis = 0", &["f32[]"], "axis 0 is not one of x");
    refuse("cumsum", &[b(&[1], &[1])], "axis = 0", &["bool[1]"], "numbers are needed");
}

#[test]
fn topk() {
    let x = f(&[2, 4], &[1.0, 3.0, 3.0, 2.0, NAN, -1.0, INF, -1.0]);
    check(
        "topk",
        std::slice::from_ref(&x),
        "axis = 1, k = [2]",
        &[f(&[2, 2], &[3.0, 3.0, NAN, INF]), i(&[2, 2], &[1, 2, 0, 2])],
    );
    check(
        "topk",
        std::slice::from_ref(&x),
        "axis = 1, k = [3], largest = false",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, -1.0, -1.0, INF]), i(&[2, 3], &[0, 3, 1, 1, 3, 2])],
    );
    check(
        "topk",
        std::slice::from_ref(&x),
        "axis = 0, k = [1]",
        &[f(&[1, 4], &[NAN, 3.0, INF, 2.0]), i(&[1, 4], &[1, 0, 1, 0])],
    );
    check("topk", std::slice::from_ref(&x), "axis = 0, k = [0]", &[f(&[0, 4], &[]), i(&[0, 4], &[])]);
    check("topk", &[n(DType::U64, &[1, -1])], "axis = 0, k = [1]", &[n(DType::U64, &[-1]), i(&[1], &[1])]);
    check("topk", &[f(&[0, 2], &[])], "axis = 1, k = [2]", &[f(&[0, 2], &[]), i(&[0, 2], &[])]);
    let types = ["f32[2,5]", "i64[2,5]"];
    refuse(
        "topk",
        std::slice::from_ref(&x),
        "axis = 1, k = [5]",
        &types,
        "k is 5, more than axis 1 of x has, f32[2,4]",
    );
    refuse("topk", std::slice::from_ref(&x), "axis = 1, k = [-1]", &types, "k is [-1]");
    refuse("topk", &[x], "axis = 1, k = [1, 1]", &types, "1 entries are needed");
}

#[test]
fn softmax() {
    check(
        "softmax",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 1000.0, 1000.0, -INF])],
        "axis = 1",
        &[f(&[2, 3], &[0.09003057, 0.24472848, 0.66524094, 0.5, 0.5, 0.0])],
    );
    check(
        "softmax",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 0",
        &[f(&[2, 3], &[0.7772999, 0.0024726233, 0.98201376, 0.22270013, 0.99752736, 0.01798621])],
    );
    check("softmax", &[f(&[2], &[-INF, -INF])], "axis = 0", &[f(&[2], &[NAN, NAN])]);
    check("softmax", &[f(&[2], &[0.0, NAN])], "axis = 0", &[f(&[2], &[NAN, NAN])]);
    check("softmax", &[f(&[2], &[0.0, INF])], "axis = 0", &[f(&[2], &[NAN, NAN])]);
    check("softmax", &[f(&[2, 0], &[])], "axis = 1", &[f(&[2, 0], &[])]);
    check("softmax", &[f(&[1], &[7.0])], "axis = 0", &[f(&[1], &[1.0])]);
    refuse("softmax", &[f(&[1], &[0.0])], "axis = -1", &["f32[1]"], "axis -1 is not one of x, which is f32[1]");
    refuse("softmax", &[i(&[1], &[0])], "axis = 0", &["i64[1]"], "x is i64[1], floats are needed");
}

#[test]
fn log_softmax() {
    check(
        "log_softmax",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 1000.0, 1000.0, -INF])],
        "axis = 1",
        &[f(&[2, 3], &[-2.407606, -1.407606, -0.40760598, -0.6931472, -0.6931472, -INF])],
    );
    check(
        "log_softmax",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 0",
        &[f(&[2, 3], &[-0.25192907, -6.0024757, -0.018149927, -1.501929, -0.0024756852, -4.01815])],
    );
    check("log_softmax", &[f(&[2], &[-INF, -INF])], "axis = 0", &[f(&[2], &[NAN, NAN])]);
    check("log_softmax", &[f(&[2], &[0.0, NAN])], "axis = 0", &[f(&[2], &[NAN, NAN])]);
    check("log_softmax", &[f(&[2], &[0.0, INF])], "axis = 0", &[f(&[2], &[NAN, NAN])]);
    check("log_softmax", &[f(&[2, 0], &[])], "axis = 1", &[f(&[2, 0], &[])]);
    check("log_softmax", &[f(&[1], &[7.0])], "axis = 0", &[f(&[1], &[0.0])]);
    refuse("log_softmax", &[f(&[1], &[0.0])], "axis = -1", &["f32[1]"], "axis -1 is not one of x, which is f32[1]");
    refuse("log_softmax", &[i(&[1], &[0])], "axis = 0", &["i64[1]"], "x is i64[1], floats are needed");
}

#[test]
fn layer_norm() {
    check(
        "layer_norm",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0]), f(&[3], &[1.0, 2.0, -0.5]), f(&[3], &[0.0, 0.5, 10.0])],
        "axis = 1, eps = 1e-5",
        &[f(&[2, 3], &[0.31822255, -2.2048917, 9.482888, -0.39223182, 3.2456229, 10.49029])],
    );
    check(
        "layer_norm",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 0, eps = 0.0",
        &[f(&[2, 3], &[0.25628516, -1.3997113, 0.96599793, -0.33514214, 1.4391397, -0.9265694])],
    );
    check(
        "layer_norm",
        &[Some(f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])), None, Some(f(&[3], &[0.0, 0.5, 10.0]))],
        "axis = 1, eps = 0.5",
        &[f(&[2, 3], &[0.30151135, -0.7814232, 10.979912, -0.37216148, 1.8025651, 9.069596])],
    );
    check("layer_norm", &[f(&[2], &[3.0, 3.0])], "axis = 0, eps = 0.0", &[f(&[2], &[NAN, NAN])]);
    check("layer_norm", &[f(&[2, 0], &[]), f(&[0], &[])], "axis = 1, eps = 1.0", &[f(&[2, 0], &[])]);
    let x = f(&[2, 3], &[0.0; 6]);
    let gamma = "gamma is f32[2], it must be f32[3]";
    refuse("layer_norm", &[x.clone(), f(&[2], &[0.0; 2])], "axis = 1, eps = 0.0", &["f32[2,3]"], gamma);
    refuse("layer_norm", &[x.clone(), f(&[3], &[0.0; 3])], "axis = 0, eps = 0.0", &["f32[2,3]"], "it must be f32[2,3]");
    refuse("layer_norm", &[x], "axis = 2, eps = 0.0", &["f32[2,3]"], "axis 2 is not one of x");
    refuse("layer_norm", &[f(&[], &[0.0])], "axis = 0, eps = 0.0", &["f32[]"], "axis 0");
}

#[test]
fn rms_norm() {
    check(
        "rms_norm",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0]), f(&[3], &[1.0, 2.0, -0.5])],
        "axis = 1, eps = 1e-5",
        &[f(&[2, 3], &[0.66529846, -1.7741293, -0.66529846, 0.104828395, 3.3545086, 0.20965679])],
    );
    check(
        "rms_norm",
        &[f(&[2, 3], &[1.5, -2.0, 3.0, 0.25, 4.0, -1.0])],
        "axis = 0, eps = 0.0",
        &[f(&[2, 3], &[0.6463706, -0.8618275, 1.2927412, 0.10772844, 1.723655, -0.43091375])],
    );
    check("rms_norm", &[f(&[2], &[0.0, 0.0])], "axis = 0, eps = 0.0", &[f(&[2], &[NAN, NAN])]);
    check("rms_norm", &[f(&[0, 2], &[])], "axis = 1, eps = 1.0", &[f(&[0, 2], &[])]);
    let gamma = "gamma is f32[2], it must be f32[1]";
    refuse("rms_norm", &[f(&[1], &[0.0]), f(&[2], &[0.0; 2])], "axis = 0, eps = 0.0", &["f32[1]"], gamma);
}
