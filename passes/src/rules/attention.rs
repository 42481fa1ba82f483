//! Attention: softmax(scale * q k^T + mask) v in its spellings.
//!
//! Scales on q, on k, by division or on the scores all become one factor on the scores by the rules of the families
//! algebra and matmul, so the left sides here know only that one. k^T is whatever stands there: its transpose meets the
//! exporter's own and cancels. torch writes `where(isnan(p), 0, p)` around the softmax so that a row without a visible
//! key gives 0: that is the attribute `nan_to_zero`. A mask that is causal, whether it is a constant or arithmetic on
//! positions (`egraph::index`), becomes the attribute `causal`; one that hides what is far becomes `left` and `right`.

use super::steps::{
    attr_of_splat, hides_the_future, is_causal_condition, is_causal_mask, is_const, is_float, is_positive, is_scalar,
    is_window_mask, last_axis, rank_at_least, swap_last,
};

macro_rules! scores {
    (plain) => {
        "(matmul ?q ?kt)"
    };
    (scaled) => {
        "(mul (matmul ?q ?kt) ?s)"
    };
    (masked) => {
        "(add* (matmul ?q ?kt) ?mask)"
    };
    (scaled_masked) => {
        "(add* (mul (matmul ?q ?kt) ?s) ?mask)"
    };
}

macro_rules! rows {
    ($kind:ident) => {
        concat!("(matmul (softmax {axis=?a} ", scores!($kind), ") ?v)")
    };
}

macro_rules! guarded {
    ($kind:ident) => {
        concat!(
            "(matmul (where (isnan (softmax {axis=?a} ",
            scores!($kind),
            ")) 0 (softmax {axis=?a} ",
            scores!($kind),
            ")) ?v)"
        )
    };
}

family! { "attention":
    "two-masks" in reals "reassociated": "(add* (add* (matmul ?q ?kt) ?m) ?n)" => "(add (matmul ?q ?kt) (add ?m ?n))", where rank_at_least("?kt", 3);
    "two-masks-scaled" in reals "reassociated": "(add* (add* (mul (matmul ?q ?kt) ?s) ?m) ?n)" => "(add (mul (matmul ?q ?kt) ?s) (add ?m ?n))", where is_const("?s"), is_scalar("?s"), rank_at_least("?kt", 3);
    "scale-after-mask" in reals "reassociated": "(mul (add* (matmul ?q ?kt) ?m) ?s)" => "(add (mul (matmul ?q ?kt) ?s) (mul ?m ?s))", where is_const("?s"), is_scalar("?s"), is_positive("?s"), rank_at_least("?kt", 3);
    "mask-by-arithmetic" in reals "-0 may become 0": "(mul (sub 1 (cast {to=?t} ?c)) ?low)" => "(where ?c 0 ?low)", where is_scalar("?low"), is_float("?low");
    "mask-the-future" in reals "scores as low as the mask": "(softmax {..} (where ?c ?s ?low))" => "(softmax {..} (add ?s (where ?c 0 ?low)))", where is_scalar("?low"), last_axis("?axis", "?s"), hides_the_future("?c", "?low", "?s");
    "attention-causal-and-masked" in reals "scores that are infinite or NaN": "(attention {scale=?scale, nan_to_zero=?n} ?q ?k ?v (where (and* ?c ?p) 0 -inf))" => "(attention {scale=?scale, causal=true, nan_to_zero=?n} ?q ?k ?v (where ?p 0 -inf))", where is_causal_condition("?c", "?q", "?k");
    "attention-causal" in reals "scores as low as the mask": "(attention {scale=?scale, nan_to_zero=?n} ?q ?k ?v ?mask)" => "(attention {scale=?scale, causal=true, nan_to_zero=?n} ?q ?k ?v)", where is_causal_mask("?mask", "?q", "?k");
    "attention-windowed" in reals "scores as low as the mask": "(attention {scale=?scale, causal=?c, nan_to_zero=?n} ?q ?k ?v ?mask)" => "(attention {scale=?scale, causal=?c, nan_to_zero=?n, left=?l, right=?r} ?q ?k ?v)", where is_window_mask(("?l", "?r"), "?mask", "?q", "?k");
    "mask-by-where" in reals "scores under the mask that are infinite or NaN": "(softmax {..} (where ?m ?s -inf))" => "(softmax {..} (add ?s (where ?m 0 -inf)))";
    "attention" in reals "rounded once": rows!(plain) => "(attention {scale=1} ?q ?k ?v)", where last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-scaled" in reals "rounded once": rows!(scaled) => "(attention {scale=?scale} ?q ?k ?v)", where is_const("?s"), is_scalar("?s"), attr_of_splat("?scale", "?s"), last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-masked" in reals "rounded once": rows!(masked) => "(attention {scale=1} ?q ?k ?v ?mask)", where last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-scaled-masked" in reals "rounded once": rows!(scaled_masked) => "(attention {scale=?scale} ?q ?k ?v ?mask)", where is_const("?s"), is_scalar("?s"), attr_of_splat("?scale", "?s"), last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-guarded" in reals "rounded once": guarded!(plain) => "(attention {scale=1, nan_to_zero=true} ?q ?k ?v)", where last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-scaled-guarded" in reals "rounded once": guarded!(scaled) => "(attention {scale=?scale, nan_to_zero=true} ?q ?k ?v)", where is_const("?s"), is_scalar("?s"), attr_of_splat("?scale", "?s"), last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-masked-guarded" in reals "rounded once": guarded!(masked) => "(attention {scale=1, nan_to_zero=true} ?q ?k ?v ?mask)", where last_axis("?a", "?v"), swap_last("?k", "?kt");
    "attention-scaled-masked-guarded" in reals "rounded once": guarded!(scaled_masked) => "(attention {scale=?scale, nan_to_zero=true} ?q ?k ?v ?mask)", where is_const("?s"), is_scalar("?s"), attr_of_splat("?scale", "?s"), last_axis("?a", "?v"), swap_last("?k", "?kt");
}
