//! Arithmetic: neutral elements, powers, divisions by constants, chains of constants.

use super::steps::{
    has_reciprocal, is_apart, is_const, is_float, is_int, is_scalar, is_variable, lossless_round_trip, shape_of_root,
};

family! { "algebra":
    "add-zero" in reals "-0 + 0 is 0": "(add* ?x 0)" => "?x";
    "add-negative-zero": "(add* ?x -0)" => "?x";
    "mul-one": "(mul* ?x 1)" => "?x";
    "div-one": "(div ?x 1)" => "?x";
    "pow-one": "(pow ?x 1)" => "?x";
    "neg-of-neg": "(neg (neg ?x))" => "?x";
    "not-of-not": "(not (not ?x))" => "?x";
    "add-of-neg": "(add* ?x (neg ?y))" => "(sub ?x ?y)";
    "sub-of-neg": "(sub ?x (neg ?y))" => "(add ?x ?y)";
    "sub-const": "(sub ?x ?c)" => "(add ?x (neg ?c))", where is_const("?c");
    "mul-minus-one": "(mul ?x -1)" => "(neg ?x)";
    "square-of-neg": "(square (neg ?x))" => "(square ?x)";
    "mul-of-itself": "(mul ?x ?x)" => "(square ?x)";
    "and-true": "(and* ?x 1)" => "?x";
    "or-false": "(or* ?x 0)" => "?x";
    "not-of-lt": "(not (lt ?x ?y))" => "(le ?y ?x)", where is_int("?x");
    "not-of-le": "(not (le ?x ?y))" => "(lt ?y ?x)", where is_int("?x");
    "where-same": "(where ?c ?x ?x)" => "?x";
    "where-true": "(where 1 ?x ?y)" => "(broadcast {shape=?s} ?x)", where shape_of_root("?s");
    "where-false": "(where 0 ?x ?y)" => "(broadcast {shape=?s} ?y)", where shape_of_root("?s");
    "where-of-not": "(where (not ?c) ?x ?y)" => "(where ?c ?y ?x)";
    "cast-there-and-back": "(cast {to=?back} (cast {to=?there} ?x))" => "?x", where lossless_round_trip("?x", "?there");

    "pow-two" in reals "pow may be off by one unit in the last place": "(pow ?x 2)" => "(square ?x)", where is_float("?x");
    "pow-three" in reals "x * x is rounded once more": "(pow ?x 3)" => "(mul (square ?x) ?x)", where is_float("?x");
    "pow-half" in reals "-inf and -0 differ": "(pow ?x 0.5)" => "(sqrt ?x)";
    "pow-minus-one" in reals "pow may be off by one unit in the last place": "(pow ?x -1)" => "(recip ?x)", where is_float("?x");
    "pow-minus-half" in reals "-inf and -0 differ": "(pow ?x -0.5)" => "(recip (sqrt ?x))";

    "div-const" in reals "the reciprocal is rounded": "(div ?x ?c)" => "(mul ?x (recip ?c))", where is_const("?c"), has_reciprocal("?c"), is_variable("?x");
    "mul-recip" in reals "the reciprocal is rounded": "(mul* ?x (recip ?y))" => "(div ?x ?y)", where is_variable("?y");
    "mul-of-quotient" in reals "NaN where the divisor is 0 or infinite": "(mul* ?d (div ?x ?d))" => "?x", where is_float("?x");
    "quotient-of-mul" in reals "NaN where the divisor is 0 or infinite": "(div (mul* ?x ?d) ?d)" => "?x", where is_float("?x");
    "add-const-const" in reals "reassociated": "(add (add ?x ?c) ?d)" => "(add ?x (add ?c ?d))", where is_const("?c"), is_const("?d"), is_variable("?x"), is_apart("?x");
    "mul-const-const" in reals "reassociated": "(mul (mul ?x ?c) ?d)" => "(mul ?x (mul ?c ?d))", where is_const("?c"), is_const("?d"), is_variable("?x"), is_apart("?x");
    "mul-scalar-outward" in reals "reassociated": "(mul* (mul ?x ?c) ?y)" => "(mul (mul ?x ?y) ?c)", where is_const("?c"), is_scalar("?c"), is_variable("?x"), is_variable("?y");
    "mul-scalar-out-of-transpose": "(transpose {..} (mul ?x ?c))" => "(mul (transpose {..} ?x) ?c)", where is_const("?c"), is_scalar("?c");
    "mul-scalar-out-of-reshape": "(reshape {..} (mul ?x ?c))" => "(mul (reshape {..} ?x) ?c)", where is_const("?c"), is_scalar("?c");
}
