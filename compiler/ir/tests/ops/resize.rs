//! `resize`: every mode, way to count coordinates and rounding. Expected values: onnxruntime.

use super::{check, f, i, refuse};

#[test]
fn resize_nearest() {
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [6], coordinates = \"align_corners\", nearest = \"round_prefer_floor\"",
        &[f(&[6], &[1.0, 2.0, 2.0, 4.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [8], coordinates = \"asymmetric\", nearest = \"round_prefer_floor\"",
        &[f(&[8], &[1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [6], coordinates = \"align_corners\", nearest = \"round_prefer_ceil\"",
        &[f(&[6], &[1.0, 2.0, 2.0, 4.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [8], coordinates = \"asymmetric\", nearest = \"round_prefer_ceil\"",
        &[f(&[8], &[1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [6], coordinates = \"align_corners\", nearest = \"floor\"",
        &[f(&[6], &[1.0, 1.0, 2.0, 2.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [8], coordinates = \"asymmetric\", nearest = \"floor\"",
        &[f(&[8], &[1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [6], coordinates = \"align_corners\", nearest = \"ceil\"",
        &[f(&[6], &[1.0, 2.0, 4.0, 4.0, 8.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [8], coordinates = \"asymmetric\", nearest = \"ceil\"",
        &[f(&[8], &[1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], coordinates = \"half_pixel\"",
        &[f(&[5], &[1.0, 2.0, 2.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3], coordinates = \"half_pixel\"",
        &[f(&[3], &[1.0, 2.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], coordinates = \"asymmetric\"",
        &[f(&[5], &[1.0, 2.0, 4.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3], coordinates = \"asymmetric\"",
        &[f(&[3], &[1.0, 2.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], coordinates = \"align_corners\"",
        &[f(&[5], &[1.0, 2.0, 2.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3], coordinates = \"align_corners\"",
        &[f(&[3], &[1.0, 2.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], coordinates = \"pytorch_half_pixel\"",
        &[f(&[5], &[1.0, 2.0, 2.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3], coordinates = \"pytorch_half_pixel\"",
        &[f(&[3], &[1.0, 2.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], coordinates = \"half_pixel_symmetric\"",
        &[f(&[5], &[1.0, 2.0, 2.0, 4.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3], coordinates = \"half_pixel_symmetric\"",
        &[f(&[3], &[1.0, 2.0, 8.0])],
    );
    // A stated scale counts as its decimal fraction: 4 / 0.8 is 5, and (6 + 0.5) / 1.3 - 0.5 a half.
    let seven = i(&[7], &[0, 1, 2, 3, 4, 5, 6]);
    let scale = |scale: f32| f64::from(scale).to_bits();
    let attrs = format!("coordinates = \"asymmetric\", nearest = \"floor\", scale_bits = [{}]", scale(0.8));
    check("resize", std::slice::from_ref(&seven), &format!("sizes = [5], {attrs}"), &[i(&[5], &[0, 1, 2, 3, 5])]);
    let attrs = format!("scale_bits = [{}]", scale(1.3));
    check("resize", &[seven], &format!("sizes = [9], {attrs}"), &[i(&[9], &[0, 1, 1, 2, 3, 4, 4, 5, 6])]);
    // From sizes the fraction is exact: 7 * 6 / 14 is 3.
    let attrs = "sizes = [14], coordinates = \"asymmetric\", nearest = \"floor\"";
    let doubled = [0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5];
    check("resize", &[i(&[6], &[0, 1, 2, 3, 4, 5])], attrs, &[i(&[14], &doubled)]);
    check("resize", &[i(&[2], &[5, 7])], "sizes = [4]", &[i(&[4], &[5, 5, 7, 7])]);
}

#[test]
fn resize_linear() {
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"linear\", coordinates = \"half_pixel\"",
        &[f(&[7], &[1.0, 1.3571429, 1.9285715, 3.0, 4.285714, 6.5714283, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", coordinates = \"half_pixel\"",
        &[f(&[2], &[1.5, 6.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"linear\", coordinates = \"asymmetric\"",
        &[f(&[7], &[1.0, 1.5714285, 2.2857144, 3.4285715, 5.1428576, 7.4285717, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", coordinates = \"asymmetric\"",
        &[f(&[2], &[1.0, 4.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"linear\", coordinates = \"align_corners\"",
        &[f(&[7], &[1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", coordinates = \"align_corners\"",
        &[f(&[2], &[1.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"linear\", coordinates = \"pytorch_half_pixel\"",
        &[f(&[7], &[1.0, 1.3571429, 1.9285715, 3.0, 4.285714, 6.5714283, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", coordinates = \"pytorch_half_pixel\"",
        &[f(&[2], &[1.5, 6.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"linear\", coordinates = \"half_pixel_symmetric\"",
        &[f(&[7], &[1.0, 1.3571429, 1.9285715, 3.0, 4.285714, 6.5714283, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", coordinates = \"half_pixel_symmetric\"",
        &[f(&[2], &[1.5, 6.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], mode = \"linear\", scale_bits = [4608533498473480192]",
        &[f(&[5], &[1.0, 1.6538461, 2.846154, 4.769231, 7.846154])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], mode = \"linear\", coordinates = \"half_pixel_symmetric\", scale_bits = [4608533498473480192]",
        &[f(&[5], &[1.0, 1.7307692, 3.0, 5.0769234, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", coordinates = \"asymmetric\", scale_bits = [4603579539312869376]",
        &[f(&[2], &[1.0, 3.3333333])],
    );
    check(
        "resize",
        &[f(&[2, 2], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3, 4], mode = \"linear\"",
        &[f(&[3, 4], &[1.0, 1.25, 1.75, 2.0, 2.5, 3.125, 4.375, 5.0, 4.0, 5.0, 7.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", antialias = true",
        &[f(&[2], &[1.75, 5.75])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"linear\", antialias = true, scale_bits = [4603579539312869376]",
        &[f(&[2], &[1.375, 4.4444447])],
    );
}

#[test]
fn resize_cubic() {
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", coordinates = \"half_pixel\"",
        &[f(&[7], &[0.9007838, 1.2177477, 1.8504, 2.71875, 4.321247, 6.760023, 8.396862])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", coordinates = \"half_pixel\"",
        &[f(&[2], &[1.3125, 6.1875])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", coordinates = \"asymmetric\"",
        &[f(&[7], &[1.0, 1.3702627, 2.2682223, 3.0787158, 5.274054, 7.5422726, 8.419826])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", coordinates = \"asymmetric\"",
        &[f(&[2], &[1.0, 4.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", coordinates = \"align_corners\"",
        &[f(&[7], &[1.0, 1.3125, 2.0, 2.71875, 4.0, 6.1875, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", coordinates = \"align_corners\"",
        &[f(&[2], &[1.0, 8.0])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", coordinates = \"pytorch_half_pixel\"",
        &[f(&[7], &[0.9007838, 1.2177477, 1.8504, 2.71875, 4.321247, 6.760023, 8.396862])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", coordinates = \"pytorch_half_pixel\"",
        &[f(&[2], &[1.3125, 6.1875])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", coordinates = \"half_pixel_symmetric\"",
        &[f(&[7], &[0.9007838, 1.2177477, 1.8504, 2.71875, 4.321247, 6.760023, 8.396862])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", coordinates = \"half_pixel_symmetric\"",
        &[f(&[2], &[1.3125, 6.1875])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], mode = \"cubic\", scale_bits = [4608533498473480192]",
        &[f(&[5], &[0.93227994, 1.4492772, 2.6231945, 4.861829, 7.8824244])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [5], mode = \"cubic\", coordinates = \"half_pixel_symmetric\", scale_bits = [4608533498473480192]",
        &[f(&[5], &[0.9733305, 1.5378072, 2.71875, 5.2017813, 8.106677])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", coordinates = \"asymmetric\", scale_bits = [4603579539312869376]",
        &[f(&[2], &[1.0, 2.9814806])],
    );
    check(
        "resize",
        &[f(&[2, 2], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [3, 4], mode = \"cubic\"",
        &[f(
            &[3, 4],
            &[
                0.6615807, 0.9071456, 1.3116055, 1.5571704, 2.2363281, 3.0664062, 4.4335938, 5.263672, 3.8110774,
                5.2256694, 7.5555854, 8.970178,
            ],
        )],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", antialias = true",
        &[f(&[2], &[1.3398438, 5.9492188])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [2], mode = \"cubic\", antialias = true, scale_bits = [4603579539312869376]",
        &[f(&[2], &[1.1301199, 4.47619])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", cubic_a = -0.5",
        &[f(&[7], &[0.93385553, 1.2423472, 1.8954086, 2.8125, 4.233601, 6.7846203, 8.264578])],
    );
    check(
        "resize",
        &[f(&[4], &[1.0, 2.0, 4.0, 8.0])],
        "sizes = [7], mode = \"cubic\", exclude_outside = true",
        &[f(&[7], &[0.87747556, 1.196046, 1.8473895, 2.71875, 4.3342724, 6.8836026, 8.490099])],
    );
}

#[test]
fn resize_edges() {
    let x = f(&[2], &[1.0, 3.0]);
    for mode in ["nearest", "linear", "cubic"] {
        let mode = format!("mode = \"{mode}\"");
        check("resize", std::slice::from_ref(&x), &format!("sizes = [2], {mode}"), std::slice::from_ref(&x));
        check("resize", std::slice::from_ref(&x), &format!("sizes = [0], {mode}"), &[f(&[0], &[])]);
        check("resize", &[f(&[1], &[3.0])], &format!("sizes = [3], {mode}"), &[f(&[3], &[3.0; 3])]);
        check("resize", &[f(&[], &[3.0])], &format!("sizes = [], {mode}"), &[f(&[], &[3.0])]);
        check("resize", &[f(&[2, 0], &[])], &format!("sizes = [3, 0], {mode}"), &[f(&[3, 0], &[])]);
        refuse(
            "resize",
            &[f(&[0], &[])],
            &format!("sizes = [1], {mode}"),
            &["f32[1]"],
            "axis 0 of x, which is f32[0], is empty",
        );
    }
    refuse(
        "resize",
        std::slice::from_ref(&x),
        "sizes = [2, 2]",
        &["f32[2,2]"],
        "sizes is [2, 2], 1 entries are needed",
    );
    refuse(
        "resize",
        std::slice::from_ref(&x),
        "sizes = [2], scale_bits = [1, 1]",
        &["f32[2]"],
        "scale_bits has 2 entries",
    );
    refuse(
        "resize",
        std::slice::from_ref(&x),
        "sizes = [2], scale_bits = [0]",
        &["f32[2]"],
        "the scale 0 of axis 0 is not a positive number",
    );
    refuse(
        "resize",
        std::slice::from_ref(&x),
        "sizes = [2], scale_bits = [-1]",
        &["f32[2]"],
        "the scale NaN of axis 0",
    );
    refuse(
        "resize",
        std::slice::from_ref(&x),
        "sizes = [1], antialias = true, mode = \"linear\", scale_bits = [1]",
        &["f32[1]"],
        "does not take axis 0 from 2 to 1",
    );
    refuse(
        "resize",
        &[x],
        "sizes = [9], scale_bits = [4607182418800017408]",
        &["f32[9]"],
        "the scale 1 does not take axis 0 from 2 to 9",
    );
    refuse(
        "resize",
        &[i(&[2], &[5, 7])],
        "sizes = [4], mode = \"linear\"",
        &["i64[4]"],
        "x is i64[2], floats are needed",
    );
}
