//! Ops on sizes that turn out to be 0: nothing is read, and what has no result is an error. `op` tries N = 0 as well.

use super::{check, op};

#[test]
fn sums_over_nothing() {
    for name in ["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"] {
        for axes in ["[0]", "[1]", "[0, 1]"] {
            op(&["f32[N,5]"], &format!("{name}(%0) {{axes = {axes}}}"));
        }
        op(&["i32[3,N]"], &format!("{name}(%0) {{axes = [1], keepdims = false}}"));
    }
    for ty in ["f32", "f64", "i32"] {
        op(&[&format!("{ty}[4,N]"), &format!("{ty}[N,33]")], "matmul(%0, %1)");
    }
    op(&["f32[N,N]", "f32[N,17]", "f32[17]"], "matmul(%0, %1, %2) {act = \"relu\"}");
    op(&["f32[4,N]"], "softmax(%0) {axis = 1}");
    op(&["f32[4,N]", "f32[N]", "f32[N]"], "layer_norm(%0, %1, %2) {axis = 1, eps = 1e-5}");
    op(&["f32[2,N,8]", "f32[2,N,8]", "f32[2,N,8]"], "attention(%0, %1, %2) {scale = 0.5}");
    op(&["f32[2,3,8]", "f32[2,N,8]", "f32[2,N,8]"], "attention(%0, %1, %2) {scale = 0.5}");
}

#[test]
fn places_in_nothing() {
    for name in ["arg_max", "arg_min"] {
        op(&["f32[3,N]"], &format!("{name}(%0) {{axis = 1}}"));
        op(&["f32[N,3]"], &format!("{name}(%0) {{axis = 1}}"));
    }
    op(&["f32[N,3]"], "cumsum(%0) {axis = 0}");
}

#[test]
fn borders_of_nothing() {
    for mode in ["constant", "edge", "reflect", "wrap"] {
        for amounts in ["before = [0, 0], after = [0, 1]", "before = [1, 0], after = [2, 0]"] {
            op(&["f32[N,4]"], &format!("pad(%0) {{{amounts}, mode = \"{mode}\"}}"));
        }
    }
    check(
        "symbol N : 0..512
         graph(%0 \"x\": f32[N,3], %1 \"y\": f32[2,3]) {
           %2 = concat(%0, %1) {axis = 0}
           %3 = broadcast(%0) {shape = [4, N, 3]}
           return %2 \"joined\", %3 \"repeated\"
         }",
    );
}
