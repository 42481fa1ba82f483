//! Convolutions (channels last): epilogues and per-channel constants, as a batch normalisation or a scale leaves them.

use super::matmul::ACTS;
use super::steps::{add_spatial, channel_vector, is_const, weight_scale};

family! { "conv":
    "conv-of-pad" in reals "weights that are infinite or NaN beside the padding": "(conv {pads_before=?pb, pads_after=?pa, ..} (pad {before=?b, after=?a} ?x) ?w ?bias ?r)" => "(conv {pads_before=?qb, pads_after=?qa, ..} ?x ?w ?bias ?r)", where add_spatial("?qb", "?pb", "?b"), add_spatial("?qa", "?pa", "?a");
    "conv-of-zero-pad" in reals "weights that are infinite or NaN beside the padding": "(conv {pads_before=?pb, pads_after=?pa, ..} (pad {before=?b, after=?a} ?x 0) ?w ?bias ?r)" => "(conv {pads_before=?qb, pads_after=?qa, ..} ?x ?w ?bias ?r)", where add_spatial("?qb", "?pb", "?b"), add_spatial("?qa", "?pa", "?a");
    "conv-bias" in reals "rounded once": "(add* (conv {act=none, ..} ?x ?w) ?c)" => "(conv {act=none, ..} ?x ?w ?v)", where channel_vector("?v", "?c", "?w");
    "conv-second-bias" in reals "reassociated": "(add (conv {act=none, ..} ?x ?w ?bias) ?c)" => "(conv {act=none, ..} ?x ?w (add ?bias ?v))", where is_const("?bias"), is_const("?c"), channel_vector("?v", "?c", "?w");
    "conv-scale" in reals "scales the weight instead": "(mul (conv {act=none, ..} ?x ?w) ?c)" => "(conv {act=none, ..} ?x (mul ?w ?s))", where is_const("?w"), is_const("?c"), channel_vector("?v", "?c", "?w"), weight_scale("?s", "?v", "?w");
    "conv-bias-scale" in reals "scales the weight instead": "(mul (conv {act=none, ..} ?x ?w ?bias) ?c)" => "(conv {act=none, ..} ?x (mul ?w ?s) (mul ?bias ?v))", where is_const("?w"), is_const("?bias"), is_const("?c"), channel_vector("?v", "?c", "?w"), weight_scale("?s", "?v", "?w");
    "conv-residual" in reals "rounded once": "(add* (conv {act=none, ..} ?x ?w ?bias) ?r)" => "(conv {act=none, ..} ?x ?w ?bias ?r)";
    "conv-relu" in reals "-0 may become 0": "(relu (conv {act=none, p0=0, p1=0, ..} ?x ?w ?bias ?r))" => "(conv {act=relu, p0=0, p1=0, ..} ?x ?w ?bias ?r)";
    "conv-act" for ACTS in reals "rounded once": "($op (conv {act=none, p0=0, p1=0, ..} ?x ?w ?bias ?r))" => "(conv {act=$op, p0=0, p1=0, ..} ?x ?w ?bias ?r)";
    "conv-clip" in reals "-0 may become 0": "(clip {lo=?lo, hi=?hi} (conv {act=none, p0=0, p1=0, ..} ?x ?w ?bias ?r))" => "(conv {act=clip, p0=?lo, p1=?hi, ..} ?x ?w ?bias ?r)";
    "conv-leaky-relu" in reals "rounded once": "(leaky_relu {alpha=?p} (conv {act=none, p0=0, p1=0, ..} ?x ?w ?bias ?r))" => "(conv {act=leaky_relu, p0=?p, p1=0, ..} ?x ?w ?bias ?r)";
    "conv-elu" in reals "rounded once": "(elu {alpha=?p} (conv {act=none, p0=0, p1=0, ..} ?x ?w ?bias ?r))" => "(conv {act=elu, p0=?p, p1=0, ..} ?x ?w ?bias ?r)";
    "conv-hardsigmoid" in reals "rounded once": "(hardsigmoid {alpha=?p, beta=?q} (conv {act=none, p0=0, p1=0, ..} ?x ?w ?bias ?r))" => "(conv {act=hardsigmoid, p0=?p, p1=?q, ..} ?x ?w ?bias ?r)";
}
