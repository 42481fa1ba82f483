//! Convolutions of one tap and of one pixel. Such a convolution mixes channels only, so it commutes with whatever mixes
//! pixels with weights of sum 1: resizing (places outside of the image take the border's value) and means.

use super::steps::{all_are, live_tap, not_last, one_tap, resize_channels};

family! { "resample":
    "pointwise-before-resize" in reals "reassociated": "(conv {act=none, ..} (resize {sizes=?t, ..} ?x) ?w ?bias)" => "(resize {sizes=?s, ..} (conv {act=none, ..} ?x ?w ?bias))", where one_tap("?w"), all_are(1, &["?strides"]), all_are(0, &["?pads_before", "?pads_after"]), resize_channels("?s", "?t", "?x", "?w", "?scale_bits");
    "mean-of-pointwise" in reals "reassociated": "(reduce_mean {axes=?a} (conv {act=none, ..} ?x ?w ?bias))" => "(conv {act=none, ..} (reduce_mean {axes=?a} ?x) ?w ?bias)", where one_tap("?w"), all_are(1, &["?strides"]), all_are(0, &["?pads_before", "?pads_after"]), not_last("?a", "?x");
    "conv-of-one-pixel" in reals "taps over the padding that are infinite or NaN": "(conv {..} ?x ?w ?bias ?r)" => "(conv {strides=?ones, dilations=?ones, pads_before=?zeros, pads_after=?zeros, ..} ?x (slice {starts=?s, sizes=?n, steps=?k} ?w) ?bias ?r)", where live_tap(("?s", "?n", "?k"), "?ones", "?zeros", "?x", "?w", ("?pads_before", "?dilations"));
}
