//! Windows, channels last: conv, conv_transpose, max_pool, avg_pool. Expected values: onnxruntime, transposed.

use super::{INF, NAN, check, f, i, n, refuse};
use lathe_ir::DType;

#[test]
fn conv() {
    check(
        "conv",
        &[
            f(&[1, 4, 2], &[2.0, -2.0, -0.75, 1.75, -1.5, 0.75, -0.75, 0.25]),
            f(&[2, 2, 2], &[-1.0, 0.0, -1.25, 1.25, 0.0, -2.0, -1.0, 1.0]),
        ],
        "strides = [1], dilations = [1], pads_before = [0], pads_after = [0]",
        &[f(&[1, 3, 2], &[2.6875, 5.25, -0.5, 2.0, 0.875, 1.0])],
    );
    check(
        "conv",
        &[
            f(&[1, 4, 2], &[2.0, -2.0, -0.75, 1.75, -1.5, 0.75, -0.75, 0.25]),
            f(&[2, 2, 2], &[-1.0, 0.0, -1.25, 1.25, 0.0, -2.0, -1.0, 1.0]),
            f(&[2], &[0.0, -0.5]),
        ],
        "strides = [2], dilations = [2], pads_before = [1], pads_after = [0]",
        &[f(&[1, 2, 2], &[2.1875, 2.75, -1.125, -0.5])],
    );
    check(
        "conv",
        &[
            f(&[1, 4, 2], &[2.0, -2.0, -0.75, 1.75, -1.5, 0.75, -0.75, 0.25]),
            f(&[2, 2, 2], &[-1.0, 0.0, -1.25, 1.25, 0.0, -2.0, -1.0, 1.0]),
            f(&[2], &[0.0, -0.5]),
            f(&[1, 2, 2], &[-1.0, 0.5, -1.75, 0.75]),
        ],
        "strides = [2], dilations = [2], pads_before = [1], pads_after = [0], act = \"relu\"",
        &[f(&[1, 2, 2], &[1.1875, 3.25, 0.0, 0.25])],
    );
    check(
        "conv",
        &[
            f(
                &[1, 3, 3, 2],
                &[
                    0.0, 1.0, 1.75, -1.0, 1.75, 1.0, -1.25, 0.75, 0.5, -1.25, 0.5, -0.5, -1.0, 1.5, -0.75, 1.5, 0.0,
                    0.75,
                ],
            ),
            f(
                &[4, 1, 2, 2],
                &[-2.0, 0.75, -1.25, 1.25, 1.75, -0.25, 2.0, 1.0, -0.75, 1.5, -0.5, -1.75, 0.5, 1.5, 0.75, -0.5],
            ),
        ],
        "strides = [2, 1], dilations = [1, 1], pads_before = [1, 0], pads_after = [0, 1], groups = 2",
        &[f(
            &[1, 2, 3, 4],
            &[
                2.1875, 1.75, 1.25, 1.25, 0.0, 5.25, -1.25, -1.25, -2.1875, 3.5, -0.5, 0.75, 3.1875, -5.0625, -5.8125,
                -1.125, 0.3125, -0.75, -1.875, -0.625, -1.0, 0.875, 0.0, 0.3125,
            ],
        )],
    );
    check(
        "conv",
        &[
            f(&[1, 2, 2, 2, 1], &[1.75, 0.0, -0.5, -1.5, -1.25, 0.75, 1.25, -1.0]),
            f(&[1, 1, 2, 1, 2], &[0.5, 1.5, -1.5, -1.0]),
        ],
        "strides = [1, 1, 1], dilations = [1, 1, 1], pads_before = [0, 0, 0], pads_after = [0, 0, 0]",
        &[f(&[1, 1, 2, 1, 1], &[2.0, -3.375])],
    );
    let plain = "strides = [1], dilations = [1], pads_before = [0], pads_after = [0]";
    // No channels: only the bias is left. No elements, no features, windows on padding alone.
    check("conv", &[f(&[1, 2, 0], &[]), f(&[1, 0, 2], &[]), f(&[1], &[3.0])], plain, &[f(&[1, 1, 1], &[3.0])]);
    check("conv", &[f(&[0, 2, 1], &[]), f(&[1, 1, 2], &[0.0; 2])], plain, &[f(&[0, 1, 1], &[])]);
    check("conv", &[f(&[1, 1, 1], &[1.0]), f(&[1, 1, 2], &[0.0; 2])], plain, &[f(&[1, 0, 1], &[])]);
    check("conv", &[f(&[1, 1, 1], &[1.0]), f(&[0, 1, 1], &[])], plain, &[f(&[1, 1, 0], &[])]);
    let wide = "strides = [2], dilations = [3], pads_before = [2], pads_after = [2]";
    check("conv", &[f(&[1, 1, 1], &[1.0]), f(&[1, 1, 2], &[5.0, 7.0])], wide, &[f(&[1, 1, 1], &[0.0])]);
    let huge = "strides = [1152921504606846976], dilations = [1], pads_before = [0], pads_after = [1099511627776]";
    check("conv", &[f(&[1, 1, 1], &[2.0]), f(&[1, 1, 1], &[5.0])], huge, &[f(&[1, 1, 1], &[10.0])]);
    let (x, w) = (f(&[1, 2, 2], &[0.0; 4]), f(&[2, 2, 1], &[0.0; 4]));
    let refused = |operands: &[lathe_ir::Tensor], attrs: &str, message: &str| {
        refuse("conv", operands, attrs, &["f32[1,2,2]"], message);
    };
    refused(&[x.clone(), f(&[2, 1, 1], &[0.0; 2])], plain, "channels of x and of w times groups differ: 2 and 1");
    refused(
        &[x.clone(), w.clone()],
        &format!("{plain}, groups = 3"),
        "groups is 3, which does not divide the 2 channels of w",
    );
    refused(&[x.clone(), w.clone()], &format!("{plain}, groups = 0"), "groups is 0");
    refused(
        &[x.clone(), w.clone()],
        &plain.replace("strides = [1]", "strides = [0]"),
        "strides is [0], 1 entries of at least 1",
    );
    refused(&[x.clone(), w.clone()], &plain.replace("strides = [1]", "strides = [1, 1]"), "strides is [1, 1]");
    refused(&[x.clone(), w.clone()], &plain.replace("dilations = [1]", "dilations = [-1]"), "dilations is [-1]");
    refused(&[x.clone(), w.clone()], &plain.replace("before = [0]", "before = [-1]"), "pads_before is [-1]");
    refused(
        &[x.clone(), f(&[1, 2, 4], &[0.0; 8])],
        plain,
        "the window of w, f32[1,2,4], is longer than spatial axis 0 of f32[1,2,2]",
    );
    refused(&[x.clone(), w.clone(), f(&[1], &[0.0])], plain, "bias is f32[1], it must be f32[2]");
    refused(
        &[x.clone(), w.clone(), f(&[2], &[0.0; 2]), f(&[1, 2, 1], &[0.0; 2])],
        plain,
        "residual is f32[1,2,1], it must be f32[1,2,2]",
    );
    refused(&[f(&[1, 2], &[0.0; 2]), w.clone()], plain, "x is f32[1,2], it must be [N, 1 to 3 spatial axes, C]");
    refused(&[x.clone(), f(&[2, 2, 1, 1], &[0.0; 4])], plain, "w is f32[2,2,1,1], it must have as many axes as x");
    refused(&[i(&[1, 2, 2], &[0; 4]), w], plain, "x is i64[1,2,2], floats are needed");
    refused(&[x, i(&[2, 2, 1], &[0; 4])], plain, "w is i64[2,2,1], f32 is needed");
}

#[test]
fn conv_transpose() {
    check(
        "conv_transpose",
        &[
            f(&[1, 3, 2], &[0.0, -0.5, 0.25, -1.5, -0.5, 0.5]),
            f(&[2, 1, 3], &[1.75, -1.25, 1.25, -1.25, -2.0, 1.0]),
            f(&[1], &[-1.25]),
        ],
        "strides = [1], dilations = [1], pads_before = [0], pads_after = [0], output_padding = [0], groups = 1",
        &[f(&[1, 5, 1], &[-0.625, 2.0625, -0.5625, -2.8125, -1.375])],
    );
    check(
        "conv_transpose",
        &[f(&[1, 3, 2], &[0.0, -0.5, 0.25, -1.5, -0.5, 0.5]), f(&[2, 1, 3], &[1.75, -1.25, 1.25, -1.25, -2.0, 1.0])],
        "strides = [2], dilations = [2], pads_before = [1], pads_after = [0], output_padding = [1], groups = 1",
        &[f(&[1, 9, 1], &[0.0, 3.3125, 0.0, 0.6875, 0.0, -1.5625, 0.0, -0.125, 0.0])],
    );
    check(
        "conv_transpose",
        &[
            f(&[1, 2, 2, 2], &[1.0, 1.75, -0.75, 0.0, 0.25, -1.25, 1.75, -1.0]),
            f(&[2, 2, 2, 1], &[1.5, 0.5, -1.5, 1.75, 2.0, 2.0, 0.5, 2.0]),
            f(&[4], &[0.5, 0.0, 2.0, 0.5]),
        ],
        "strides = [2, 1], dilations = [1, 1], pads_before = [0, 0], pads_after = [0, 0], output_padding = [1, 0], groups = 2",
        &[f(
            &[1, 5, 2, 4],
            &[
                2.0, -1.5, 5.5, 1.375, -0.625, 1.125, 2.0, 0.5, 1.0, 1.75, 5.5, 4.0, 0.125, -1.3125, 2.0, 0.5, 0.875,
                -0.375, -0.5, -0.125, 3.125, -2.625, 0.0, 0.0, 0.625, 0.4375, -0.5, -2.0, 1.375, 3.0625, 0.0, -1.5,
                0.5, 0.0, 2.0, 0.5, 0.5, 0.0, 2.0, 0.5,
            ],
        )],
    );
    let plain = "strides = [1], dilations = [1], pads_before = [0], pads_after = [0], output_padding = [0]";
    check(
        "conv_transpose",
        &[f(&[1, 2, 0], &[]), f(&[0, 1, 1], &[]), f(&[1], &[3.0])],
        plain,
        &[f(&[1, 2, 1], &[3.0, 3.0])],
    );
    check("conv_transpose", &[f(&[1, 0, 1], &[]), f(&[1, 1, 2], &[0.0; 2])], plain, &[f(&[1, 1, 1], &[0.0])]);
    check("conv_transpose", &[f(&[0, 1, 1], &[]), f(&[1, 1, 1], &[0.0])], plain, &[f(&[0, 1, 1], &[])]);
    let (x, w) = (f(&[1, 1, 2], &[0.0; 2]), f(&[2, 1, 1], &[0.0; 2]));
    let refused = |attrs: &str, message: &str| {
        refuse("conv_transpose", &[x.clone(), w.clone()], attrs, &["f32[1,1,1]"], message);
    };
    refused(
        &plain.replace("before = [0]", "before = [2]"),
        "the pads cut off more than spatial axis 0 of f32[1,1,2] spreads to",
    );
    refused(&plain.replace("padding = [0]", "padding = [-1]"), "output_padding is [-1]");
    refused(&format!("{plain}, groups = 3"), "groups is 3");
    refuse(
        "conv_transpose",
        &[x.clone(), f(&[1, 1, 1], &[0.0])],
        plain,
        &["f32[1,1,1]"],
        "channels of x and w differ: 2 and 1",
    );
    refuse(
        "conv_transpose",
        &[x.clone(), w.clone(), f(&[2], &[0.0; 2])],
        plain,
        &["f32[1,1,1]"],
        "bias is f32[2], it must be f32[1]",
    );
}

#[test]
fn max_pool() {
    check(
        "max_pool",
        &[f(&[1, 5, 2], &[1.25, 0.25, -0.75, -0.5, 1.25, -2.0, 2.0, -1.75, -2.0, -1.0])],
        "kernel = [2], strides = [2], dilations = [1], pads_before = [0], pads_after = [0]",
        &[f(&[1, 2, 2], &[1.25, 0.25, 2.0, -1.75])],
    );
    check(
        "max_pool",
        &[f(&[1, 5, 2], &[1.25, 0.25, -0.75, -0.5, 1.25, -2.0, 2.0, -1.75, -2.0, -1.0])],
        "kernel = [2], strides = [2], dilations = [1], pads_before = [0], pads_after = [0], ceil = true",
        &[f(&[1, 3, 2], &[1.25, 0.25, 2.0, -1.75, -2.0, -1.0])],
    );
    check(
        "max_pool",
        &[f(&[1, 4, 3, 1], &[-1.25, 1.0, -1.25, 0.5, 1.5, 0.0, -1.5, -1.75, -0.75, -0.25, 0.0, -0.75])],
        "kernel = [3, 2], strides = [2, 1], dilations = [1, 1], pads_before = [1, 1], pads_after = [1, 0]",
        &[f(&[1, 2, 3, 1], &[0.5, 1.5, 1.5, 0.5, 1.5, 1.5])],
    );
    check(
        "max_pool",
        &[f(&[1, 4, 3, 1], &[-1.25, 1.0, -1.25, 0.5, 1.5, 0.0, -1.5, -1.75, -0.75, -0.25, 0.0, -0.75])],
        "kernel = [2, 2], strides = [1, 2], dilations = [2, 1], pads_before = [0, 1], pads_after = [1, 1], ceil = true",
        &[f(&[1, 3, 2, 1], &[-1.25, 1.0, 0.5, 1.5, -1.5, -0.75])],
    );
    let plain = "kernel = [2], strides = [1], dilations = [1], pads_before = [0], pads_after = [0]";
    check("max_pool", &[f(&[1, 3, 1], &[1.0, NAN, 2.0])], plain, &[f(&[1, 2, 1], &[NAN, NAN])]);
    check("max_pool", &[f(&[1, 2, 0], &[])], plain, &[f(&[1, 1, 0], &[])]);
    check("max_pool", &[f(&[0, 2, 1], &[])], plain, &[f(&[0, 1, 1], &[])]);
    check("max_pool", &[f(&[1, 1, 1], &[0.0])], plain, &[f(&[1, 0, 1], &[])]);
    // Two taps, two apart, around the only element: the window meets none.
    let apart = plain.replace("dilations = [1]", "dilations = [2]").replace("[0]", "[1]");
    check("max_pool", &[f(&[1, 1, 1], &[5.0])], &apart, &[f(&[1, 1, 1], &[-INF])]);
    let x = f(&[1, 2, 1], &[0.0; 2]);
    let refused =
        |attrs: &str, message: &str| refuse("max_pool", std::slice::from_ref(&x), attrs, &["f32[1,1,1]"], message);
    refused(
        &plain.replace("kernel = [2]", "kernel = [4]"),
        "a window of 4 is longer than spatial axis 0 of x, f32[1,2,1]",
    );
    refused(&plain.replace("kernel = [2]", "kernel = [0]"), "kernel is [0]");
    refused(&plain.replace("kernel = [2]", "kernel = [2, 2]"), "kernel is [2, 2]");
    refused(
        &plain.replace("after = [0]", "after = [2]"),
        "pads 0 and 2 of spatial axis 0 must be shorter than the window, which spans 2",
    );
    refused(&plain.replace("strides = [1]", "strides = [0]"), "strides is [0]");
    refuse(
        "max_pool",
        &[f(&[2, 1], &[0.0; 2])],
        plain,
        &["f32[1,1]"],
        "x is f32[2,1], it must be [N, 1 to 3 spatial axes, C]",
    );
    let bytes = lathe_ir::Tensor::from_i64(DType::I8, &[1, 3, 1], &[-5, -7, 3]);
    check("max_pool", &[bytes], plain, &[lathe_ir::Tensor::from_i64(DType::I8, &[1, 2, 1], &[-5, 3])]);
    check("max_pool", &[f(&[1, 3, 1], &[-INF, -INF, 2.0])], plain, &[f(&[1, 2, 1], &[-INF, 2.0])]);
}

#[test]
fn avg_pool() {
    check(
        "avg_pool",
        &[f(&[1, 5, 2], &[1.25, 0.25, -0.75, -0.5, 1.25, -2.0, 2.0, -1.75, -2.0, -1.0])],
        "kernel = [2], strides = [2], dilations = [1], pads_before = [0], pads_after = [0]",
        &[f(&[1, 2, 2], &[0.25, -0.125, 1.625, -1.875])],
    );
    check(
        "avg_pool",
        &[f(&[1, 5, 2], &[1.25, 0.25, -0.75, -0.5, 1.25, -2.0, 2.0, -1.75, -2.0, -1.0])],
        "kernel = [2], strides = [2], dilations = [1], pads_before = [0], pads_after = [0], ceil = true",
        &[f(&[1, 3, 2], &[0.25, -0.125, 1.625, -1.875, -2.0, -1.0])],
    );
    check(
        "avg_pool",
        &[f(&[1, 4, 3, 1], &[-1.25, 1.0, -1.25, 0.5, 1.5, 0.0, -1.5, -1.75, -0.75, -0.25, 0.0, -0.75])],
        "kernel = [3, 2], strides = [2, 1], dilations = [1, 1], pads_before = [1, 1], pads_after = [1, 0]",
        &[f(&[1, 2, 3, 1], &[-0.375, 0.4375, 0.3125, -0.41666666, -0.25, -0.29166666])],
    );
    check(
        "avg_pool",
        &[f(&[1, 4, 3, 1], &[-1.25, 1.0, -1.25, 0.5, 1.5, 0.0, -1.5, -1.75, -0.75, -0.25, 0.0, -0.75])],
        "kernel = [2, 2], strides = [1, 2], dilations = [2, 1], pads_before = [0, 1], pads_after = [1, 1], ceil = true",
        &[f(&[1, 3, 2, 1], &[-1.375, -0.6875, 0.125, 0.1875, -1.5, -1.25])],
    );
    check(
        "avg_pool",
        &[f(&[1, 5, 2], &[1.25, 0.25, -0.75, -0.5, 1.25, -2.0, 2.0, -1.75, -2.0, -1.0])],
        "kernel = [3], strides = [2], dilations = [1], pads_before = [1], pads_after = [1], ceil = true, count_include_pad = true",
        &[f(&[1, 3, 2], &[0.16666667, -0.083333336, 0.8333333, -1.4166666, 0.0, -0.9166667])],
    );
    check(
        "avg_pool",
        &[f(&[1, 5, 2], &[1.25, 0.25, -0.75, -0.5, 1.25, -2.0, 2.0, -1.75, -2.0, -1.0])],
        "kernel = [3], strides = [3], dilations = [1], pads_before = [1], pads_after = [0], ceil = true, count_include_pad = true",
        &[f(&[1, 2, 2], &[0.16666667, -0.083333336, 0.41666666, -1.5833334])],
    );
    check(
        "avg_pool",
        &[f(&[1, 4, 3, 1], &[-1.25, 1.0, -1.25, 0.5, 1.5, 0.0, -1.5, -1.75, -0.75, -0.25, 0.0, -0.75])],
        "kernel = [3, 2], strides = [2, 1], dilations = [1, 1], pads_before = [1, 1], pads_after = [1, 0], count_include_pad = true",
        &[f(&[1, 2, 3, 1], &[-0.125, 0.29166666, 0.20833333, -0.20833333, -0.25, -0.29166666])],
    );
    check(
        "avg_pool",
        &[f(&[1, 4, 3, 1], &[-1.25, 1.0, -1.25, 0.5, 1.5, 0.0, -1.5, -1.75, -0.75, -0.25, 0.0, -0.75])],
        "kernel = [2, 2], strides = [1, 2], dilations = [2, 1], pads_before = [0, 1], pads_after = [1, 1], ceil = true, count_include_pad = true",
        &[f(&[1, 3, 2, 1], &[-0.6875, -0.6875, 0.0625, 0.1875, -0.375, -0.625])],
    );
    let plain = "kernel = [2], strides = [1], dilations = [1], pads_before = [0], pads_after = [0]";
    check("avg_pool", &[f(&[1, 3, 1], &[1.0, NAN, 2.0])], plain, &[f(&[1, 2, 1], &[NAN, NAN])]);
    check("avg_pool", &[f(&[1, 2, 0], &[])], plain, &[f(&[1, 1, 0], &[])]);
    check("avg_pool", &[f(&[0, 2, 1], &[])], plain, &[f(&[0, 1, 1], &[])]);
    check("avg_pool", &[f(&[1, 1, 1], &[0.0])], plain, &[f(&[1, 0, 1], &[])]);
    // Two taps, two apart, around the only element: the window meets none.
    let apart = plain.replace("dilations = [1]", "dilations = [2]").replace("[0]", "[1]");
    check("avg_pool", &[f(&[1, 1, 1], &[5.0])], &apart, &[f(&[1, 1, 1], &[0.0])]);
    let x = f(&[1, 2, 1], &[0.0; 2]);
    let refused =
        |attrs: &str, message: &str| refuse("avg_pool", std::slice::from_ref(&x), attrs, &["f32[1,1,1]"], message);
    refused(
        &plain.replace("kernel = [2]", "kernel = [4]"),
        "a window of 4 is longer than spatial axis 0 of x, f32[1,2,1]",
    );
    refused(&plain.replace("kernel = [2]", "kernel = [0]"), "kernel is [0]");
    refused(&plain.replace("kernel = [2]", "kernel = [2, 2]"), "kernel is [2, 2]");
    refused(
        &plain.replace("after = [0]", "after = [2]"),
        "pads 0 and 2 of spatial axis 0 must be shorter than the window, which spans 2",
    );
    refused(&plain.replace("strides = [1]", "strides = [0]"), "strides is [0]");
    refuse(
        "avg_pool",
        &[f(&[2, 1], &[0.0; 2])],
        plain,
        &["f32[1,1]"],
        "x is f32[2,1], it must be [N, 1 to 3 spatial axes, C]",
    );
    refuse("avg_pool", &[i(&[1, 2, 1], &[0, 0])], plain, &["i64[1,1,1]"], "floats are needed");
    refuse("avg_pool", &[n(DType::I8, &[0])], plain, &["i8[1]"], "floats are needed");
}
