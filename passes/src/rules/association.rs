//! Products of products: which pair is multiplied first is a question of sizes only. Constant chains become one weight
//! where that is smaller, and softmax-free attention `(q k^T) v` becomes `q (k^T v)` where there are more rows than
//! columns.

use super::steps::{as_row, columns_shape, identity_like, is_const, is_variable, last_axis, last_axis_of, rank_is};

family! { "association":
    "associate-right" in reals "reassociated": "(matmul (matmul ?a ?b) ?c)" => "(matmul ?a (matmul ?b ?c))";
    "associate-left" in reals "reassociated": "(matmul ?a (matmul ?b ?c))" => "(matmul (matmul ?a ?b) ?c)";
    "chain-of-linear" in reals "reassociated": "(matmul {..} (matmul ?x ?a ?p) ?b none ?r)" => "(matmul {..} ?x (matmul ?a ?b) (reshape {shape=?n} (matmul ?row ?b)) ?r)", where is_const("?a"), is_const("?b"), is_const("?p"), rank_is("?a", 2), as_row("?row", "?p"), columns_shape("?n", "?b");
    "chain-of-linear-bias" in reals "reassociated": "(matmul {..} (matmul ?x ?a ?p) ?b ?q ?r)" => "(matmul {..} ?x (matmul ?a ?b) (add (reshape {shape=?n} (matmul ?row ?b)) ?q) ?r)", where is_const("?a"), is_const("?b"), is_const("?p"), is_const("?q"), rank_is("?a", 2), as_row("?row", "?p"), columns_shape("?n", "?b");
    "sum-of-products-left" in reals "reassociated": "(add (matmul ?x ?a) (matmul ?x ?b))" => "(matmul ?x (add ?a ?b))", where is_const("?a"), is_const("?b");
    "difference-of-products-left" in reals "reassociated": "(sub (matmul ?x ?a) (matmul ?x ?b))" => "(matmul ?x (sub ?a ?b))", where is_const("?a"), is_const("?b");
    "sum-of-products-right" in reals "reassociated": "(add (matmul ?x ?a) (matmul ?y ?a))" => "(matmul (add ?x ?y) ?a)";
    "difference-of-products-right" in reals "reassociated": "(sub (matmul ?x ?a) (matmul ?y ?a))" => "(matmul (sub ?x ?y) ?a)";
    "product-plus-itself" in reals "reassociated": "(add* (matmul ?x ?a) ?x)" => "(matmul ?x (add ?a ?i))", where is_const("?a"), is_variable("?x"), identity_like("?i", "?a");
    "itself-minus-product" in reals "reassociated": "(sub ?x (matmul ?x ?a))" => "(matmul ?x (sub ?i ?a))", where is_const("?a"), is_variable("?x"), identity_like("?i", "?a");
    "concat-of-products" in reals "a column may be summed in another order": "(concat {axis=?a} (matmul ?x ?u) (matmul ?x ?v))" => "(matmul ?x (concat {axis=?b} ?u ?v))", where last_axis("?a", "?x"), last_axis_of("?b", "?u");
    "concat-of-products-bias" in reals "a column may be summed in another order": "(concat {axis=?a} (matmul ?x ?u ?p) (matmul ?x ?v ?q))" => "(matmul ?x (concat {axis=?b} ?u ?v) (concat {axis=0} ?p ?q))", where last_axis("?a", "?x"), last_axis_of("?b", "?u");
}
