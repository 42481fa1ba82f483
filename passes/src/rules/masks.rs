//! Zeros that need not be computed with: padding that a function of 0 = 0 keeps, columns that a constant mask of zeros
//! drops (both neighbouring weights shrink), products with one-hot rows, and what an argmax does not see.

use super::steps::{
    arg_axis, at_least_f32, is_const, is_positive, is_scalar, is_variable, last_axis, last_vector, live_entries,
    pads_inner, pads_last, permuted_dims, rank_is, table_rows,
};

/// `op(0) = 0`, to the sign.
const ZERO_PRESERVING: &[&str] = &[
    "relu",
    "square",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "tanh",
    "erf",
    "silu",
    "gelu",
    "gelu_tanh",
    "hardswish",
    "leaky_relu",
    "elu",
];
/// Ops on one operand that a gather of columns may pass: activations.
const ACTS: &[&str] =
    &["relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid", "square", "hardswish", "leaky_relu", "clip"];
/// Strictly increasing.
const INCREASING: &[&str] = &["exp", "sigmoid", "tanh", "softplus"];

family! { "masks":
    "pad-with-zero": "(pad {before=?b, after=?a} ?x 0)" => "(pad {before=?b, after=?a} ?x)";
    "pad-out-of-act" for ZERO_PRESERVING: "($op {..} (pad {before=?b, after=?a} ?x))" => "(pad {before=?b, after=?a} ($op {..} ?x))";
    "pad-out-of-scale" in reals "an infinite scale": "(mul (pad {before=?b, after=?a} ?x) ?c)" => "(pad {before=?b, after=?a} (mul ?x ?c))", where is_const("?c"), is_scalar("?c");
    "pad-out-of-transpose": "(transpose {perm=?p} (pad {before=?b, after=?a} ?x))" => "(pad {before=?d, after=?c} (transpose {perm=?p} ?x))", where permuted_dims("?d", "?b", "?p"), permuted_dims("?c", "?a", "?p");
    "pad-out-of-columns" in reals "infinite or NaN rows times the padding": "(matmul ?x (pad {before=?b, after=?a} ?y))" => "(pad {before=?d, after=?c} (matmul ?x ?y))", where pads_last("?d", "?c", "?b", "?a");
    "product-of-padded" in reals "infinite or NaN beside the padding": "(matmul (pad {before=?b, after=?a} ?x) (pad {before=?d, after=?c} ?y))" => "(matmul ?x ?y)", where pads_inner(("?b", "?a"), ("?d", "?c"));

    "dead-columns" in reals "infinite or NaN under the mask": "(matmul {..} (mul ?x ?c) ?w ?bias ?r)" => "(matmul {..} (mul (gather {axis=?last} ?x ?live) (gather {axis=0} ?v ?live)) (gather {axis=0} ?w ?live) ?bias ?r)", where is_const("?c"), is_const("?w"), is_variable("?x"), rank_is("?w", 2), last_vector("?v", "?c", "?x"), live_entries("?live", "?v", "?last", "?x");
    "columns-of-product": "(gather {axis=?a} (matmul {..} ?x ?w) ?i)" => "(matmul {..} ?x (gather {axis=1} ?w ?i))", where is_const("?i"), is_const("?w"), is_variable("?x"), rank_is("?i", 1), rank_is("?w", 2), last_axis("?a", "?x");
    "columns-of-product-bias": "(gather {axis=?a} (matmul {..} ?x ?w ?bias) ?i)" => "(matmul {..} ?x (gather {axis=1} ?w ?i) (gather {axis=0} ?bias ?i))", where is_const("?i"), is_const("?w"), is_const("?bias"), is_variable("?x"), rank_is("?i", 1), rank_is("?w", 2), last_axis("?a", "?x");
    "columns-before-act" for ACTS: "(gather {axis=?a} ($op {..} ?x) ?i)" => "($op {..} (gather {axis=?a} ?x ?i))", where is_const("?i"), is_variable("?x");

    "one-hot-product" in reals "infinite or NaN entries of other rows": "(matmul (cast {to=?t} (eq ?i ?p)) ?w)" => "(where ?ok (gather {axis=0} ?w ?at) 0)", where rank_is("?w", 2), table_rows(("?ok", "?at"), "?i", "?p", "?w");
    "one-hot-product-by-choice" in reals "infinite or NaN entries of other rows": "(matmul (where (eq ?i ?p) 1 0) ?w)" => "(where ?ok (gather {axis=0} ?w ?at) 0)", where rank_is("?w", 2), table_rows(("?ok", "?at"), "?i", "?p", "?w");
    "argmax-of-softmax" in reals "ties after rounding": "(arg_max {axis=?a, ..} (softmax {axis=?a} ?x))" => "(arg_max {axis=?a, ..} ?x)", where at_least_f32("?x");
    "argmax-of-log-softmax" in reals "ties after rounding": "(arg_max {axis=?a, ..} (log_softmax {axis=?a} ?x))" => "(arg_max {axis=?a, ..} ?x)", where at_least_f32("?x");
    "argmax-of-increasing" for INCREASING in reals "ties after rounding": "(arg_max {..} ($op ?x))" => "(arg_max {..} ?x)", where at_least_f32("?x");
    "argmax-of-scaled" in reals "ties after rounding": "(arg_max {axis=?a, ..} (mul ?x ?c))" => "(arg_max {axis=?a, ..} ?x)", where at_least_f32("?x"), is_const("?c"), is_positive("?c"), arg_axis("?a", "?c", "?x");
}
