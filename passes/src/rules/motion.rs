//! Transposes and reshapes moved outward, through ops that do not care for the order of axes or can be told of it.
//!
//! The importer puts transposes around every channels-last op. Moved towards the results they meet the next op's and
//! cancel ("movement"). Nothing moves inward, except onto constants, where it is a recipe. Nearly every rule keeps every
//! bit: reductions and softmax run over the same elements in the same order.

use super::steps::{
    is_const, is_variable, map_axes, map_axis, map_dims, map_ints, map_reshape_axis, outer_shape, unmap_by_reshape,
    unmap_constant, unreshape_constant,
};

/// Elementwise ops on one operand.
pub(super) const UNARY: &[&str] = &[
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "relu",
    "square",
    "exp",
    "log",
    "sqrt",
    "recip",
    "sin",
    "cos",
    "tanh",
    "erf",
    "sigmoid",
    "softplus",
    "silu",
    "mish",
    "gelu",
    "gelu_tanh",
    "hardswish",
    "isnan",
    "not",
    "leaky_relu",
    "elu",
    "hardsigmoid",
    "clip",
    "isinf",
    "cast",
];
/// Elementwise ops on two operands.
pub(super) const BINARY: &[&str] =
    &["add", "sub", "mul", "div", "pow", "min", "max", "rem", "fmod", "and", "or", "xor", "eq", "lt", "le"];
/// Reductions.
const REDUCE: &[&str] = &["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"];

family! { "motion":
    "transpose-out-of-unary" for UNARY: "($op {..} (transpose {perm=?p} ?x))" => "(transpose {perm=?p} ($op {..} ?x))";
    "transpose-out-of-binary" for BINARY: "($op (transpose {perm=?p} ?x) (transpose {perm=?p} ?y))" => "(transpose {perm=?p} ($op ?x ?y))";
    "transpose-out-of-binary-const" for BINARY: "($op (transpose {perm=?p} ?x) ?c)" => "(transpose {perm=?p} ($op ?x ?d))", where is_const("?c"), unmap_constant("?d", "?c", "?p");
    "transpose-out-of-const-binary" for BINARY: "($op ?c (transpose {perm=?p} ?x))" => "(transpose {perm=?p} ($op ?d ?x))", where is_const("?c"), unmap_constant("?d", "?c", "?p");
    "transpose-out-of-binary-free" for BINARY: "($op (transpose {perm=?p} ?x) ?c)" => "(transpose {perm=?p} ($op ?x ?d))", where is_variable("?c"), unmap_by_reshape("?d", "?c", "?p");
    "transpose-out-of-free-binary" for BINARY: "($op ?c (transpose {perm=?p} ?x))" => "(transpose {perm=?p} ($op ?d ?x))", where is_variable("?c"), unmap_by_reshape("?d", "?c", "?p");
    "transpose-out-of-where-const": "(where (transpose {perm=?p} ?x) ?c (transpose {perm=?p} ?y))" => "(transpose {perm=?p} (where ?x ?d ?y))", where is_const("?c"), unmap_constant("?d", "?c", "?p");
    "transpose-out-of-quantize": "(quantize {..} (transpose {perm=?p} ?x) ?s ?z)" => "(transpose {perm=?p} (quantize {..} ?x ?t ?y))", where unmap_by_reshape("?t", "?s", "?p"), unmap_by_reshape("?y", "?z", "?p");
    "transpose-out-of-softmax": "(softmax {axis=?a} (transpose {perm=?p} ?x))" => "(transpose {perm=?p} (softmax {axis=?b} ?x))", where map_axis("?b", "?a", "?p");
    "transpose-out-of-reduce" for REDUCE: "($op {axes=?a} (transpose {perm=?p} ?x))" => "(transpose {perm=?p} ($op {axes=?b} ?x))", where map_axes("?b", "?a", "?p");
    "transpose-out-of-concat-2": "(concat {axis=?a} (transpose {perm=?p} ?x) (transpose {perm=?p} ?y))" => "(transpose {perm=?p} (concat {axis=?b} ?x ?y))", where map_axis("?b", "?a", "?p");
    "transpose-out-of-concat-3": "(concat {axis=?a} (transpose {perm=?p} ?x) (transpose {perm=?p} ?y) (transpose {perm=?p} ?z))" => "(transpose {perm=?p} (concat {axis=?b} ?x ?y ?z))", where map_axis("?b", "?a", "?p");
    "transpose-out-of-concat-4": "(concat {axis=?a} (transpose {perm=?p} ?x) (transpose {perm=?p} ?y) (transpose {perm=?p} ?z) (transpose {perm=?p} ?w))" => "(transpose {perm=?p} (concat {axis=?b} ?x ?y ?z ?w))", where map_axis("?b", "?a", "?p");
    "transpose-out-of-pad": "(pad {before=?b, after=?a, ..} (transpose {perm=?p} ?x) ?v)" => "(transpose {perm=?p} (pad {before=?d, after=?c, ..} ?x ?v))", where map_dims("?d", "?b", "?p"), map_dims("?c", "?a", "?p");
    "transpose-out-of-slice": "(slice {starts=?s, sizes=?n, steps=?k} (transpose {perm=?p} ?x))" => "(transpose {perm=?p} (slice {starts=?t, sizes=?m, steps=?l} ?x))", where map_dims("?t", "?s", "?p"), map_dims("?m", "?n", "?p"), map_ints("?l", "?k", "?p");
    "transpose-out-of-resize" in reals "axes are resampled in another order": "(resize {sizes=?s, scale_bits=?k, ..} (transpose {perm=?p} ?x))" => "(transpose {perm=?p} (resize {sizes=?t, scale_bits=?l, ..} ?x))", where map_dims("?t", "?s", "?p"), map_ints("?l", "?k", "?p");
    "reshape-out-of-unary" for UNARY: "($op {..} (reshape {shape=?s} ?x))" => "(reshape {shape=?s} ($op {..} ?x))";
    "reshape-out-of-binary" for BINARY: "($op (reshape {shape=?s} ?x) (reshape {shape=?s} ?y))" => "(reshape {shape=?s} ($op ?x ?y))", where outer_shape("?x", "?y");
    "reshape-out-of-binary-const" for BINARY: "($op (reshape {shape=?s} ?x) ?c)" => "(reshape {shape=?s} ($op ?x ?d))", where is_const("?c"), unreshape_constant("?d", "?c", "?x", "?s");
    "reshape-out-of-softmax": "(softmax {axis=?a} (reshape {shape=?s} ?x))" => "(reshape {shape=?s} (softmax {axis=?b} ?x))", where map_reshape_axis("?b", "?a", "?s", "?x");
}
