//! Activations in the spellings of exporters.

use super::steps::{at_most_f32, attr_of_splat, compose_clips, is_float, is_scalar};

family! { "activation":
    "gelu-erf" in reals "rounded once": "(mul (mul* ?x (add (erf (mul ?x 0.7071067811865476)) 1)) 0.5)" => "(gelu ?x)";
    "gelu-tanh" in reals "rounded once": "(mul (mul* ?x (add (tanh (mul (add* ?x (mul (mul* (square ?x) ?x) 0.044715)) 0.7978845608028654)) 1)) 0.5)" => "(gelu_tanh ?x)";
    "gelu-tanh-factored" in reals "rounded once": "(mul (mul* ?x (add (tanh (mul (mul* ?x (add (mul (square ?x) 0.044715) 1)) 0.7978845608028654)) 1)) 0.5)" => "(gelu_tanh ?x)";
    "sigmoid-from-exp" in reals "rounded once": "(recip (add (exp (neg ?x)) 1))" => "(sigmoid ?x)";
    "silu" in reals "rounded once": "(mul* ?x (sigmoid ?x))" => "(silu ?x)";
    "softplus" in reals "no overflow": "(log (add (exp ?x) 1))" => "(softplus ?x)";
    "mish" in reals "rounded once": "(mul* ?x (tanh (softplus ?x)))" => "(mish ?x)";
    "hardsigmoid-from-clip" in reals "rounded once": "(mul (clip {lo=0, hi=6} (add ?x 3)) 0.16666666666666666)" => "(hardsigmoid {alpha=0.16666666666666666, beta=0.5} ?x)";
    "hardswish" in reals "rounded once": "(mul* ?x (hardsigmoid {alpha=0.16666666666666666, beta=0.5} ?x))" => "(hardswish ?x)";
    "hardswish-f32-alpha" in reals "rounded once": "(mul* ?x (hardsigmoid {alpha=0.1666666716337204, beta=0.5} ?x))" => "(hardswish ?x)", where at_most_f32("?x");
    "hardswish-from-clip" in reals "rounded once": "(mul (mul* ?x (clip {lo=0, hi=6} (add ?x 3))) 0.16666666666666666)" => "(hardswish ?x)";
    "clip-nothing": "(clip ?x)" => "?x";
    "clip-from-max" in reals "a zero may have the other sign": "(max ?x ?c)" => "(clip {lo=?lo} ?x)", where is_float("?x"), is_scalar("?c"), attr_of_splat("?lo", "?c");
    "clip-from-min" in reals "a zero may have the other sign": "(min ?x ?c)" => "(clip {hi=?hi} ?x)", where is_float("?x"), is_scalar("?c"), attr_of_splat("?hi", "?c");
    "clip-of-clip": "(clip {lo=?l2, hi=?h2} (clip {lo=?l1, hi=?h1} ?x))" => "(clip {lo=?lo, hi=?hi} ?x)", where compose_clips("?lo", "?hi", ("?l1", "?h1"), ("?l2", "?h2"));
    "clip-of-relu" in reals "-0 may become 0": "(clip {lo=0, ..} (relu ?x))" => "(clip {lo=0, ..} ?x)";
    "relu-from-clip" in reals "-0 may become 0": "(clip {lo=0} ?x)" => "(relu ?x)";
}
