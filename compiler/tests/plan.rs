//! Every op planned, compiled and run, against the reference evaluator.

#[path = "plan/bad_cases.rs"]
mod bad_cases;
#[path = "plan/bad_data.rs"]
mod bad_data;
#[path = "plan/broadcast.rs"]
mod broadcast;
#[path = "plan/data.rs"]
mod data;
#[path = "plan/empty.rs"]
mod empty;
mod native;

use lathe_compiler::plan;
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{Builder, DType, Env, Graph, Module, OpCode, TensorType};
use native::{check, check_within, op};

#[test]
fn unary_ops() {
    for name in ["neg", "abs", "sign", "relu", "square", "floor", "ceil", "round"] {
        for dtype in ["f32", "f64", "f16", "bf16", "i32", "i64", "i8"] {
            op(&[&format!("{dtype}[3,37]")], &format!("{name}(%0)"));
        }
    }
    for name in [
        "exp",
        "sin",
        "cos",
        "tan",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "erf",
        "sigmoid",
        "softplus",
        "silu",
        "mish",
        "gelu",
        "gelu_tanh",
        "hardswish",
        "sqrt",
        "log",
        "recip",
        "isnan",
        "isinf",
        "leaky_relu",
        "elu",
        "hardsigmoid",
    ] {
        for dtype in ["f32", "f64", "f16"] {
            op(&[&format!("{dtype}[5,41]")], &format!("{name}(%0)"));
        }
    }
    op(&["bool[7]"], "not(%0)");
    op(&["i32[7]"], "bitnot(%0)");
    op(&["f32[N,5]"], "clip(%0) {lo = -0.5, hi = 1.0}");
    op(&["i32[N,5]"], "clip(%0) {lo = -1.0, hi = 1.0}");
}

#[test]
fn quantisation() {
    for dtype in ["f32", "f64", "f16"] {
        let types = [format!("{dtype}[N,20]"), format!("{dtype}[20]"), format!("{dtype}[]")];
        op(&types.each_ref().map(String::as_str), "quantize(%0, %1, %2) {lo = -8.0, hi = 7.0}");
    }
    check(
        "symbol N : 0..512 ~ 32
        graph(%0 \"x\": f32[N,48], %1 \"s\": f32[48]) {
          %2 = const f32[] 3.0 %3 = exp(%0) %4 = exp(%1)
          %5 = quantize(%3, %4, %2) %6 = sub(%5, %2) %7 = mul(%6, %4) %8 = cast(%5) {to = u8}
          return %7 \"y\", %8 \"q\" }",
    );
}

#[test]
fn scalar_loops_end_where_row_kernels_begin() {
    let text = |rows: usize| {
        format!(
            "graph(%0 \"x\": f32[{rows},64], %1 \"y\": f32[]) {{
              %2 = cast(%0) {{to = i32}} %3 = neg(%2) %4 = cast(%3) {{to = f32}}
              %5 = mul(%4, %1) %6 = silu(%5) return %6 \"z\" }}"
        )
    };
    for (rows, kernels) in [(100, 2), (2, 1)] {
        check(&text(rows));
        let module = parse_module(&text(rows), &no_weights).expect("parses");
        assert_eq!(plan::plan(&module).expect("plans").program.kernels.len(), kernels, "{rows} rows");
    }
}

#[test]
fn binary_ops() {
    for name in ["add", "sub", "mul", "div", "min", "max"] {
        for dtype in ["f32", "f64", "f16", "i32", "u8", "i64"] {
            if name == "div" && matches!(dtype, "i32" | "i64") {
                continue;
            }
            op(&[&format!("{dtype}[N,1,9]"), &format!("{dtype}[4,9]")], &format!("{name}(%0, %1)"));
            op(&[&format!("{dtype}[N,19]"), &format!("{dtype}[]")], &format!("{name}(%0, %1)"));
            op(&[&format!("{dtype}[N,19]"), &format!("{dtype}[N,1]")], &format!("{name}(%0, %1)"));
        }
    }
    op(&["u32[40]", "u32[40]"], "div(%0, %1)");
    op(&["u32[40]", "u32[40]"], "rem(%0, %1)");
    op(&["f32[40]", "f32[40]"], "rem(%0, %1)");
    op(&["f32[40]", "f32[40]"], "fmod(%0, %1)");
    for name in ["eq", "lt", "le"] {
        for dtype in ["f32", "i64", "u8"] {
            op(&[&format!("{dtype}[N,9]"), &format!("{dtype}[9]")], &format!("{name}(%0, %1)"));
        }
    }
    for name in ["and", "or", "xor"] {
        op(&["bool[N,9]", "bool[9]"], &format!("{name}(%0, %1)"));
    }
    op(&["bool[N,1]", "f32[N,9]", "f32[]"], "where(%0, %1, %2)");
    op(&["bool[4]", "i64[3,1]", "i64[]"], "where(%0, %1, %2)");
}

#[test]
fn casts() {
    for from in ["f32", "f64", "f16", "bf16", "i8", "i64", "u8", "bool"] {
        for to in ["f32", "f64", "f16", "bf16", "i32", "u8", "i64", "bool"] {
            op(&[&format!("{from}[23]")], &format!("cast(%0) {{to = {to}}}"));
        }
    }
}

#[test]
fn elementwise_chains() {
    check(
        "symbol N : 0..512 ~ 32
        graph(%0 \"x\": f32[N,300], %1 \"b\": f32[300], %2 \"s\": f32[]) {
          %3 = add(%0, %1) %4 = mul(%3, %2) %5 = tanh(%4) %6 = sub(%5, %0) %7 = relu(%6)
          %8 = exp(%7) %9 = div(%8, %3) return %9 \"y\", %7 \"z\" }",
    );
    // behind a transpose, and with a cast in the middle
    check(
        "(%0 \"x\": f32[6,20,12]) {
          %1 = transpose(%0) {perm = [0, 2, 1]} %2 = exp(%1) %3 = neg(%2) %4 = add(%3, %2)
          %5 = transpose(%3) {perm = [0, 2, 1]} %6 = cast(%5) {to = i32} %7 = cast(%6) {to = f32}
          return %4 \"y\", %7 \"z\" }",
    );
}

#[test]
fn movement_ops() {
    for dtype in ["f32", "i64", "bool", "f16"] {
        op(&[&format!("{dtype}[N,6,4]")], "transpose(%0) {perm = [2, 0, 1]}");
        op(&[&format!("{dtype}[24,33]")], "transpose(%0) {perm = [1, 0]}");
        op(&[&format!("{dtype}[N,6,4]")], "reshape(%0) {shape = [2*N, 12]}");
        op(&[&format!("{dtype}[N,1,4]")], "broadcast(%0) {shape = [N, 5, 4]}");
        op(&[&format!("{dtype}[7,9]")], "slice(%0) {starts = [1, 8], sizes = [3, 4], steps = [2, -2]}");
        op(&[&format!("{dtype}[N,3]"), &format!("{dtype}[N,2]")], "concat(%0, %1) {axis = 1}");
        op(&[&format!("{dtype}[2,3]"), &format!("{dtype}[]")], "pad(%0, %1) {before = [1, 0], after = [0, 2]}");
    }
    for mode in ["reflect", "edge", "wrap"] {
        op(&["f32[4,5]"], &format!("pad(%0) {{before = [2, 1], after = [1, 3], mode = \"{mode}\"}}"));
    }
    op(&["f32[4,N]"], "iota() {shape = [3, N, 2], axis = 1, dtype = i64}");
    op(&["f32[4,N]"], "dims() {values = [N, 2*N + 1, 7]}");
    check(
        "(%0 \"x\": f32[6,4]) { %1 = transpose(%0) {perm = [1, 0]} %2 = reshape(%1) {shape = [24]} return %2 \"y\", %0 \"x\", %1 \"t\" }",
    );
}

#[test]
fn reductions() {
    for name in ["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"] {
        for (axes, keep) in [("[1]", true), ("[2]", false), ("[0, 2]", true), ("[0, 1]", false), ("[0, 1, 2]", false)] {
            op(&["f32[N,4,33]"], &format!("{name}(%0) {{axes = {axes}, keepdims = {keep}}}"));
            op(&["f32[2,4,3]"], &format!("{name}(%0) {{axes = {axes}, keepdims = {keep}}}"));
        }
        op(&["f64[2,4,3]"], &format!("{name}(%0) {{axes = [1]}}"));
    }
    op(&["i64[2,4,3]"], "reduce_sum(%0) {axes = [1]}");
    for name in ["arg_max", "arg_min"] {
        op(&["f32[N,9]"], &format!("{name}(%0) {{axis = 1}}"));
        op(&["i32[9,4]"], &format!("{name}(%0) {{axis = 0, keepdims = false, last = true}}"));
    }
    op(&["f32[N,9]"], "cumsum(%0) {axis = 1}");
    op(&["i32[9,4]"], "cumsum(%0) {axis = 0, exclusive = true, reverse = true}");
    check("(%0 \"x\": f32[5,20]) { %1, %2 = topk(%0) {axis = 1, k = [4]} return %1 \"v\", %2 \"i\" }");
    check("(%0 \"x\": i32[20,3]) { %1, %2 = topk(%0) {axis = 0, k = [7], largest = false} return %1 \"v\", %2 \"i\" }");
}

#[test]
fn softmax_and_norms() {
    for dtype in ["f32", "f64", "f16"] {
        op(&[&format!("{dtype}[N,3,40]")], "softmax(%0) {axis = 2}");
        op(&[&format!("{dtype}[4,3,40]")], "log_softmax(%0) {axis = 1}");
        op(
            &[&format!("{dtype}[N,40]"), &format!("{dtype}[40]"), &format!("{dtype}[40]")],
            "layer_norm(%0, %1, %2) {axis = 1, eps = 1e-5}",
        );
        op(&[&format!("{dtype}[N,40]"), &format!("{dtype}[40]")], "rms_norm(%0, %1) {axis = 1, eps = 1e-6}");
    }
    op(&["f32[N,8,6]"], "layer_norm(%0) {axis = 1, eps = 1e-3}");
}

#[test]
fn matmuls() {
    for dtype in ["f32", "f64", "f16", "i32"] {
        op(&[&format!("{dtype}[N,19]"), &format!("{dtype}[19,23]")], "matmul(%0, %1)");
        op(&[&format!("{dtype}[3,N,8]"), &format!("{dtype}[3,8,17]")], "matmul(%0, %1)");
    }
    op(&["f32[2,1,N,8]", "f32[3,8,40]"], "matmul(%0, %1)");
    op(&["f32[1,1,8]", "f32[4,8,40]"], "matmul(%0, %1)");
    op(&["f32[N,20]", "f32[20,33]", "f32[33]", "f32[N,33]"], "matmul(%0, %1, %2, %3) {act = \"gelu\"}");
    op(&["f32[N,20]", "f32[20,33]", "f32[33]"], "matmul(%0, %1, %2) {act = \"clip\", p0 = -1.0, p1 = 1.0}");
    check(
        "symbol N : 0..512 ~ 32
        weight @0 \"w\" : f32[96,200] = seed 1
        weight @1 \"t\" : f32[200,96] = seed 2
        weight @2 \"b\" : f32[4,16,24] = seed 3
        graph(%0 \"x\": f32[N,5,96], %1 \"y\": f32[4,N,16]) {
          %2 = const @0 %3 = matmul(%0, %2) {act = \"relu\"}
          %4 = const @1 %5 = transpose(%4) {perm = [1, 0]} %6 = matmul(%0, %5)
          %7 = const @2 %8 = matmul(%1, %7)
          %9 = transpose(%0) {perm = [1, 2, 0]} %10 = matmul(%0, %9) {act = \"tanh\"}
          return %3 \"a\", %6 \"b\", %8 \"c\" }"
            .replace("%9 = transpose(%0) {perm = [1, 2, 0]} %10 = matmul(%0, %9) {act = \"tanh\"}\n", "")
            .as_str(),
    );
    // right operand without dense rows: packed at run time
    check(
        "(%0 \"x\": f32[2,7,16], %1 \"y\": f32[2,50,16]) { %2 = transpose(%1) {perm = [0, 2, 1]} %3 = matmul(%0, %2) return %3 \"z\" }",
    );
}

#[test]
fn convolutions() {
    let conv = |x: &str, w: &str, rest: &str| {
        let symbol = if x.contains('N') { "symbol N : 0..64 ~ 4" } else { "" };
        let text = format!(
            "{symbol}
            weight @0 \"w\" : {w} = seed 5
            graph(%0 \"x\": {x}) {{ %1 = const @0 %2 = conv(%0, %1) {{{rest}}} return %2 \"y\" }}"
        );
        check(&text);
    };
    let same = "dilations = [1, 1], pads_before = [1, 1], pads_after = [1, 1]";
    conv("f32[N,9,11,5]", "f32[7,5,3,3]", &format!("strides = [1, 1], {same}"));
    conv("f32[2,9,11,5]", "f32[20,5,3,3]", &format!("strides = [2, 2], {same}, act = \"relu\""));
    conv("f32[2,9,11,6]", "f32[8,3,3,3]", &format!("strides = [1, 2], {same}, groups = 2"));
    conv("f32[N,9,11,18]", "f32[18,1,3,3]", &format!("strides = [1, 1], {same}, groups = 18"));
    conv(
        "f32[2,9,11,6]",
        "f32[34,6,1,1]",
        "strides = [1, 1], dilations = [1, 1], pads_before = [0, 0], pads_after = [0, 0]",
    );
    conv(
        "f32[2,9,11,6]",
        "f32[34,6,1,1]",
        "strides = [2, 2], dilations = [1, 1], pads_before = [0, 0], pads_after = [0, 0]",
    );
    conv(
        "f32[2,15,13,4]",
        "f32[6,4,3,2]",
        "strides = [1, 1], dilations = [2, 3], pads_before = [2, 0], pads_after = [1, 2]",
    );
    conv("f32[N,30,4]", "f32[6,4,5]", "strides = [2], dilations = [1], pads_before = [2], pads_after = [1]");
    conv(
        "f32[1,5,6,7,3]",
        "f32[4,3,2,3,2]",
        "strides = [1, 2, 1], dilations = [1, 1, 1], pads_before = [1, 1, 0], pads_after = [0, 1, 1]",
    );
    conv("f64[2,9,11,5]", "f64[7,5,3,3]", &format!("strides = [1, 1], {same}"));
    op(
        &["f32[2,9,11,6]", "f32[8,6,3,3]", "f32[8]", "f32[2,9,11,8]"],
        &format!("conv(%0, %1, %2, %3) {{strides = [1, 1], {same}, act = \"silu\"}}"),
    );
    op(
        &["f32[N,5,6,4]", "f32[4,3,2,3]", "f32[6]"],
        "conv_transpose(%0, %1, %2) {strides = [2, 3], dilations = [1, 1], pads_before = [0, 1], pads_after = [1, 0], output_padding = [1, 0], groups = 2}",
    );
}

#[test]
fn pools() {
    for dtype in ["f32", "f64", "f16"] {
        let x = format!("{dtype}[N,9,11,5]");
        let rest = "kernel = [3, 2], strides = [2, 1], dilations = [1, 1], pads_before = [1, 0], pads_after = [1, 1]";
        op(&[&x], &format!("max_pool(%0) {{{rest}}}"));
        op(&[&x], &format!("max_pool(%0) {{{rest}, ceil = true}}"));
        op(&[&x], &format!("avg_pool(%0) {{{rest}}}"));
        op(&[&x], &format!("avg_pool(%0) {{{rest}, ceil = true, count_include_pad = true}}"));
    }
}

#[test]
fn attentions() {
    op(&["f32[2,3,N,8]", "f32[2,3,N,8]", "f32[2,3,N,8]"], "attention(%0, %1, %2) {scale = 0.35}");
    op(&["f32[2,3,N,8]", "f32[2,3,N,8]", "f32[2,3,N,8]"], "attention(%0, %1, %2) {scale = 0.35, causal = true}");
    op(
        &["f32[2,3,N,8]", "f32[2,3,30,8]", "f32[2,3,30,20]", "f32[2,1,N,30]"],
        "attention(%0, %1, %2, %3) {scale = 0.35}",
    );
    // rows without any key: NaN, or 0 where the exporter guards against it
    for guard in ["true", "false"] {
        check(&format!(
            "(%0 \"q\": f32[2,5,8], %1 \"k\": f32[2,6,8]) {{
              %2 = const f32[2,1,6] [0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -inf, -inf, -inf, -inf, -inf, -inf]
              %3 = attention(%0, %1, %1, %2) {{scale = 1.0, nan_to_zero = {guard}}} return %3 \"y\" }}"
        ));
    }
    check(
        "symbol N : 0..512 ~ 32
        graph(%0 \"x\": f32[2,N,48], %1 \"m\": f32[2,1,1,N]) {
          %2 = reshape(%0) {shape = [2, N, 3, 16]} %3 = transpose(%2) {perm = [0, 2, 1, 3]}
          %4 = attention(%3, %3, %3, %1) {scale = 0.25}
          %5 = transpose(%4) {perm = [0, 2, 1, 3]} %6 = reshape(%5) {shape = [2, N, 48]} return %6 \"y\" }",
    );
}

#[test]
fn recurrent_cells() {
    for dtype in ["f32", "f64"] {
        let of = |shapes: &[&str]| -> Vec<String> {
            shapes
                .iter()
                .map(|shape| if shape.contains("u8") { shape.to_string() } else { format!("{dtype}{shape}") })
                .collect()
        };
        let cell = |shapes: &[&str], results: &str, call: &str| {
            let types = of(shapes);
            let params: Vec<String> =
                types.iter().enumerate().map(|(at, ty)| format!("%{at} \"p{at}\": {ty}")).collect();
            let first = params.len();
            let count = results.split(' ').count();
            let values: Vec<String> = (first..first + count).map(|value| format!("%{value}")).collect();
            let returned: Vec<String> = values.iter().map(|value| format!("{value} \"{value}\"")).collect();
            check(&format!(
                "symbol N : 1..64\ngraph({}) {{\n  {} = {call}\n  return {}\n}}\n",
                params.join(", "),
                values.join(", "),
                returned.join(", ")
            ));
        };
        let lstm = ["[4,N,40]", "[1,10,40]"];
        cell(&lstm, "y h c", "lstm(%0, %1)");
        cell(&["[N,9,80]", "[2,10,40]"], "y h c", "lstm(%0, %1) {direction = \"bidirectional\", clip = 0.5}");
        cell(
            &["[4,N,40]", "[1,10,40]", "[1,30]", "[1,N,10]", "[1,N,10]", "u8[N]"],
            "y h c",
            "lstm(%0, %1, %2, %3, %4, %5) {direction = \"reverse\", input_forget = true, h = \"softsign\"}",
        );
        let both = "direction = \"bidirectional\"";
        cell(&["[4,N,18]", "[2,3,9]", "[2,N,3]", "u8[N]"], "y h", &format!("gru(%0, %1, none, %2, %3) {{{both}}}"));
        cell(
            &["[4,N,18]", "[2,3,9]", "[2,3]", "u8[N]"],
            "y h",
            &format!(
                "gru(%0, %1, %2, none, %3) {{{both}, linear_before_reset = true, g = \"hardsigmoid\", g_alpha = 0.3, g_beta = 0.4}}"
            ),
        );
        for act in ["relu", "leaky_relu", "elu", "softplus", "affine", "thresholded_relu", "scaled_tanh"] {
            let attrs = format!("f = \"{act}\", f_alpha = 0.3, f_beta = 0.4, clip = 1.5");
            cell(&["[4,N,3]", "[1,3,3]", "[1,N,3]"], "y h", &format!("rnn(%0, %1, %2) {{{attrs}}}"));
        }
    }
}

#[test]
fn gathers_and_scatters() {
    op(&["f32[9,17]", "u8[N,2]"], "gather(%0, %1) {axis = 0}");
    op(&["f32[4,9,3]", "i32[5]"], "gather(%0, %1) {axis = 1}");
    op(&["i64[4,9]", "i64[]"], "gather(%0, %1) {axis = 1}");
    op(&["f32[4,9]", "i64[4,2]"], "gather_elements(%0, %1) {axis = 1}");
    op(&["f32[4,9,3]", "i64[5,2]"], "gather_nd(%0, %1)");
    op(&["f32[4,9,3]", "i64[4,5,1]"], "gather_nd(%0, %1) {batch_dims = 1}");
    for reduction in ["none", "add", "mul", "max", "min"] {
        op(
            &["f32[6,9]", "i64[4,9]", "f32[4,9]"],
            &format!("scatter_elements(%0, %1, %2) {{axis = 0, reduction = \"{reduction}\"}}"),
        );
        op(&["f32[6,5,3]", "i64[4,2]", "f32[4,3]"], &format!("scatter_nd(%0, %1, %2) {{reduction = \"{reduction}\"}}"));
    }
    op(&["f32[6,9]", "i64[2]"], "dyn_slice(%0, %1) {sizes = [3, 4]}");
}

#[test]
fn resizes() {
    for mode in ["nearest", "linear", "cubic"] {
        for coordinates in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"] {
            let rest = format!("mode = \"{mode}\", coordinates = \"{coordinates}\", nearest = \"floor\"");
            op(&["f32[N,5,6,3]"], &format!("resize(%0) {{sizes = [N, 9, 4, 3], {rest}}}"));
        }
    }
}

/// Errors up to 1e-5 of the largest value: the bound that Winograd's algorithm is held to.
#[test]
fn winograd_convolutions() {
    let rest = "strides = [1, 1], dilations = [1, 1], pads_before = [1, 1], pads_after = [1, 1]";
    let graph = |x: &str, y: &str, w: &str, rest: &str| {
        let symbol = if x.contains('N') { "symbol N : 1..64 ~ 14\n" } else { "" };
        let sizes = w.split(',').next().expect("output channels").to_owned();
        format!(
            "{symbol}weight @0 \"w\" : f32[{w}] = seed 5\nweight @1 \"b\" : f32[{sizes}] = seed 6\n\
            graph(%0 \"x\": f32[{x}], %1 \"r\": f32[{y}]) {{ %2 = const @0 %3 = const @1 \
            %4 = conv(%0, %2, %3, %1) {{{rest}}} %5 = conv(%0, %2) {{{rest}}} return %4 \"y\", %5 \"z\" }}"
        )
    };
    for (x, y, w) in [
        ("1,14,14,32", "1,14,14,48", "48,32,3,3"),
        ("2,7,7,64", "2,7,7,40", "40,64,3,3"),
        ("1,30,26,16", "1,30,26,16", "16,16,3,3"),
        ("N,5,6,16", "N,5,6,33", "33,16,3,3"),
        ("1,N,9,18", "1,N,9,16", "16,18,3,3"),
        ("1,9,N,16", "1,9,N,16", "16,16,3,3"),
    ] {
        let text = graph(x, y, w, &format!("{rest}, act = \"relu\""));
        check_within(&text, 5.0);
        let module = parse_module(&text, &no_weights).expect("parses");
        let kernels = |inexact_algorithms| {
            let planned = plan::plan_with(&module, &plan::Options { inexact_algorithms }).expect("plans");
            planned.program.kernels.iter().filter(|kernel| kernel.name.starts_with("winograd")).count()
        };
        assert_eq!((kernels(true), kernels(false)), (2, 0), "{x}");
    }
    // Integers in floats: the sums are exact, and so is the result.
    let ones = vec!["1"; 16 * 16 * 9].join(", ");
    let text = format!(
        "weight @0 \"w\" : f32[16,16,3,3] = [{ones}]\n\
        graph(%0 \"x\": i32[1,14,14,16]) {{ %1 = const @0 %2 = cast(%0) {{to = f32}} \
        %3 = conv(%2, %1) {{{rest}}} %4 = cast(%3) {{to = i32}} return %4 \"y\" }}"
    );
    check(&text);
}

/// Groups are bounded: neither recursion nor one kernel may grow with the length of a chain.
#[test]
fn long_chains() {
    let mut body = String::from("(%0 \"x\": f32[4], %1 \"y\": f32[4]) {");
    for at in 1..3000 {
        let op = if at % 2 == 0 { format!("sin(%{at})") } else { format!("sub(%{at}, %0)") };
        body.push_str(&format!(" %{} = {op}", at + 1));
    }
    body.push_str(" return %3000 \"z\" }");
    check(&body);
    let mut graph = Graph::default();
    let mut env = Env::default();
    let mut value = graph.add_param("x", TensorType::fixed(DType::F32, &[4]));
    for _ in 0..100_000 {
        value = Builder::new(&mut env, &mut graph).op1(OpCode::Sin, &[value], &[]).expect("well typed");
    }
    graph.add_result("y", value);
    let module = Module { env, main: graph };
    let kernels = plan::plan(&module).expect("plans").program.kernels.len();
    assert!((1000..10_000).contains(&kernels), "{kernels} kernels");
}

/// More buffers of varying size than are compared pair by pair, many of them alive for long.
#[test]
fn many_buffers() {
    let mut body = String::from("symbol N : 1..40 ~ 8 graph(%0 \"x\": f32[N,4], %1 \"y\": f32[2,5]) {");
    let mut kept = Vec::new();
    for at in 1..400 {
        body.push_str(&format!(" %{} = softmax(%{}) {{axis = {}}}", at + 1, if at == 1 { 0 } else { at }, at % 2));
        if at % 5 == 0 {
            kept.push(format!("%{}", at + 1));
        }
    }
    body.push_str(&format!(" %401 = concat({}) {{axis = 0}} %402 = softmax(%1) {{axis = 1}}", kept.join(", ")));
    body.push_str(" return %401 \"all\", %402 \"other\" }");
    check(&body);
}

/// Memory that is empty at the typical size has a place of its own at others.
#[test]
fn nothing_at_typical_sizes() {
    check(
        r#"symbol N : 0..512 ~ 0
graph(%0 "x": f32[N,4]) {
  %1 = softmax(%0) {axis = 1}
  %2 = softmax(%1) {axis = 1}
  %3 = softmax(%2) {axis = 1}
  %4 = softmax(%3) {axis = 1}
  %5 = concat(%1, %2, %3, %4) {axis = 0}
  return %5 "y"
}"#,
    );
}
