//! Scales and shifts per channel, as normalisations with fixed statistics (BN, RepBN), layer scales and learned affine
//! blocks leave them: into the linear op behind them, and through what lies between.
//!
//! Folding into the op before them is in the families matmul and conv. A scale may always be folded forward. A shift may
//! not where the convolution pads: the padding would have been shifted too. Which side takes it, the prices decide.

use super::steps::{
    all_are, as_row, columns_shape, every_window_sees_pixels, input_scale, is_const, is_float, is_positive,
    is_variable, last_vector, not_last, one_like, rank_is, row_scale, steady_over, steady_over_pixels, summed_axes,
};

/// `op(c x) = c op(x)` for c > 0.
const HOMOGENEOUS: &[&str] = &["relu", "leaky_relu", "abs"];
/// Sums and means.
const LINEAR: &[&str] = &["reduce_sum", "reduce_mean"];

family! { "affine":
    "scale-into-product" in reals "scales the weight instead": "(matmul {..} (mul ?x ?c) ?w ?bias ?r)" => "(matmul {..} ?x (mul ?w ?s) ?bias ?r)", where is_const("?c"), is_const("?w"), is_variable("?x"), last_vector("?v", "?c", "?x"), row_scale("?s", "?v", "?w");
    "shift-into-product" in reals "reassociated": "(matmul {..} (add ?x ?c) ?w none ?r)" => "(matmul {..} ?x ?w (reshape {shape=?n} (matmul ?row ?w)) ?r)", where is_const("?c"), is_const("?w"), is_variable("?x"), last_vector("?v", "?c", "?x"), as_row("?row", "?v"), columns_shape("?n", "?w");
    "shift-into-product-bias" in reals "reassociated": "(matmul {..} (add ?x ?c) ?w ?bias ?r)" => "(matmul {..} ?x ?w (add (reshape {shape=?n} (matmul ?row ?w)) ?bias) ?r)", where is_const("?c"), is_const("?w"), is_const("?bias"), is_variable("?x"), last_vector("?v", "?c", "?x"), as_row("?row", "?v"), columns_shape("?n", "?w");
    "scale-into-conv" in reals "scales the weight instead": "(conv {..} (mul ?x ?c) ?w ?bias ?r)" => "(conv {..} ?x (mul ?w ?s) ?bias ?r)", where is_const("?c"), is_const("?w"), is_variable("?x"), last_vector("?v", "?c", "?x"), input_scale("?s", "?v", "?w", "?groups");
    "shift-into-conv" in reals "reassociated": "(conv {..} (add ?x ?c) ?w none ?r)" => "(conv {..} ?x ?w (reduce_sum {axes=?a, keepdims=false} (mul ?w ?s)) ?r)", where all_are(0, &["?pads_before", "?pads_after"]), is_const("?c"), is_const("?w"), is_variable("?x"), last_vector("?v", "?c", "?x"), input_scale("?s", "?v", "?w", "?groups"), summed_axes("?a", "?w");
    "shift-into-conv-bias" in reals "reassociated": "(conv {..} (add ?x ?c) ?w ?bias ?r)" => "(conv {..} ?x ?w (add (reduce_sum {axes=?a, keepdims=false} (mul ?w ?s)) ?bias) ?r)", where all_are(0, &["?pads_before", "?pads_after"]), is_const("?c"), is_const("?w"), is_const("?bias"), is_variable("?x"), last_vector("?v", "?c", "?x"), input_scale("?s", "?v", "?w", "?groups"), summed_axes("?a", "?w");

    "scale-through-act" for HOMOGENEOUS in reals "no overflow": "(mul ($op {..} ?x) ?c)" => "($op {..} (mul ?x ?c))", where is_float("?x"), is_const("?c"), is_positive("?c");
    "scale-out-of-act" for HOMOGENEOUS in reals "no overflow": "($op {..} (mul ?x ?c))" => "(mul ($op {..} ?x) ?c)", where is_float("?x"), is_const("?c"), is_positive("?c");
    "scale-out-of-mean" for LINEAR in reals "reassociated": "($op {axes=?a} (mul ?x ?c))" => "(mul ($op {axes=?a} ?x) ?c)", where is_float("?x"), steady_over("?c", "?a", "?x");
    "shift-out-of-mean" in reals "reassociated": "(reduce_mean {axes=?a} (add ?x ?c))" => "(add (reduce_mean {axes=?a} ?x) ?c)", where is_float("?x"), steady_over("?c", "?a", "?x");
    "scale-out-of-pool" in reals "reassociated": "(avg_pool {..} (mul ?x ?c))" => "(mul (avg_pool {..} ?x) ?c)", where steady_over_pixels("?c", "?x");
    "shift-out-of-pool" in reals "reassociated": "(avg_pool {count_include_pad=false, ceil=false, ..} (add ?x ?c))" => "(add (avg_pool {count_include_pad=false, ceil=false, ..} ?x) ?c)", where every_window_sees_pixels("?x", "?kernel", "?dilations", "?pads_before", "?pads_after"), steady_over_pixels("?c", "?x");
    "difference-out-of-pool" in reals "reassociated": "(avg_pool {count_include_pad=false, ceil=false, ..} (sub ?x ?c))" => "(sub (avg_pool {count_include_pad=false, ceil=false, ..} ?x) ?c)", where every_window_sees_pixels("?x", "?kernel", "?dilations", "?pads_before", "?pads_after"), steady_over_pixels("?c", "?x");
    "mean-of-product" in reals "reassociated": "(reduce_mean {axes=?a} (matmul ?x ?w ?bias))" => "(matmul (reduce_mean {axes=?a} ?x) ?w ?bias)", where is_float("?x"), rank_is("?w", 2), not_last("?a", "?x");

    "scale-of-shifted" in reals "reassociated": "(mul (add ?x ?c) ?a)" => "(add (mul ?x ?a) (mul ?c ?a))", where is_float("?x"), is_const("?c"), is_const("?a"), is_variable("?x");
    "sum-of-scaled" in reals "reassociated": "(add (mul ?x ?a) (mul ?x ?b))" => "(mul ?x (add ?a ?b))", where is_const("?a"), is_const("?b"), is_variable("?x");
    "sum-of-scaled-and-itself" in reals "reassociated": "(add* (mul ?x ?a) ?x)" => "(mul ?x (add ?a ?one))", where is_const("?a"), is_variable("?x"), one_like("?one", "?a");
    "affine-plus-scaled" in reals "reassociated": "(add* (add (mul ?x ?a) ?c) (mul ?x ?b))" => "(add (mul ?x (add ?a ?b)) ?c)", where is_const("?a"), is_const("?b"), is_const("?c"), is_variable("?x");
    "affine-plus-itself" in reals "reassociated": "(add* (add (mul ?x ?a) ?c) ?x)" => "(add (mul ?x (add ?a ?one)) ?c)", where is_const("?a"), is_const("?c"), is_variable("?x"), one_like("?one", "?a");
    "common-addend" in reals "reassociated": "(sub (add ?x ?c) (add ?y ?c))" => "(sub ?x ?y)";
    "common-subtrahend" in reals "reassociated": "(sub (sub ?x ?c) (sub ?y ?c))" => "(sub ?x ?y)";
    "common-factor" in reals "reassociated": "(sub (mul ?x ?c) (mul ?y ?c))" => "(mul (sub ?x ?y) ?c)";
}
