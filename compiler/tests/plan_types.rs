//! What element types ask of generated code: half floats, f64, integers of every size, bools.

mod native;

use native::{check, op};

#[test]
fn attention_over_every_float() {
    for dtype in ["f16", "bf16", "f64"] {
        let three = [&*format!("{dtype}[2,3,N,8]"), &format!("{dtype}[2,3,N,8]"), &format!("{dtype}[2,3,N,6]")];
        op(&three, "attention(%0, %1, %2) {scale = 0.35}");
        op(&three, "attention(%0, %1, %2) {scale = 0.35, causal = true}");
        let four = [three[0], three[1], three[2], &format!("{dtype}[N,N]")];
        op(&four, "attention(%0, %1, %2, %3) {scale = 0.35}");
    }
}

#[test]
fn causal_attention_with_fewer_keys_than_queries() {
    for guard in [false, true] {
        for dtype in ["f32", "f64"] {
            check(&format!(
                "(%0 \"q\": {dtype}[2,5,4], %1 \"k\": {dtype}[2,3,4], %2 \"v\": {dtype}[2,3,6]) {{
                  %3 = attention(%0, %1, %2) {{scale = 0.5, causal = true, nan_to_zero = {guard}}} return %3 \"y\" }}"
            ));
        }
    }
    // Whether there are fewer depends on the size.
    check(
        "symbol N : 0..512
         graph(%0 \"q\": f32[2,N,4], %1 \"k\": f32[2,7,4]) {
           %2 = attention(%0, %1, %1) {scale = 0.5, causal = true} return %2 \"y\" }",
    );
}

#[test]
fn attention_under_windows() {
    let reaches = ["left = 5, right = 0", "left = 3, right = 4", "left = 0, causal = true", "left = 7", "right = 2"];
    for reach in reaches {
        for dtype in ["f32", "f16", "f64"] {
            let four = [&*format!("{dtype}[2,3,N,8]"), &format!("{dtype}[2,3,N,8]"), &format!("{dtype}[2,3,N,6]")];
            op(&four, &format!("attention(%0, %1, %2) {{scale = 0.35, {reach}}}"));
            let four = [four[0], four[1], four[2], &format!("{dtype}[N,N]")];
            op(&four, &format!("attention(%0, %1, %2, %3) {{scale = 0.35, {reach}}}"));
        }
        // Several tiles, each of which sees keys of its own; more keys than queries, fewer, and as many by chance.
        for (queries, keys) in [("300", "340"), ("250", "250"), ("9", "4"), ("N", "140")] {
            let symbol = if queries == "N" { "symbol N : 0..512\n" } else { "" };
            check(&format!(
                "{symbol}graph(%0 \"q\": f32[2,{queries},8], %1 \"k\": f32[2,{keys},8], %2 \"v\": f32[2,{keys},20]) {{
                   %3 = attention(%0, %1, %2) {{scale = 0.5, {reach}}} return %3 \"y\" }}"
            ));
        }
    }
}

#[test]
fn antialiased_resizes() {
    for mode in ["linear", "cubic"] {
        for rest in ["", ", exclude_outside = true", ", coordinates = \"align_corners\""] {
            let attrs = format!("mode = \"{mode}\", antialias = true{rest}");
            op(&["f32[2,9,11,3]"], &format!("resize(%0) {{sizes = [2, 4, 5, 3], {attrs}}}"));
            op(&["f16[1,9,7]"], &format!("resize(%0) {{sizes = [1, 4, 16], {attrs}}}"));
        }
        // 0.625 and 1.0 as stated scales
        op(
            &["f64[1,9]"],
            &format!(
                "resize(%0) {{sizes = [1, 5], mode = \"{mode}\", antialias = true, \
                 scale_bits = [4607182418800017408, 4603804719079489536]}}"
            ),
        );
    }
    op(&["f32[N,8]"], "resize(%0) {sizes = [N, 3], mode = \"linear\", antialias = true}");
}

#[test]
fn nearest_resize_keeps_large_integers() {
    check(
        "() { %0 = const i64[2] [9007199254740993, -9223372036854775807]
              %1 = resize(%0) {sizes = [4]} return %1 \"y\" }",
    );
    op(&["bool[N,4]"], "resize(%0) {sizes = [N, 7]}");
}

#[test]
fn integer_powers_wrap() {
    for dtype in ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"] {
        op(&[&format!("{dtype}[N,5]"), &format!("{dtype}[N,5]")], "pow(%0, %1)");
        check(&format!(
            "(%0 \"x\": {dtype}[4]) {{ %1 = const {dtype}[4] [3, 7, 13, 1] %2 = const {dtype}[4] [41, 63, 2, 100]
              %3 = pow(%1, %2) %4 = bitxor(%3, %0) return %4 \"y\" }}"
        ));
    }
    check(
        "(%0 \"x\": i64[5]) { %1 = const i64[5] [-1, 2, 0, 1, -1] %2 = const i64[5] [-3, -1, -2, -9, -4]
          %3 = pow(%1, %2) %4 = bitxor(%3, %0) return %4 \"y\" }",
    );
}

#[test]
fn integer_clips_hold_any_bound() {
    for dtype in ["i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"] {
        for (lo, hi) in [("-5.0", "300.0"), ("-inf", "1.5"), ("0.5", "inf"), ("-1e30", "1e30"), ("2.0", "-2.0")] {
            op(&[&format!("{dtype}[N,5]")], &format!("clip(%0) {{lo = {lo}, hi = {hi}}}"));
        }
    }
    check(
        "(%0 \"x\": u64[2]) { %1 = const u64[2] [18446744073709551615, 5]
          %2 = bitor(%0, %1) %3 = clip(%2) {lo = 3.0, hi = 1e19} return %3 \"y\" }",
    );
}

#[test]
fn casts_to_half_floats_round_once() {
    // Just above and below a tie, which f32 would make a tie; beyond both ranges; subnormal.
    let values =
        "[1.000488281250001, 1.000488281249999, -1.000488281250001, 1e300, -1e300, 1e-300, 65519.999999, 3.1e-8]";
    for to in ["f16", "bf16"] {
        check(&format!(
            "(%0 \"x\": f64[8]) {{ %1 = const f64[8] {values} %2 = mul(%0, %1) %3 = add(%2, %1) %4 = cast(%3) {{to = {to}}}
              %5 = cast(%1) {{to = {to}}} return %4 \"y\", %5 \"z\" }}"
        ));
        for from in ["i32", "i64", "u32", "u64"] {
            check(&format!(
                "(%0 \"x\": {from}[4]) {{ %1 = const {from}[4] [16842753, 16842751, 2147483647, 65519]
                  %2 = bitand(%0, %1) %3 = bitxor(%2, %1) %4 = cast(%3) {{to = {to}}} return %4 \"y\" }}"
            ));
        }
    }
}

#[test]
fn bitcasts() {
    let of_size =
        [&["i8", "u8", "bool"][..], &["i16", "u16", "f16", "bf16"], &["i32", "u32", "f32"], &["i64", "u64", "f64"]];
    for types in of_size {
        for from in types {
            for to in types {
                op(&[&format!("{from}[N,5]")], &format!("bitcast(%0) {{to = {to}}}"));
            }
        }
    }
}

#[test]
fn bools_reduce() {
    for name in ["reduce_max", "reduce_min"] {
        op(&["bool[N,5]"], &format!("{name}(%0) {{axes = [1], keepdims = false}}"));
        op(&["bool[N,0]"], &format!("{name}(%0) {{axes = [1]}}"));
    }
}

#[test]
fn products_broadcast_both_ways() {
    for dtype in ["f32", "f64"] {
        let (a, b) = (format!("{dtype}[3,1,N,4]"), format!("{dtype}[1,2,4,5]"));
        op(&[&a, &b], "matmul(%0, %1)");
        let b = format!("{dtype}[1,2,5,4]");
        check(&format!(
            "symbol N : 0..512
             graph(%0 \"a\": {a}, %1 \"b\": {b}) {{ %2 = transpose(%1) {{perm = [0, 1, 3, 2]}}
               %3 = matmul(%0, %2) return %3 \"y\" }}"
        ));
    }
}
