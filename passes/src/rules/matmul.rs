//! Matrix products: epilogues act(a * b + bias + residual), scales of constant operands, rows under a reshape; the
//! squared distances between rows and constant rows as one product instead of a difference for each pair.

use super::steps::{
    column_vector, compared_rows, is_const, is_float, is_scalar, is_variable, rank_is, reshape_like_product,
    same_last_dim, shape_of_root,
};

/// Activations without parameters.
pub(super) const ACTS: &[&str] =
    &["gelu", "gelu_tanh", "silu", "sigmoid", "tanh", "hardswish", "softplus", "mish", "erf", "exp"];

family! { "matmul":
    "matmul-bias" in reals "rounded once": "(add* (matmul ?a ?b) ?c)" => "(matmul ?a ?b ?v)", where column_vector("?v", "?c", "?b");
    "matmul-second-bias" in reals "reassociated": "(add (matmul ?a ?b ?bias) ?c)" => "(matmul ?a ?b (add ?bias ?v))", where is_const("?bias"), is_const("?c"), column_vector("?v", "?c", "?b");
    "matmul-residual" in reals "rounded once": "(add* (matmul ?a ?b ?bias) ?r)" => "(matmul ?a ?b ?bias ?r)";
    "matmul-residual-under-reshape" in reals "rounded once": "(add* (reshape {shape=?s} (matmul ?a ?b ?bias)) ?r)" => "(reshape {shape=?s} (matmul ?a ?b ?bias ?d))", where is_variable("?r"), reshape_like_product("?d", "?r", "?s", "?a", "?b");
    "matmul-residual-then-bias" in reals "reassociated": "(add (matmul ?a ?b none ?r) ?c)" => "(matmul ?a ?b ?v ?r)", where column_vector("?v", "?c", "?b");
    "matmul-relu" in reals "-0 may become 0": "(relu (matmul ?a ?b ?bias ?r))" => "(matmul {act=relu} ?a ?b ?bias ?r)";
    "matmul-act" for ACTS in reals "rounded once": "($op (matmul ?a ?b ?bias ?r))" => "(matmul {act=$op} ?a ?b ?bias ?r)";
    "matmul-clip" in reals "-0 may become 0": "(clip {lo=?lo, hi=?hi} (matmul ?a ?b ?bias ?r))" => "(matmul {act=clip, p0=?lo, p1=?hi} ?a ?b ?bias ?r)";
    "matmul-leaky-relu" in reals "rounded once": "(leaky_relu {alpha=?p} (matmul ?a ?b ?bias ?r))" => "(matmul {act=leaky_relu, p0=?p} ?a ?b ?bias ?r)";
    "matmul-elu" in reals "rounded once": "(elu {alpha=?p} (matmul ?a ?b ?bias ?r))" => "(matmul {act=elu, p0=?p} ?a ?b ?bias ?r)";
    "matmul-hardsigmoid" in reals "rounded once": "(hardsigmoid {alpha=?p, beta=?q} (matmul ?a ?b ?bias ?r))" => "(matmul {act=hardsigmoid, p0=?p, p1=?q} ?a ?b ?bias ?r)";
    "matmul-scale-columns" in reals "scales the weight instead": "(mul (matmul ?a ?b) ?c)" => "(matmul ?a (mul ?b ?v))", where is_const("?b"), is_const("?c"), column_vector("?v", "?c", "?b");
    "matmul-bias-scale-columns" in reals "scales the weight instead": "(mul (matmul ?a ?b ?bias) ?c)" => "(matmul ?a (mul ?b ?v) (mul ?bias ?v))", where is_const("?b"), is_const("?bias"), is_const("?c"), column_vector("?v", "?c", "?b");
    "matmul-scalar-out-left" in reals "reassociated": "(matmul (mul ?a ?c) ?b)" => "(mul (matmul ?a ?b) ?c)", where is_const("?c"), is_scalar("?c"), is_variable("?b");
    "matmul-scalar-out-right" in reals "reassociated": "(matmul ?a (mul ?b ?c))" => "(mul (matmul ?a ?b) ?c)", where is_const("?c"), is_scalar("?c"), is_variable("?b");
    "matmul-of-rows": "(matmul {..} (reshape {shape=?s} ?x) ?b ?bias)" => "(reshape {shape=?t} (matmul {..} ?x ?b ?bias))", where rank_is("?b", 2), same_last_dim("?t", "?x", "?s");

    "distances" in reals "close points cancel": "(reduce_sum {axes=?a} (square (add (reshape {shape=?s} ?x) ?c)))" => "(reshape {shape=?t} (relu (add (add (matmul ?x ?w) ?n) (reduce_sum {axes=?l} (square ?x)))))", where is_const("?c"), is_variable("?x"), is_float("?x"), compared_rows(("?w", "?n", "?l"), "?x", "?s", "?c", "?a"), shape_of_root("?t");
}
