//! Ops that read or write by run-time indices.

use super::{NAN, b, check, f, i, n, refuse};
use lathe_ir::DType;

#[test]
fn gather() {
    check(
        "gather",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[2, 2], &[2, -1, 0, -3])],
        "axis = 1",
        &[f(&[2, 2, 2], &[2.0, 2.0, 0.0, 0.0, 5.0, 5.0, 3.0, 3.0])],
    );
    check(
        "gather",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), n(DType::I32, &[1])],
        "axis = 0",
        &[f(&[1, 3], &[3.0, 4.0, 5.0])],
    );
    check(
        "gather",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[], &[1])],
        "axis = 0",
        &[f(&[3], &[3.0, 4.0, 5.0])],
    );
    check("gather", &[i(&[0, 3], &[]), i(&[2], &[0, 2])], "axis = 1", &[i(&[0, 2], &[])]);
    check("gather", &[i(&[0, 3], &[]), i(&[0], &[])], "axis = 0", &[i(&[0, 3], &[])]);
    check("gather", &[b(&[2], &[0, 1]), n(DType::U8, &[1, 1])], "axis = 0", &[b(&[2], &[1, 1])]);
    let x = f(&[3], &[0.0, 1.0, 2.0]);
    for index in [3, -4, i64::MIN, i64::MAX] {
        let message = format!("index {index} is outside of an axis of 3 elements");
        refuse("gather", &[x.clone(), i(&[1], &[index])], "axis = 0", &["f32[1]"], &message);
    }
    refuse("gather", &[x.clone(), n(DType::U64, &[-1])], "axis = 0", &["f32[1]"], "index 18446744073709551615");
    refuse("gather", &[i(&[0], &[]), i(&[1], &[0])], "axis = 0", &["i64[1]"], "axis of 0 elements");
    refuse("gather", &[i(&[2, 0], &[]), i(&[1], &[2])], "axis = 0", &["i64[1,0]"], "index 2 is outside");
    refuse("gather", &[x.clone(), f(&[1], &[0.0])], "axis = 0", &["f32[1]"], "indices is f32[1], integers are needed");
    refuse("gather", &[x, i(&[1], &[0])], "axis = 1", &["f32[1]"], "axis 1 is not one of x, which is f32[3]");
    refuse("gather", &[f(&[], &[0.0]), i(&[], &[0])], "axis = 0", &["f32[]"], "axis 0");
}

#[test]
fn gather_elements() {
    check(
        "gather_elements",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[2, 2], &[0, -1, 2, 1])],
        "axis = 1",
        &[f(&[2, 2], &[0.0, 2.0, 5.0, 4.0])],
    );
    check(
        "gather_elements",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[1, 2], &[1, 0])],
        "axis = 0",
        &[f(&[1, 2], &[3.0, 1.0])],
    );
    check("gather_elements", &[i(&[2], &[5, 6]), i(&[3], &[1, 0, -1])], "axis = 0", &[i(&[3], &[6, 5, 6])]);
    check("gather_elements", &[i(&[0], &[]), i(&[0], &[])], "axis = 0", &[i(&[0], &[])]);
    let x = i(&[1, 2], &[5, 6]);
    refuse("gather_elements", &[x.clone(), i(&[1, 1], &[2])], "axis = 1", &["i64[1,1]"], "index 2 is outside");
    let message = "indices is i64[2,1], longer on axis 0 than x, which is i64[1,2]";
    refuse("gather_elements", &[x.clone(), i(&[2, 1], &[0, 0])], "axis = 1", &["i64[2,1]"], message);
    let message = "indices is i64[1], it must have as many axes as x, which is i64[1,2]";
    refuse("gather_elements", &[x, i(&[1], &[0])], "axis = 1", &["i64[1]"], message);
}

#[test]
fn gather_nd() {
    check(
        "gather_nd",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[2, 2], &[0, 2, 1, -1])],
        "",
        &[f(&[2], &[2.0, 5.0])],
    );
    check(
        "gather_nd",
        &[f(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), i(&[2, 1], &[1, 0])],
        "",
        &[f(&[2, 2, 2], &[4.0, 5.0, 6.0, 7.0, 0.0, 1.0, 2.0, 3.0])],
    );
    check(
        "gather_nd",
        &[f(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), i(&[2, 1], &[1, 0])],
        "batch_dims = 1",
        &[f(&[2, 2], &[2.0, 3.0, 4.0, 5.0])],
    );
    check("gather_nd", &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[2], &[1, 1])], "", &[f(&[], &[4.0])]);
    check("gather_nd", &[f(&[2, 0], &[]), i(&[1, 1], &[1])], "", &[f(&[1, 0], &[])]);
    check("gather_nd", &[f(&[2], &[0.0; 2]), i(&[0, 1], &[])], "", &[f(&[0], &[])]);
    let x = i(&[2, 2], &[1, 2, 3, 4]);
    refuse("gather_nd", &[x.clone(), i(&[1, 2], &[0, 2])], "", &["i64[1]"], "index 2 is outside of an axis of 2");
    let message = "its last dimension must be a constant from 1 to the number of axes of x, i64[2,2]";
    refuse("gather_nd", &[x.clone(), i(&[1, 3], &[0, 0, 0])], "", &["i64[1]"], message);
    refuse("gather_nd", &[x.clone(), i(&[1, 0], &[])], "", &["i64[1,2,2]"], message);
    refuse("gather_nd", &[x.clone(), i(&[], &[0])], "", &["i64[2]"], "at least 1 axes");
    let batched = "batch_dims = 1";
    refuse("gather_nd", &[x.clone(), i(&[2, 2], &[0; 4])], batched, &["i64[2]"], "too few axes for 1 batch axes");
    refuse(
        "gather_nd",
        &[x.clone(), i(&[1, 1], &[0])],
        batched,
        &["i64[1]"],
        "batch dimensions of x and indices differ: 2 and 1",
    );
    refuse("gather_nd", &[x, i(&[1, 1], &[0])], "batch_dims = -1", &["i64[1,2]"], "too few axes");
}

#[test]
fn scatter_elements() {
    check(
        "scatter_elements",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[2, 2], &[0, 0, -1, 1]), f(&[2, 2], &[10.0, 20.0, 0.5, NAN])],
        "axis = 1",
        &[f(&[2, 3], &[20.0, 2.0, 3.0, 4.0, NAN, 0.5])],
    );
    check(
        "scatter_elements",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[2, 2], &[0, 0, -1, 1]), f(&[2, 2], &[10.0, 20.0, 0.5, NAN])],
        "axis = 1, reduction = \"add\"",
        &[f(&[2, 3], &[31.0, 2.0, 3.0, 4.0, NAN, 6.5])],
    );
    check(
        "scatter_elements",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[2, 2], &[0, 0, -1, 1]), f(&[2, 2], &[10.0, 20.0, 0.5, NAN])],
        "axis = 1, reduction = \"mul\"",
        &[f(&[2, 3], &[200.0, 2.0, 3.0, 4.0, NAN, 3.0])],
    );
    check(
        "scatter_elements",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[2, 2], &[0, 0, -1, 1]), f(&[2, 2], &[10.0, 20.0, 0.5, NAN])],
        "axis = 1, reduction = \"max\"",
        &[f(&[2, 3], &[20.0, 2.0, 3.0, 4.0, NAN, 6.0])],
    );
    check(
        "scatter_elements",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[2, 2], &[0, 0, -1, 1]), f(&[2, 2], &[10.0, 20.0, 0.5, NAN])],
        "axis = 1, reduction = \"min\"",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, NAN, 0.5])],
    );
    let x = n(DType::U8, &[250, 5]);
    let (at, update) = (i(&[3], &[0, 0, 1]), n(DType::U8, &[3, 4, 255]));
    check(
        "scatter_elements",
        &[x.clone(), at.clone(), update.clone()],
        "axis = 0, reduction = \"add\"",
        &[n(DType::U8, &[1, 4])],
    );
    check(
        "scatter_elements",
        &[x.clone(), at.clone(), update.clone()],
        "axis = 0, reduction = \"max\"",
        &[n(DType::U8, &[250, 255])],
    );
    check("scatter_elements", &[x.clone(), at.clone(), update], "axis = 0", &[n(DType::U8, &[4, 255])]);
    let (t, u) = (b(&[2], &[0, 1]), b(&[1], &[1]));
    check(
        "scatter_elements",
        &[t.clone(), i(&[1], &[0]), u.clone()],
        "axis = 0, reduction = \"max\"",
        &[b(&[2], &[1, 1])],
    );
    let message = "x is bool[2]: reduction add needs numbers";
    refuse("scatter_elements", &[t, i(&[1], &[0]), u], "axis = 0, reduction = \"add\"", &["bool[2]"], message);
    let message = "updates is u8[1], it must be u8[3]";
    refuse("scatter_elements", &[x.clone(), at, n(DType::U8, &[1])], "axis = 0", &["u8[2]"], message);
    refuse("scatter_elements", &[x, i(&[1], &[-3]), n(DType::U8, &[1])], "axis = 0", &["u8[2]"], "index -3 is outside");
}

#[test]
fn scatter_nd() {
    check(
        "scatter_nd",
        &[
            f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            i(&[2, 1], &[1, 0]),
            f(&[2, 3], &[7.0, 8.0, 9.0, -1.0, -2.0, -3.0]),
        ],
        "",
        &[f(&[2, 3], &[-1.0, -2.0, -3.0, 7.0, 8.0, 9.0])],
    );
    check(
        "scatter_nd",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[3, 2], &[0, 0, 0, 0, 1, -1]), f(&[3], &[10.0, 2.0, 0.5])],
        "reduction = \"add\"",
        &[f(&[2, 3], &[13.0, 2.0, 3.0, 4.0, 5.0, 6.5])],
    );
    check(
        "scatter_nd",
        &[f(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), i(&[3, 2], &[0, 0, 0, 0, 1, -1]), f(&[3], &[10.0, 2.0, 0.5])],
        "",
        &[f(&[2, 3], &[2.0, 2.0, 3.0, 4.0, 5.0, 0.5])],
    );
    check("scatter_nd", &[f(&[2, 0], &[]), i(&[1, 1], &[1]), f(&[1, 0], &[])], "", &[f(&[2, 0], &[])]);
    check("scatter_nd", &[i(&[2], &[1, 2]), i(&[0, 1], &[]), i(&[0], &[])], "", &[i(&[2], &[1, 2])]);
    let x = i(&[2], &[1, 2]);
    refuse("scatter_nd", &[x.clone(), i(&[1, 1], &[2]), i(&[1], &[0])], "", &["i64[2]"], "index 2 is outside");
    refuse(
        "scatter_nd",
        &[x.clone(), i(&[1, 1], &[0]), i(&[2], &[0, 0])],
        "",
        &["i64[2]"],
        "updates is i64[2], it must be i64[1]",
    );
    refuse("scatter_nd", &[x, i(&[1, 1], &[0]), f(&[1], &[0.0])], "", &["i64[2]"], "updates is f32[1]");
}

#[test]
fn dyn_slice() {
    check(
        "dyn_slice",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[2], &[1, 1])],
        "sizes = [1, 2]",
        &[f(&[1, 2], &[4.0, 5.0])],
    );
    check(
        "dyn_slice",
        &[f(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), i(&[2], &[-5, 9])],
        "sizes = [1, 2]",
        &[f(&[1, 2], &[1.0, 2.0])],
    );
    check("dyn_slice", &[f(&[], &[1.0]), i(&[0], &[])], "sizes = []", &[f(&[], &[1.0])]);
    check("dyn_slice", &[i(&[2], &[1, 2]), i(&[1], &[i64::MAX])], "sizes = [0]", &[i(&[0], &[])]);
    check("dyn_slice", &[i(&[0], &[]), i(&[1], &[i64::MIN])], "sizes = [0]", &[i(&[0], &[])]);
    let x = i(&[2], &[1, 2]);
    refuse(
        "dyn_slice",
        &[x.clone(), i(&[1], &[0])],
        "sizes = [3]",
        &["i64[3]"],
        "3 elements are more than axis 0 of x has, i64[2]",
    );
    refuse(
        "dyn_slice",
        &[x.clone(), i(&[2], &[0, 0])],
        "sizes = [1]",
        &["i64[1]"],
        "starts is i64[2], it must be i64[1]",
    );
    refuse("dyn_slice", &[x, n(DType::I32, &[0])], "sizes = [1]", &["i64[1]"], "starts is i32[1]");
}
