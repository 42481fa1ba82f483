//! Transposes, reshapes and broadcasts among themselves. They move elements and compute nothing: every rule keeps every bit.

use super::steps::{compose, is_identity, merged_transpose, only_unit_axes_move, repeats, shape_of_root};

family! { "movement":
    "transpose-nothing": "(transpose {perm=?p} ?x)" => "?x", where is_identity("?p");
    "transpose-of-transpose": "(transpose {perm=?p} (transpose {perm=?q} ?x))" => "(transpose {perm=?r} ?x)", where compose("?r", "?q", "?p");
    "transpose-of-unit-axes": "(transpose {perm=?p} ?x)" => "(reshape {shape=?s} ?x)", where only_unit_axes_move("?s", "?p", "?x");
    "transpose-of-merge": "(transpose {perm=?p} (reshape {shape=?s} ?x))" => "(reshape {shape=?t} (transpose {perm=?r} ?x))", where merged_transpose("?r", "?t", "?p", "?s", "?x");
    "two-copies": "(concat {axis=?a} ?x ?x)" => "(broadcast {shape=?s} ?x)", where shape_of_root("?s");
    "three-copies": "(concat {axis=?a} ?x ?x ?x)" => "(broadcast {shape=?s} ?x)", where shape_of_root("?s");
    "four-copies": "(concat {axis=?a} ?x ?x ?x ?x)" => "(broadcast {shape=?s} ?x)", where shape_of_root("?s");
    "repeats-by-gather": "(gather {axis=?a} ?x ?i)" => "(reshape {shape=?u} (broadcast {shape=?t} (reshape {shape=?s} ?x)))", where repeats(("?s", "?t", "?u"), "?a", "?x", "?i");
    "reshape-nothing": "(reshape {shape=?s} ?x)" => "?x";
    "broadcast-nothing": "(broadcast {shape=?s} ?x)" => "?x";
    "broadcast-of-broadcast": "(broadcast {shape=?s} (broadcast {shape=?t} ?x))" => "(broadcast {shape=?s} ?x)";
    "reshape-of-reshape": "(reshape {shape=?s} (reshape {shape=?t} ?x))" => "(reshape {shape=?s} ?x)";
}
