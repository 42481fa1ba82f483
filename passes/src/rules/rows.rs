//! Row demand: where few rows of a result are taken (the class token, the last token), only they are computed.
//!
//! A slice moves towards the parameters, through everything that treats rows apart and through the queries of an
//! attention; keys and values are needed whole. So the last layer of a classifier shrinks to one row. It stops where a
//! tensor is needed whole in any case (`egraph::demand`) or is cut into more than two parts, which belong to one whole.
//! Columns of a product that nothing takes are not computed either.

use super::motion::{BINARY, UNARY};
use super::steps::{
    part_before_reshape, part_of, rows_first, slice_twice, takes_few_rows, takes_last_rows, takes_the_only_columns,
    whole_at, whole_from,
};

family! { "rows":
    "slice-of-slice": "(slice {starts=?s, sizes=?n, steps=?k} (slice {starts=?t, sizes=?m, steps=?l} ?x))" => "(slice {starts=?u, sizes=?o, steps=?j} ?x)", where slice_twice(["?u", "?o", "?j"], ["?s", "?n", "?k"], ["?t", "?m", "?l"]);
    "rows-of-unary" for UNARY: "(slice {..} ($op {..} ?x))" => "($op {..} ?d)", where takes_few_rows(), part_of("?d", "?x", 0);
    "rows-of-binary" for BINARY: "(slice {..} ($op ?x ?y))" => "($op ?d ?e)", where takes_few_rows(), part_of("?d", "?x", 0), part_of("?e", "?y", 0);
    "rows-of-choice": "(slice {..} (where ?c ?x ?y))" => "(where ?b ?d ?e)", where takes_few_rows(), part_of("?b", "?c", 0), part_of("?d", "?x", 0), part_of("?e", "?y", 0);
    "rows-of-product" in reals "few rows may be summed in another order": "(slice {..} (matmul {..} ?x ?w ?bias ?r))" => "(matmul {..} ?d ?v ?bias ?e)", where takes_few_rows(), part_of("?d", "?x", 1), part_of("?v", "?w", 2), part_of("?e", "?r", 0);
    "rows-of-layer-norm": "(slice {..} (layer_norm {..} ?x ?g ?b))" => "(layer_norm {..} ?d ?g ?b)", where takes_few_rows(), whole_from("?axis"), part_of("?d", "?x", 0);
    "rows-of-rms-norm": "(slice {..} (rms_norm {..} ?x ?g))" => "(rms_norm {..} ?d ?g)", where takes_few_rows(), whole_from("?axis"), part_of("?d", "?x", 0);
    "rows-of-softmax": "(slice {..} (softmax {..} ?x))" => "(softmax {..} ?d)", where takes_few_rows(), whole_at("?axis"), part_of("?d", "?x", 0);
    "rows-of-attention" in reals "few rows may be summed in another order": "(slice {..} (attention {scale=?scale, nan_to_zero=?n} ?q ?k ?v ?mask))" => "(attention {scale=?scale, nan_to_zero=?n} ?d ?l ?w ?e)", where takes_few_rows(), part_of("?d", "?q", 1), part_of("?l", "?k", 2), part_of("?w", "?v", 2), part_of("?e", "?mask", 1);
    "rows-of-causal-attention" in reals "few rows may be summed in another order": "(slice {..} (attention {causal=true, ..} ?q ?k ?v ?mask))" => "(attention {causal=true, ..} ?d ?l ?w ?e)", where takes_few_rows(), takes_last_rows(), part_of("?d", "?q", 1), part_of("?l", "?k", 2), part_of("?w", "?v", 2), part_of("?e", "?mask", 1);
    "rows-of-reshape": "(slice {..} (reshape {..} ?x))" => "(reshape {shape=?sizes} ?d)", where takes_few_rows(), part_before_reshape("?d", "?x");
    "rows-of-columns": "(slice {..} (slice {starts=?t, sizes=?m, steps=?l} ?x))" => "(slice {starts=?u, sizes=?o, steps=?j} ?d)", where takes_few_rows(), rows_first(["?u", "?o", "?j"], "?d", ["?t", "?m", "?l"], "?x");
    "columns-that-are-used" in reals "a column may be summed in another order": "(slice {..} (matmul {..} ?x ?w ?bias ?r))" => "(matmul {..} ?x ?v ?p ?e)", where takes_the_only_columns(), part_of("?v", "?w", 0), part_of("?p", "?bias", 0), part_of("?e", "?r", 0);
}
