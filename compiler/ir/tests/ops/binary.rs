//! Ops on two operands, element by element, and `where`. Expected values: numpy in f64 rounded to f32, numpy's integers.

use super::{INF, NAN, b, check, f, i, n, refuse};
use lathe_ir::DType;

#[test]
fn add() {
    check(
        "add",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                0.0, 0.0, 1.5, -2.0, INF, -INF, NAN, 0.0, -0.0, 1.5, -2.0, INF, -INF, NAN, 1.5, 1.5, 3.0, -0.5, INF,
                -INF, NAN, -2.0, -2.0, -0.5, -4.0, INF, -INF, NAN, INF, INF, INF, INF, INF, NAN, NAN, -INF, -INF, -INF,
                -INF, NAN, -INF, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "add",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[127, -1, -5, 5, -9, 9, -56, 3])],
    );
    check(
        "add",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[1, -2, 12, -9223372036854775805, 18])],
    );
    refuse("add", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn sub() {
    check(
        "sub",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                0.0, -0.0, 1.5, -2.0, INF, -INF, NAN, 0.0, 0.0, 1.5, -2.0, INF, -INF, NAN, -1.5, -1.5, 0.0, -3.5, INF,
                -INF, NAN, 2.0, 2.0, 3.5, 0.0, INF, -INF, NAN, -INF, -INF, -INF, -INF, NAN, -INF, NAN, INF, INF, INF,
                INF, INF, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "sub",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[-127, 1, -9, 9, -5, 5, 0, -3])],
    );
    check(
        "sub",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[-3, 0, -2, 9223372036854775805, 0])],
    );
    refuse("sub", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn mul() {
    check(
        "mul",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                0.0, -0.0, 0.0, -0.0, NAN, NAN, NAN, -0.0, 0.0, -0.0, 0.0, NAN, NAN, NAN, 0.0, -0.0, 2.25, -3.0, INF,
                -INF, NAN, -0.0, 0.0, -3.0, 4.0, -INF, INF, NAN, NAN, NAN, INF, -INF, INF, -INF, NAN, NAN, NAN, -INF,
                INF, -INF, INF, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "mul",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[-128, -128, -14, -14, 14, 14, 16, 0])],
    );
    check(
        "mul",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[-2, 1, 35, i64::MIN, 81])],
    );
    refuse("mul", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn div() {
    check(
        "div",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                NAN, NAN, INF, -INF, INF, -INF, NAN, NAN, NAN, -INF, INF, -INF, INF, NAN, 0.0, -0.0, 1.0, -1.3333334,
                INF, -INF, NAN, -0.0, 0.0, -0.75, 1.0, -INF, INF, NAN, 0.0, -0.0, 0.0, -0.0, NAN, NAN, NAN, -0.0, 0.0,
                -0.0, 0.0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "div",
        &[n(DType::I8, &[-127, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[127, -1, -3, -3, 3, 3, 1, 0])],
    );
    check(
        "div",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[i64::MAX, 1, 0, 3074457345618258602, 1])],
    );
    refuse("div", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "integer division by 0");
    refuse("div", &[i(&[2], &[1, i64::MIN]), i(&[1], &[-1])], "", &["i64[2]"], "by -1 is no i64");
    refuse("div", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn pow() {
    check(
        "pow",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.8371173, NAN, INF,
                INF, NAN, INF, INF, 0.44444445, 0.25, 0.0, 0.0, NAN, 0.0, 0.0, INF, INF, INF, INF, NAN, INF, INF, 0.0,
                0.0, 0.0, 0.0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "pow",
        &[n(DType::I8, &[2, -2, -1, -1, 3, 0, 5]), n(DType::I8, &[7, 7, -3, -2, -1, 0, 100])],
        "",
        &[n(DType::I8, &[-128, -128, -1, 1, 0, 1, -15])],
    );
    check(
        "pow",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[1, -1, 78125, 0, 387420489])],
    );
    refuse("pow", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn min() {
    check(
        "min",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                0.0, -0.0, 0.0, -2.0, 0.0, -INF, NAN, -0.0, -0.0, -0.0, -2.0, -0.0, -INF, NAN, 0.0, -0.0, 1.5, -2.0,
                1.5, -INF, NAN, -2.0, -2.0, -2.0, -2.0, -2.0, -INF, NAN, 0.0, -0.0, 1.5, -2.0, INF, -INF, NAN, -INF,
                -INF, -INF, -INF, -INF, -INF, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "min",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[-128, -128, -7, -2, -7, 2, 100, 0])],
    );
    check(
        "min",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[2, -1, 5, 3, 9])],
    );
    refuse("min", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn max() {
    check(
        "max",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                0.0, 0.0, 1.5, 0.0, INF, 0.0, NAN, 0.0, -0.0, 1.5, -0.0, INF, -0.0, NAN, 1.5, 1.5, 1.5, 1.5, INF, 1.5,
                NAN, 0.0, -0.0, 1.5, -2.0, INF, -2.0, NAN, INF, INF, INF, INF, INF, INF, NAN, 0.0, -0.0, 1.5, -2.0,
                INF, -INF, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "max",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[-1, 127, 2, 7, -2, 7, 100, 3])],
    );
    check(
        "max",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[-1, -1, 7, i64::MIN, 9])],
    );
    refuse("max", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn rem() {
    check(
        "rem",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0.0, 0.0, 0.0, 1.0, NAN, NAN,
                NAN, -0.0, -0.0, -0.5, -0.0, NAN, NAN, NAN, 0.0, 0.0, 1.5, INF, NAN, NAN, NAN, -0.0, -0.0, -INF, -2.0,
                NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "rem",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[0, 126, 1, -1, -1, 1, 0, 0])],
    );
    check(
        "rem",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[1, 0, 5, 2, 0])],
    );
    refuse("rem", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "integer division by 0");
    refuse("rem", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn fmod() {
    check(
        "fmod",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[f(
            &[7, 7],
            &[
                NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0.0, -0.0, 0.0, -0.5, NAN, NAN,
                NAN, 0.0, -0.0, 1.5, -0.0, NAN, NAN, NAN, 0.0, -0.0, 1.5, -2.0, NAN, NAN, NAN, 0.0, -0.0, 1.5, -2.0,
                NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
            ],
        )],
    );
    check(
        "fmod",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[0, -1, -1, 1, -1, 1, 0, 0])],
    );
    check(
        "fmod",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[1, 0, 5, 2, 0])],
    );
    refuse("fmod", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "integer division by 0");
    refuse("fmod", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn eq() {
    check(
        "eq",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[b(
            &[7, 7],
            &[
                1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0,
                0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        )],
    );
    check(
        "eq",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[b(&[8], &[0, 0, 0, 0, 0, 0, 1, 0])],
    );
    check(
        "eq",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[b(&[5], &[0, 1, 0, 0, 1])],
    );
    check("eq", &[b(&[2], &[0, 1]), b(&[2], &[1, 1])], "", &[b(&[2], &[0, 1])]);
}

#[test]
fn lt() {
    check(
        "lt",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[b(
            &[7, 7],
            &[
                0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1,
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        )],
    );
    check(
        "lt",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[b(&[8], &[1, 1, 1, 0, 1, 0, 0, 1])],
    );
    check(
        "lt",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[b(&[5], &[0, 0, 1, 0, 0])],
    );
    refuse("lt", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn le() {
    check(
        "le",
        &[f(&[1, 7], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN]), f(&[7, 1], &[0.0, -0.0, 1.5, -2.0, INF, -INF, NAN])],
        "",
        &[b(
            &[7, 7],
            &[
                1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1,
                0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        )],
    );
    check(
        "le",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[b(&[8], &[1, 1, 1, 0, 1, 0, 1, 1])],
    );
    check(
        "le",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[b(&[5], &[0, 1, 1, 0, 1])],
    );
    refuse("le", &[b(&[1], &[1]), b(&[1], &[0])], "", &["bool[1]"], "a is bool[1], numbers are needed");
}

#[test]
fn bitand() {
    check(
        "bitand",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[-128, 0, 0, 6, -8, 2, 100, 0])],
    );
    check(
        "bitand",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[2, -1, 5, 0, 9])],
    );
    refuse("bitand", &[f(&[], &[1.0]), f(&[], &[1.0])], "", &["f32[]"], "integers are needed");
}

#[test]
fn bitor() {
    check(
        "bitor",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[-1, -1, -5, -1, -1, 7, 100, 3])],
    );
    check(
        "bitor",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[-1, -1, 7, -9223372036854775805, 9])],
    );
    refuse("bitor", &[f(&[], &[1.0]), f(&[], &[1.0])], "", &["f32[]"], "integers are needed");
}

#[test]
fn bitxor() {
    check(
        "bitxor",
        &[n(DType::I8, &[-128, -128, -7, 7, -7, 7, 100, 0]), n(DType::I8, &[-1, 127, 2, -2, -2, 2, 100, 3])],
        "",
        &[n(DType::I8, &[127, -1, -5, -7, 7, 5, 0, 3])],
    );
    check(
        "bitxor",
        &[n(DType::U64, &[-1, -1, 5, i64::MIN, 9]), n(DType::U64, &[2, -1, 7, 3, 9])],
        "",
        &[n(DType::U64, &[-3, 0, 2, -9223372036854775805, 0])],
    );
    refuse("bitxor", &[f(&[], &[1.0]), f(&[], &[1.0])], "", &["f32[]"], "integers are needed");
}

#[test]
fn and() {
    check("and", &[b(&[2], &[0, 1]), b(&[2, 1], &[0, 1])], "", &[b(&[2, 2], &[0, 0, 0, 1])]);
    refuse("and", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "bool is needed");
}

#[test]
fn or() {
    check("or", &[b(&[2], &[0, 1]), b(&[2, 1], &[0, 1])], "", &[b(&[2, 2], &[0, 1, 1, 1])]);
    refuse("or", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "bool is needed");
}

#[test]
fn xor() {
    check("xor", &[b(&[2], &[0, 1]), b(&[2, 1], &[0, 1])], "", &[b(&[2, 2], &[0, 1, 1, 0])]);
    refuse("xor", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "bool is needed");
}

#[test]
fn shl() {
    check(
        "shl",
        &[n(DType::U8, &[255, 1, 1, 1, 129, 255]), n(DType::U8, &[0, 7, 8, 255, 1, 4])],
        "",
        &[n(DType::U8, &[255, 128, 0, 0, 2, 240])],
    );
    check(
        "shl",
        &[n(DType::U64, &[-1, 1, 1]), n(DType::U64, &[63, 63, 64])],
        "",
        &[n(DType::U64, &[i64::MIN, i64::MIN, 0])],
    );
    refuse("shl", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "unsigned integers are needed");
}

#[test]
fn shr() {
    check(
        "shr",
        &[n(DType::U8, &[255, 1, 1, 1, 129, 255]), n(DType::U8, &[0, 7, 8, 255, 1, 4])],
        "",
        &[n(DType::U8, &[255, 0, 0, 0, 64, 15])],
    );
    check("shr", &[n(DType::U64, &[-1, 1, 1]), n(DType::U64, &[63, 63, 64])], "", &[n(DType::U64, &[1, 0, 0])]);
    refuse("shr", &[i(&[1], &[1]), i(&[1], &[0])], "", &["i64[1]"], "unsigned integers are needed");
}

#[test]
fn broadcasting() {
    check("add", &[f(&[], &[1.0]), f(&[2], &[1.0, 2.0])], "", &[f(&[2], &[2.0, 3.0])]);
    check(
        "add",
        &[f(&[2, 1], &[1.0, 2.0]), f(&[3], &[0.0, 10.0, 20.0])],
        "",
        &[f(&[2, 3], &[1.0, 11.0, 21.0, 2.0, 12.0, 22.0])],
    );
    check("add", &[f(&[1, 0], &[]), f(&[3, 1], &[1.0, 2.0, 3.0])], "", &[f(&[3, 0], &[])]);
    refuse("add", &[f(&[2], &[0.0; 2]), f(&[3], &[0.0; 3])], "", &["f32[3]"], "shapes [2] and [3] do not broadcast");
    refuse("add", &[f(&[0], &[]), f(&[3], &[0.0; 3])], "", &["f32[3]"], "do not broadcast");
    refuse("add", &[f(&[1], &[0.0]), i(&[1], &[0])], "", &["f32[1]"], "element types differ: f32 and i64");
    refuse(
        "add",
        &[f(&[1 << 16, 1], &[0.0; 1 << 16]), f(&[1 << 16], &[0.0; 1 << 16])],
        "",
        &["f32[65536,65536]"],
        "too large",
    );
}

#[test]
fn where_() {
    let cond = b(&[2, 1], &[1, 0]);
    check("where", &[cond.clone(), f(&[2], &[1.0, -0.0]), f(&[], &[NAN])], "", &[f(&[2, 2], &[1.0, -0.0, NAN, NAN])]);
    check("where", &[b(&[], &[0]), i(&[0], &[]), i(&[1], &[7])], "", &[i(&[0], &[])]);
    refuse(
        "where",
        &[f(&[1], &[0.0]), f(&[1], &[0.0]), f(&[1], &[0.0])],
        "",
        &["f32[1]"],
        "cond is f32[1], bool is needed",
    );
    refuse("where", &[cond, f(&[1], &[0.0]), i(&[1], &[0])], "", &["f32[2,1]"], "element types differ");
}
