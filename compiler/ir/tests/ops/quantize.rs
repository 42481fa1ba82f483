//! Quantisation, by hand.

use super::{INF, NAN, check, f, refuse};

#[test]
fn quantize() {
    check(
        "quantize",
        &[f(&[8], &[0.0, 2.0, 3.0, 5.0, 1000.0, -1000.0, NAN, INF]), f(&[], &[2.0]), f(&[], &[128.0])],
        "",
        &[f(&[8], &[128.0, 129.0, 130.0, 130.0, 255.0, 0.0, NAN, 255.0])],
    );
    check(
        "quantize",
        &[f(&[2, 3], &[1.0, 2.5, -7.5, 1.0, 2.5, -7.5]), f(&[2, 1], &[1.0, 0.5]), f(&[3], &[0.0, 1.0, 2.0])],
        "lo = -8.0, hi = 7.0",
        &[f(&[2, 3], &[1.0, 3.0, -6.0, 2.0, 6.0, -8.0])],
    );
    // 0.15 / 0.1 is 1.5 in f32 and less in f64.
    check("quantize", &[f(&[1], &[0.15]), f(&[1], &[0.1]), f(&[1], &[0.0])], "", &[f(&[1], &[2.0])]);
    let operands = [f(&[2], &[0.0, 1.0]), f(&[3], &[1.0; 3]), f(&[], &[0.0])];
    refuse("quantize", &operands, "", &["f32[2]"], "do not broadcast");
    let operands = [f(&[2], &[0.0, 1.0]), f(&[], &[1.0]), f(&[], &[0.0])];
    refuse("quantize", &operands, "lo = 1.0, hi = 0.0", &["f32[2]"], "the range is 1 to 0");
}
