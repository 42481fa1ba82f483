//! Normalisations and softmax written in small ops.
//!
//! The mean, the deviation and its square appear once each in an exported graph; in the e-graph they are the same
//! classes, so a pattern may write them out wherever they are used.

use super::steps::{
    at_most_f32, attr_of_splat, inverse_root_count, is_float, is_inverse_count, is_positive, is_root_count, is_scalar,
    one_axis, trailing_axes, trailing_vector, unscaled_eps,
};

/// Norms that a positive scale of the operand leaves as they are.
const SCALE_FREE: &[&str] = &["layer_norm", "rms_norm"];

family! { "norm":
    "layer-norm" in reals "rounded once": "(div (sub ?x (reduce_mean {axes=?a} ?x)) (sqrt (add (reduce_mean {axes=?a} (square (sub ?x (reduce_mean {axes=?a} ?x)))) ?e)))" => "(layer_norm {axis=?axis, eps=?eps} ?x)", where is_scalar("?e"), attr_of_splat("?eps", "?e"), trailing_axes("?axis", "?a", "?x");
    "layer-norm-gamma" in reals "rounded once": "(mul* (layer_norm {..} ?x) ?g)" => "(layer_norm {..} ?x ?v)", where trailing_vector("?v", "?g", "?axis", "?x");
    "layer-norm-beta" in reals "rounded once": "(add* (layer_norm {..} ?x ?g) ?b)" => "(layer_norm {..} ?x ?g ?v)", where trailing_vector("?v", "?b", "?axis", "?x");
    "rms-norm" in reals "rounded once": "(div ?x (sqrt (add (reduce_mean {axes=?a} (square ?x)) ?e)))" => "(rms_norm {axis=?axis, eps=?eps} ?x)", where is_scalar("?e"), attr_of_splat("?eps", "?e"), trailing_axes("?axis", "?a", "?x");
    "rms-norm-gamma" in reals "rounded once": "(mul* (rms_norm {..} ?x) ?g)" => "(rms_norm {..} ?x ?v)", where trailing_vector("?v", "?g", "?axis", "?x");
    "softmax" in reals "rounded once": "(div (exp (sub ?x (reduce_max {axes=?a} ?x))) (reduce_sum {axes=?a} (exp (sub ?x (reduce_max {axes=?a} ?x)))))" => "(softmax {axis=?axis} ?x)", where one_axis("?axis", "?a");
    "softmax-unshifted" in reals "no overflow": "(div (exp ?x) (reduce_sum {axes=?a} (exp ?x)))" => "(softmax {axis=?axis} ?x)", where one_axis("?axis", "?a");
    "log-softmax-in-small-ops" in reals "rounded once": "(sub (sub ?x (reduce_max {axes=?a} ?x)) (log (reduce_sum {axes=?a} (exp (sub ?x (reduce_max {axes=?a} ?x))))))" => "(log_softmax {axis=?axis} ?x)", where one_axis("?axis", "?a");
    "softmax-in-f32" in reals "rounded once": "(cast {to=?t} (softmax {..} (cast {to=f32} ?x)))" => "(softmax {..} ?x)", where at_most_f32("?x");
    "mean-from-sum" in reals "rounded once": "(mul (reduce_sum {axes=?a} ?x) ?c)" => "(reduce_mean {axes=?a} ?x)", where is_float("?x"), is_scalar("?c"), is_inverse_count("?c", "?a", "?x");
    "variance-from-squares" in reals "without its cancellation": "(sub (reduce_mean {axes=?a} (square ?x)) (square (reduce_mean {axes=?a} ?x)))" => "(reduce_mean {axes=?a} (square (sub ?x (reduce_mean {axes=?a} ?x))))", where is_float("?x");
    "variance-is-not-negative" in reals "-0 may become 0": "(relu (reduce_mean {axes=?a} (square ?x)))" => "(reduce_mean {axes=?a} (square ?x))", where is_float("?x");
    "layer-norm-as-affine" in reals "rounded once": "(add* (mul* ?x (mul* (recip (sqrt (add ?v ?e))) ?g)) (sub ?b (mul* ?m (mul* (recip (sqrt (add ?v ?e))) ?g))))" => "(add (mul (mul (sub ?x ?m) (recip (sqrt (add ?v ?e)))) ?g) ?b)", where is_float("?x");
    "rms-norm-from-l2" in reals "rounded once": "(mul (div ?x (sqrt (reduce_sum {axes=?a} (square ?x)))) ?c)" => "(rms_norm {axis=?axis, eps=0} ?x)", where is_scalar("?c"), is_root_count("?c", "?a", "?x"), trailing_axes("?axis", "?a", "?x");
    "l2-normalize" in reals "rounded once": "(div ?x (sqrt (reduce_sum {axes=?a} (square ?x))))" => "(mul (rms_norm {axis=?axis, eps=0} ?x) ?s)", where inverse_root_count("?s", "?a", "?x"), trailing_axes("?axis", "?a", "?x");
    "norm-of-scaled" for SCALE_FREE in reals "reassociated": "($op {axis=?axis, eps=?e} (mul ?x ?c) ?g)" => "($op {axis=?axis, eps=?f} ?x ?g)", where is_scalar("?c"), is_positive("?c"), unscaled_eps("?f", "?e", "?c");
    "layer-norm-of-scaled" in reals "reassociated": "(layer_norm {axis=?axis, eps=?e} (mul ?x ?c) ?g ?b)" => "(layer_norm {axis=?axis, eps=?f} ?x ?g ?b)", where is_scalar("?c"), is_positive("?c"), unscaled_eps("?f", "?e", "?c");
    "layer-norm-of-shifted" in reals "reassociated": "(layer_norm {..} (add ?x ?c) ?g ?b)" => "(layer_norm {..} ?x ?g ?b)", where is_scalar("?c");
    "layer-norms-share-statistics" in reals "rounded more often": "(layer_norm {..} ?x ?g ?b)" => "(add (mul (layer_norm {..} ?x) ?g) ?b)";
    "rms-norms-share-statistics" in reals "rounded more often": "(rms_norm {..} ?x ?g)" => "(mul (rms_norm {..} ?x) ?g)";
    "log-softmax" in reals "no underflow": "(log (softmax {axis=?axis} ?x))" => "(log_softmax {axis=?axis} ?x)";
}
