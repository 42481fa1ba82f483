//! Ops that move elements, and tensors made of dimensions.

use super::{NAN, b, check, f, i, n, refuse};
use lathe_ir::{DType, Tensor};

#[test]
fn reshape() {
    check(
        "reshape",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "shape = [3, 2]",
        &[f(&[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
    );
    check(
        "reshape",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "shape = [6, 1]",
        &[f(&[6, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
    );
    check("reshape", &[f(&[1, 1], &[5.0])], "shape = []", &[f(&[], &[5.0])]);
    check("reshape", &[i(&[0, 3], &[])], "shape = [7, 0]", &[i(&[7, 0], &[])]);
    refuse(
        "reshape",
        &[i(&[3], &[1, 2, 3])],
        "shape = [2]",
        &["i64[2]"],
        "element counts of operand and result differ",
    );
    refuse("reshape", &[i(&[2], &[1, 2])], "shape = [-2, -1]", &["i64[2]"], "none negative");
}

#[test]
fn transpose() {
    check(
        "transpose",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "perm = [1, 0]",
        &[f(&[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0])],
    );
    check(
        "transpose",
        &[f(
            &[2, 3, 4],
            &[
                0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0,
                19.0, 20.0, 21.0, 22.0, 23.0,
            ],
        )],
        "perm = [2, 0, 1]",
        &[f(
            &[4, 2, 3],
            &[
                0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 1.0, 5.0, 9.0, 13.0, 17.0, 21.0, 2.0, 6.0, 10.0, 14.0, 18.0, 22.0,
                3.0, 7.0, 11.0, 15.0, 19.0, 23.0,
            ],
        )],
    );
    check("transpose", &[b(&[], &[1])], "perm = []", &[b(&[], &[1])]);
    check("transpose", &[f(&[0, 2], &[])], "perm = [1, 0]", &[f(&[2, 0], &[])]);
    refuse("transpose", &[f(&[1, 1], &[0.0])], "perm = [0, 0]", &["f32[1,1]"], "perm [0, 0] is no permutation");
    refuse("transpose", &[f(&[1, 1], &[0.0])], "perm = [-1, 0]", &["f32[1,1]"], "no permutation");
    refuse("transpose", &[f(&[1], &[0.0])], "perm = [0, 1]", &["f32[1]"], "no permutation");
}

#[test]
fn broadcast() {
    check(
        "broadcast",
        &[f(&[2, 1], &[0.0, 3.0])],
        "shape = [2, 2, 3]",
        &[f(&[2, 2, 3], &[0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0])],
    );
    check("broadcast", &[i(&[], &[4])], "shape = [2]", &[i(&[2], &[4, 4])]);
    check("broadcast", &[i(&[1], &[4])], "shape = [0]", &[i(&[0], &[])]);
    refuse(
        "broadcast",
        &[i(&[2], &[1, 2])],
        "shape = [3]",
        &["i64[3]"],
        "x is i64[2], which does not broadcast to [3]",
    );
    refuse("broadcast", &[i(&[2], &[1, 2])], "shape = [1]", &["i64[1]"], "does not broadcast");
    refuse("broadcast", &[i(&[2, 1], &[1, 2])], "shape = [2]", &["i64[2]"], "does not broadcast");
    refuse("broadcast", &[i(&[], &[1])], "shape = [1152921504606846976]", &["i64[1152921504606846976]"], "too large");
}

#[test]
fn slice() {
    check(
        "slice",
        &[f(
            &[2, 3, 4],
            &[
                0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0,
                19.0, 20.0, 21.0, 22.0, 23.0,
            ],
        )],
        "starts = [1, 2, 3], sizes = [1, 2, 2], steps = [1, -2, -3]",
        &[f(&[1, 2, 2], &[23.0, 20.0, 15.0, 12.0])],
    );
    check(
        "slice",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "starts = [0, 1], sizes = [2, 2], steps = [1, 1]",
        &[f(&[2, 2], &[1.0, 2.0, 4.0, 5.0])],
    );
    check("slice", &[i(&[3], &[1, 2, 3])], "starts = [-1], sizes = [0], steps = [-1]", &[i(&[0], &[])]);
    check("slice", &[i(&[0], &[])], "starts = [0], sizes = [0], steps = [2]", &[i(&[0], &[])]);
    check("slice", &[i(&[], &[3])], "starts = [], sizes = [], steps = []", &[i(&[], &[3])]);
    let x = i(&[3], &[1, 2, 3]);
    let refused = |attrs: &str, message: &str| refuse("slice", std::slice::from_ref(&x), attrs, &["i64[2]"], message);
    refused(
        "starts = [2], sizes = [2], steps = [1]",
        "2 elements from 2 in steps of 1 leave axis 0 of x, which is i64[3]",
    );
    refused("starts = [0], sizes = [2], steps = [-1]", "leave axis 0");
    refused("starts = [-1], sizes = [2], steps = [1]", "leave axis 0");
    refused("starts = [0], sizes = [2], steps = [0]", "one step other than 0");
    refused("starts = [0], sizes = [-1], steps = [1]", "none negative");
    refused("starts = [0, 0], sizes = [2], steps = [1]", "one start");
    refused("starts = [0], sizes = [2], steps = [1, 1]", "1 entries");
    refused("starts = [0], sizes = [2], steps = [9223372036854775807]", "steps is");
    refused("starts = [0], sizes = [2], steps = [1152921504606846976]", "leave axis 0");
}

#[test]
fn concat() {
    check(
        "concat",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), f(&[2, 1], &[0.0, 3.0]), f(&[2, 0], &[])],
        "axis = 1",
        &[f(&[2, 4], &[0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 5.0, 3.0])],
    );
    check(
        "concat",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), f(&[1, 3], &[0.0, 1.0, 2.0])],
        "axis = 0",
        &[f(&[3, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 1.0, 2.0])],
    );
    check("concat", &[b(&[1], &[1])], "axis = 0", &[b(&[1], &[1])]);
    check("concat", &[i(&[0, 2], &[]), i(&[0, 1], &[])], "axis = 1", &[i(&[0, 3], &[])]);
    let (x, y) = (i(&[1, 2], &[1, 2]), i(&[2, 1], &[3, 4]));
    let message = "operand 1 is i64[2,1], operand 0 is i64[1,2]: they may differ only along axis 0";
    refuse("concat", &[x.clone(), y.clone()], "axis = 0", &["i64[2,2]"], message);
    refuse("concat", &[x.clone(), x.clone()], "axis = 2", &["i64[1,2]"], "axis 2 is not one of xs, which is i64[1,2]");
    refuse("concat", &[x.clone(), x], "axis = -1", &["i64[1,4]"], "axis -1");
    refuse("concat", &[y, f(&[2, 1], &[0.0; 2])], "axis = 1", &["i64[2,2]"], "operand 1 is f32[2,1]");
    refuse("concat", &[i(&[], &[1]), i(&[], &[1])], "axis = 0", &["i64[]"], "axis 0");
    refuse::<Tensor>("concat", &[], "axis = 0", &["i64[]"], "at least one operand");
}

#[test]
fn pad() {
    check(
        "pad",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "before = [1, 0], after = [0, 2]",
        &[f(&[3, 5], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 5.0, 0.0, 0.0])],
    );
    check(
        "pad",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), f(&[], &[NAN])],
        "before = [0, 1], after = [0, 0]",
        &[f(&[2, 4], &[NAN, 0.0, 1.0, 2.0, NAN, 3.0, 4.0, 5.0])],
    );
    check(
        "pad",
        &[i(&[3], &[1, 2, 3])],
        "before = [5], after = [4], mode = \"edge\"",
        &[i(&[12], &[1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3])],
    );
    check(
        "pad",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "before = [1, 2], after = [1, 0], mode = \"edge\"",
        &[f(
            &[4, 5],
            &[0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0, 3.0, 3.0, 3.0, 4.0, 5.0],
        )],
    );
    check(
        "pad",
        &[i(&[3], &[1, 2, 3])],
        "before = [5], after = [4], mode = \"reflect\"",
        &[i(&[12], &[2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3])],
    );
    check(
        "pad",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "before = [1, 2], after = [1, 0], mode = \"reflect\"",
        &[f(
            &[4, 5],
            &[5.0, 4.0, 3.0, 4.0, 5.0, 2.0, 1.0, 0.0, 1.0, 2.0, 5.0, 4.0, 3.0, 4.0, 5.0, 2.0, 1.0, 0.0, 1.0, 2.0],
        )],
    );
    check(
        "pad",
        &[i(&[3], &[1, 2, 3])],
        "before = [5], after = [4], mode = \"wrap\"",
        &[i(&[12], &[2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1])],
    );
    check(
        "pad",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])],
        "before = [1, 2], after = [1, 0], mode = \"wrap\"",
        &[f(
            &[4, 5],
            &[4.0, 5.0, 3.0, 4.0, 5.0, 1.0, 2.0, 0.0, 1.0, 2.0, 4.0, 5.0, 3.0, 4.0, 5.0, 1.0, 2.0, 0.0, 1.0, 2.0],
        )],
    );
    check("pad", &[i(&[1], &[7])], "before = [2], after = [1], mode = \"reflect\"", &[i(&[4], &[7, 7, 7, 7])]);
    check("pad", &[i(&[0], &[])], "before = [1], after = [1]", &[i(&[2], &[0, 0])]);
    check("pad", &[i(&[0], &[])], "before = [0], after = [0], mode = \"edge\"", &[i(&[0], &[])]);
    check("pad", &[f(&[], &[1.0])], "before = [], after = []", &[f(&[], &[1.0])]);
    let edge = "before = [1], after = [0], mode = \"edge\"";
    refuse("pad", &[i(&[0], &[])], edge, &["i64[1]"], "axis 0 of x, which is i64[0], is empty");
    refuse("pad", &[i(&[1], &[0]), i(&[], &[0])], edge, &["i64[2]"], "mode edge takes no value");
    refuse(
        "pad",
        &[i(&[1], &[0]), i(&[1], &[0])],
        "before = [0], after = [0]",
        &["i64[1]"],
        "value is i64[1], it must be i64[]",
    );
    refuse("pad", &[i(&[1], &[0])], "before = [-1], after = [0]", &["i64[0]"], "before is [-1]");
    refuse("pad", &[i(&[1], &[0])], "before = [0, 0], after = [0]", &["i64[1]"], "1 entries are needed");
    refuse("pad", &[i(&[1], &[0])], "before = [0], after = [8589934592]", &["i64[8589934593]"], "too large");
}

#[test]
fn iota() {
    check::<Tensor>(
        "iota",
        &[],
        "shape = [2, 3], axis = 1, dtype = f32",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0])],
    );
    check::<Tensor>("iota", &[], "shape = [3, 1], axis = 0, dtype = i64", &[i(&[3, 1], &[0, 1, 2])]);
    check::<Tensor>("iota", &[], "shape = [0], axis = 0, dtype = i64", &[i(&[0], &[])]);
    let wrapped: Vec<i64> = (0..258).collect();
    check::<Tensor>("iota", &[], "shape = [258], axis = 0, dtype = u8", &[n(DType::U8, &wrapped)]);
    refuse::<Tensor>(
        "iota",
        &[],
        "shape = [2], axis = 1, dtype = i64",
        &["i64[2]"],
        "axis 1 is not one of the shape [2]",
    );
    refuse::<Tensor>("iota", &[], "shape = [], axis = 0, dtype = i64", &["i64[]"], "axis 0");
    refuse::<Tensor>("iota", &[], "shape = [2], axis = 0, dtype = bool", &["bool[2]"], "dtype is bool");
    refuse::<Tensor>("iota", &[], "shape = [-2], axis = 0, dtype = i64", &["i64[2]"], "none negative");
}

#[test]
fn dims() {
    check::<Tensor>("dims", &[], "values = [3, -1]", &[i(&[2], &[3, -1])]);
    check::<Tensor>("dims", &[], "values = []", &[i(&[0], &[])]);
}
