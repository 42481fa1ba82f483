//! Activations in the spellings of exporters.

use super::steps::{
    at_most_f32, attr_of_splat, compose_clips, is_between, is_float, is_scalar, no_bound_is_zero, reciprocal_of,
};

family! { "activation":
    "gelu-erf" in reals "rounded once": "(mul (mul* ?x (add (erf (mul ?x 0.7071067811865476)) 1)) 0.5)" => "(gelu ?x)";
    "gelu-tanh" in reals "rounded once": "(mul (mul* ?x (add (tanh (mul (add* ?x (mul (mul* (square ?x) ?x) 0.044715)) 0.7978845608028654)) 1)) 0.5)" => "(gelu_tanh ?x)";
    "gelu-tanh-factored" in reals "rounded once": "(mul (mul* ?x (add (tanh (mul (mul* ?x (add (mul (square ?x) 0.044715) 1)) 0.7978845608028654)) 1)) 0.5)" => "(gelu_tanh ?x)";
    "sigmoid-from-exp" in reals "rounded once": "(recip (add (exp (neg ?x)) 1))" => "(sigmoid ?x)";
    "silu" in reals "rounded once": "(mul* ?x (sigmoid ?x))" => "(silu ?x)";
    "sigmoid-from-tanh" in reals "rounded once": "(mul (add (tanh (mul ?x 0.5)) 1) 0.5)" => "(sigmoid ?x)";
    "silu-from-exp" in reals "rounded once": "(div ?x (add (exp (neg ?x)) 1))" => "(silu ?x)";
    "silu-of-scaled" in reals "rounded once": "(mul* ?x (sigmoid (mul ?x ?c)))" => "(mul (silu (mul ?x ?c)) ?s)", where is_scalar("?c"), reciprocal_of("?s", "?c");
    "exp-of-minus-softplus" in reals "rounded once": "(exp (neg (softplus ?x)))" => "(sigmoid (neg ?x))";
    "softplus-with-threshold" in reals "beyond 20 the two agree to f32's precision": "(where (lt 20 ?x) ?x (softplus ?x))" => "(softplus ?x)", where at_most_f32("?x");
    "softplus-of-magnitude" in reals "rounded once": "(add* (relu ?x) (softplus (neg (abs ?x))))" => "(softplus ?x)";
    "relu-from-where" in reals "NaN and the sign of 0": "(where (lt 0 ?x) ?x 0)" => "(relu ?x)";
    "leaky-relu-from-where" in reals "the sign of 0": "(where (lt 0 ?x) ?x (mul ?x ?c))" => "(leaky_relu {alpha=?p} ?x)", where is_float("?x"), is_scalar("?c"), attr_of_splat("?p", "?c");
    "leaky-relu-from-max" in reals "the sign of 0": "(max* ?x (mul ?x ?c))" => "(leaky_relu {alpha=?p} ?x)", where is_float("?x"), is_scalar("?c"), is_between("?c", 0.0, 1.0), attr_of_splat("?p", "?c");
    "abs-from-max": "(max* ?x (neg ?x))" => "(abs ?x)", where is_float("?x");
    "softplus" in reals "no overflow": "(log (add (exp ?x) 1))" => "(softplus ?x)";
    "mish" in reals "rounded once": "(mul* ?x (tanh (softplus ?x)))" => "(mish ?x)";
    "hardsigmoid-from-clip" in reals "rounded once": "(mul (clip {lo=0, hi=6} (add ?x 3)) 0.16666666666666666)" => "(hardsigmoid {alpha=0.16666666666666666, beta=0.5} ?x)";
    "hardswish" in reals "rounded once": "(mul* ?x (hardsigmoid {alpha=0.16666666666666666, beta=0.5} ?x))" => "(hardswish ?x)";
    "hardswish-f32-alpha" in reals "rounded once": "(mul* ?x (hardsigmoid {alpha=0.1666666716337204, beta=0.5} ?x))" => "(hardswish ?x)", where at_most_f32("?x");
    "hardswish-from-clip" in reals "rounded once": "(mul (mul* ?x (clip {lo=0, hi=6} (add ?x 3))) 0.16666666666666666)" => "(hardswish ?x)";
    "clip-nothing": "(clip ?x)" => "?x";
    "clip-from-max" in reals "a zero may have the other sign": "(max ?x ?c)" => "(clip {lo=?lo} ?x)", where is_float("?x"), is_scalar("?c"), attr_of_splat("?lo", "?c");
    "clip-from-min" in reals "a zero may have the other sign": "(min ?x ?c)" => "(clip {hi=?hi} ?x)", where is_float("?x"), is_scalar("?c"), attr_of_splat("?hi", "?c");
    "clip-of-clip": "(clip {lo=?l2, hi=?h2} (clip {lo=?l1, hi=?h1} ?x))" => "(clip {lo=?lo, hi=?hi} ?x)", where is_float("?x"), no_bound_is_zero(&["?l1", "?h1", "?l2", "?h2"]), compose_clips("?lo", "?hi", ("?l1", "?h1"), ("?l2", "?h2"));
    "clip-of-clip-at-zero" in reals "a zero may have the other sign": "(clip {lo=?l2, hi=?h2} (clip {lo=?l1, hi=?h1} ?x))" => "(clip {lo=?lo, hi=?hi} ?x)", where is_float("?x"), compose_clips("?lo", "?hi", ("?l1", "?h1"), ("?l2", "?h2"));
    "clip-of-relu" in reals "-0 may become 0": "(clip {lo=0, ..} (relu ?x))" => "(clip {lo=0, ..} ?x)";
    "relu-from-clip" in reals "-0 may become 0": "(clip {lo=0} ?x)" => "(relu ?x)";
}
