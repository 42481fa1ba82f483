//! Normalisations and softmax written in small ops.
//!
//! The mean, the deviation and its square appear once each in an exported graph; in the e-graph they are the same
//! classes, so a pattern may write them out wherever they are used.

use super::steps::{attr_of_splat, is_scalar, one_axis, trailing_axes, trailing_vector};

family! { "norm":
    "layer-norm" in reals "rounded once": "(div (sub ?x (reduce_mean {axes=?a} ?x)) (sqrt (add (reduce_mean {axes=?a} (square (sub ?x (reduce_mean {axes=?a} ?x)))) ?e)))" => "(layer_norm {axis=?axis, eps=?eps} ?x)", where is_scalar("?e"), attr_of_splat("?eps", "?e"), trailing_axes("?axis", "?a", "?x");
    "layer-norm-gamma" in reals "rounded once": "(mul* (layer_norm {..} ?x) ?g)" => "(layer_norm {..} ?x ?v)", where trailing_vector("?v", "?g", "?axis", "?x");
    "layer-norm-beta" in reals "rounded once": "(add* (layer_norm {..} ?x ?g) ?b)" => "(layer_norm {..} ?x ?g ?v)", where trailing_vector("?v", "?b", "?axis", "?x");
    "rms-norm" in reals "rounded once": "(div ?x (sqrt (add (reduce_mean {axes=?a} (square ?x)) ?e)))" => "(rms_norm {axis=?axis, eps=?eps} ?x)", where is_scalar("?e"), attr_of_splat("?eps", "?e"), trailing_axes("?axis", "?a", "?x");
    "rms-norm-gamma" in reals "rounded once": "(mul* (rms_norm {..} ?x) ?g)" => "(rms_norm {..} ?x ?v)", where trailing_vector("?v", "?g", "?axis", "?x");
    "softmax" in reals "rounded once": "(div (exp (sub ?x (reduce_max {axes=?a} ?x))) (reduce_sum {axes=?a} (exp (sub ?x (reduce_max {axes=?a} ?x)))))" => "(softmax {axis=?axis} ?x)", where one_axis("?axis", "?a");
    "log-softmax" in reals "no underflow": "(log (softmax {axis=?axis} ?x))" => "(log_softmax {axis=?axis} ?x)";
}
