//! Contractions: matmul, attention.

use super::{INF, NAN, b, check, f, i, n, refuse};
use lathe_ir::{DType, Tensor};

#[test]
fn matmul() {
    check(
        "matmul",
        &[f(&[2, 3], &[1.25, -1.75, -1.25, -1.0, -1.25, 1.25]), f(&[3, 2], &[1.5, 0.25, -2.0, -1.75, -0.75, -0.25])],
        "",
        &[f(&[2, 2], &[6.3125, 3.6875, 0.0625, 1.625])],
    );
    check(
        "matmul",
        &[
            f(&[2, 3], &[1.25, -1.75, -1.25, -1.0, -1.25, 1.25]),
            f(&[3, 2], &[1.5, 0.25, -2.0, -1.75, -0.75, -0.25]),
            f(&[2], &[0.5, 0.0]),
            f(&[2, 2], &[-1.0, -1.5, 0.75, 1.0]),
        ],
        "",
        &[f(&[2, 2], &[5.8125, 2.1875, 1.3125, 2.625])],
    );
    check(
        "matmul",
        &[
            f(&[2, 3], &[1.25, -1.75, -1.25, -1.0, -1.25, 1.25]),
            f(&[3, 2], &[1.5, 0.25, -2.0, -1.75, -0.75, -0.25]),
            f(&[2], &[0.5, 0.0]),
        ],
        "act = \"relu\"",
        &[f(&[2, 2], &[6.8125, 3.6875, 0.5625, 1.625])],
    );
    check(
        "matmul",
        &[
            f(&[2, 3], &[1.25, -1.75, -1.25, -1.0, -1.25, 1.25]),
            f(&[3, 2], &[1.5, 0.25, -2.0, -1.75, -0.75, -0.25]),
            f(&[2], &[0.5, 0.0]),
        ],
        "act = \"clip\", p0 = -1.0, p1 = 2.0",
        &[f(&[2, 2], &[2.0, 2.0, 0.5625, 1.625])],
    );
    check(
        "matmul",
        &[
            Some(f(&[2, 3], &[1.25, -1.75, -1.25, -1.0, -1.25, 1.25])),
            Some(f(&[3, 2], &[1.5, 0.25, -2.0, -1.75, -0.75, -0.25])),
            None,
            Some(f(&[2, 2], &[-1.0, -1.5, 0.75, 1.0])),
        ],
        "",
        &[f(&[2, 2], &[5.3125, 2.1875, 0.8125, 2.625])],
    );
    check(
        "matmul",
        &[f(&[2, 1, 1, 2], &[-2.0, -1.75, -0.25, -0.5]), f(&[3, 2, 1], &[1.75, 0.0, -0.25, -0.25, 0.75, 0.25])],
        "",
        &[f(&[2, 3, 1, 1], &[-3.5, 0.9375, -1.9375, -0.4375, 0.1875, -0.3125])],
    );
    // f32 would lose the one.
    check("matmul", &[f(&[1, 3], &[16777216.0, 1.0, -16777216.0]), f(&[3, 1], &[1.0; 3])], "", &[f(&[1, 1], &[1.0])]);
    check("matmul", &[f(&[1, 2], &[0.0, INF]), f(&[2, 1], &[1.0, 0.0])], "", &[f(&[1, 1], &[NAN])]);
    check(
        "matmul",
        &[f(&[2, 0], &[]), f(&[0, 2], &[]), f(&[2], &[1.0, 2.0])],
        "",
        &[f(&[2, 2], &[1.0, 2.0, 1.0, 2.0])],
    );
    check("matmul", &[f(&[0, 2], &[]), f(&[2, 3], &[0.0; 6])], "", &[f(&[0, 3], &[])]);
    let bytes = |shape: &[usize], values: &[i64]| Tensor::from_i64(DType::I8, shape, values);
    check("matmul", &[bytes(&[1, 2], &[100, 100]), bytes(&[2, 1], &[1, 1])], "", &[bytes(&[1, 1], &[-56])]);
    check("matmul", &[i(&[1, 1], &[1 << 62]), i(&[1, 1], &[6])], "", &[i(&[1, 1], &[1 << 63])]);
    let (x, w) = (f(&[2, 3], &[0.0; 6]), f(&[3, 2], &[0.0; 6]));
    refuse("matmul", &[x.clone(), x.clone()], "", &["f32[2,3]"], "inner dimensions differ: 3 and 2");
    refuse(
        "matmul",
        &[x.clone(), f(&[3], &[0.0; 3])],
        "",
        &["f32[2]"],
        "a is f32[2,3] and b is f32[3], both need at least two axes",
    );
    refuse("matmul", &[x.clone(), w.clone(), f(&[1], &[0.0])], "", &["f32[2,2]"], "bias is f32[1], it must be f32[2]");
    refuse(
        "matmul",
        &[x.clone(), w.clone(), f(&[2], &[0.0; 2]), f(&[2], &[0.0; 2])],
        "",
        &["f32[2,2]"],
        "residual is f32[2], it must be f32[2,2]",
    );
    refuse("matmul", &[x, w], "act = \"swish\"", &["f32[2,2]"], "act");
    refuse(
        "matmul",
        &[i(&[1, 1], &[1]), i(&[1, 1], &[1])],
        "act = \"relu\"",
        &["i64[1,1]"],
        "act relu needs floats, a is i64[1,1]",
    );
    refuse("matmul", &[b(&[1, 1], &[1]), b(&[1, 1], &[1])], "", &["bool[1,1]"], "numbers are needed");
    refuse("matmul", &[f(&[1, 1], &[1.0]), i(&[1, 1], &[1])], "", &["f32[1,1]"], "element types differ");
    refuse("matmul", &[n(DType::I8, &[1]), n(DType::I8, &[1])], "", &["i8[1]"], "both need at least two axes");
}

/// Every activation of the epilogue gives what the op of that name gives.
#[test]
fn epilogues() {
    for (act, op, attrs, epilogue) in [
        ("relu", "relu", "", ""),
        ("gelu", "gelu", "", ""),
        ("gelu_tanh", "gelu_tanh", "", ""),
        ("silu", "silu", "", ""),
        ("clip", "clip", "lo = -0.5, hi = 1.0", ", p0 = -0.5, p1 = 1.0"),
        ("sigmoid", "sigmoid", "", ""),
        ("tanh", "tanh", "", ""),
        ("hardswish", "hardswish", "", ""),
        ("hardsigmoid", "hardsigmoid", "alpha = 0.3, beta = 0.4", ", p0 = 0.3, p1 = 0.4"),
        ("leaky_relu", "leaky_relu", "alpha = 0.2", ", p0 = 0.2"),
        ("elu", "elu", "alpha = 0.7", ", p0 = 0.7"),
        ("softplus", "softplus", "", ""),
        ("mish", "mish", "", ""),
        ("erf", "erf", "", ""),
        ("exp", "exp", "", ""),
    ] {
        let x = f(&[5, 1], &[-3.0, -0.25, 0.0, 0.75, 4.0]);
        let code = lathe_ir::OpCode::from_name(op).unwrap();
        let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{attrs}}}") };
        let text = format!("graph(%0 \"x\": f32[5,1]) {{\n  %1 = {op}(%0){attrs} : f32[5,1]\n  return %1 \"y\"\n}}\n");
        let module = lathe_ir::text::parse_module(&text, &lathe_ir::text::no_weights).unwrap();
        assert_eq!(module.main.iter().next().unwrap().1.code, code);
        let expected = lathe_ir::eval_module(&module, vec![x.clone()]).unwrap();
        check("matmul", &[x, f(&[1, 1], &[1.0])], &format!("act = \"{act}\"{epilogue}"), &expected);
    }
    assert_eq!(lathe_ir::activation::ACTIVATIONS.len(), 16, "an activation without a case above");
}

#[test]
fn attention() {
    check(
        "attention",
        &[
            f(&[1, 2, 2], &[-1.5, 1.0, 1.0, 2.0]),
            f(&[1, 3, 2], &[1.25, -1.0, -0.75, 0.75, 0.75, 0.75]),
            f(&[1, 3, 2], &[1.5, -1.0, 1.75, -2.0, -1.75, 2.0]),
        ],
        "scale = 0.5",
        &[f(&[1, 2, 2], &[0.9320806, -1.01837, -0.34719223, 0.4907923])],
    );
    check(
        "attention",
        &[
            f(&[1, 2, 2], &[-1.5, 1.0, 1.0, 2.0]),
            f(&[1, 3, 2], &[1.25, -1.0, -0.75, 0.75, 0.75, 0.75]),
            f(&[1, 3, 2], &[1.5, -1.0, 1.75, -2.0, -1.75, 2.0]),
            f(&[2, 3], &[0.0, -INF, 1.0, 0.5, 0.0, -1.0]),
        ],
        "scale = 0.5",
        &[f(&[1, 2, 2], &[-1.4401143, 1.7139516, 0.6081087, -0.4774783])],
    );
    check(
        "attention",
        &[
            f(&[1, 2, 2], &[-1.5, 1.0, 1.0, 2.0]),
            f(&[1, 3, 2], &[1.25, -1.0, -0.75, 0.75, 0.75, 0.75]),
            f(&[1, 3, 2], &[1.5, -1.0, 1.75, -2.0, -1.75, 2.0]),
            f(&[2, 1], &[0.0, 0.5]),
        ],
        "scale = 0.5",
        &[f(&[1, 2, 2], &[0.9320806, -1.01837, -0.34719223, 0.4907923])],
    );
    check(
        "attention",
        &[
            f(&[1, 2, 2], &[-1.5, 1.0, 1.0, 2.0]),
            f(&[1, 3, 2], &[1.25, -1.0, -0.75, 0.75, 0.75, 0.75]),
            f(&[1, 3, 2], &[1.5, -1.0, 1.75, -2.0, -1.75, 2.0]),
        ],
        "scale = 0.5, causal = true",
        &[f(&[1, 2, 2], &[1.7287252, -1.9149009, -0.34719223, 0.4907923])],
    );
    let values = [f(&[1, 3, 1], &[0.0; 3]), f(&[1, 4, 1], &[0.0; 4]), f(&[1, 4, 1], &[1.0, 3.0, 7.0, 13.0])];
    check("attention", &values, "scale = 1.0, left = 1, right = 0", &[f(&[1, 3, 1], &[2.0, 5.0, 10.0])]);
    check("attention", &values, "scale = 1.0, left = 0, causal = true", &[f(&[1, 3, 1], &[3.0, 7.0, 13.0])]);
    check("attention", &values, "scale = 1.0, right = 1", &[f(&[1, 3, 1], &[11.0 / 3.0, 6.0, 6.0])]);
    check("attention", &values, "scale = 1.0, left = 1", &[f(&[1, 3, 1], &[6.0, 23.0 / 3.0, 10.0])]);
    refuse("attention", &values, "scale = 1.0, left = -2", &["f32[1,3,1]"], "left is -2, it must be -1 or in 0..=2^31");
    // Three queries, one key: the first two see nothing.
    check(
        "attention",
        &[f(&[1, 3, 1], &[1.0; 3]), f(&[1, 1, 1], &[2.0]), f(&[1, 1, 1], &[7.0])],
        "scale = 1.0, causal = true",
        &[f(&[1, 3, 1], &[NAN, NAN, 7.0])],
    );
    let (q, k) = (f(&[1, 1, 1], &[1.0]), f(&[1, 2, 1], &[1.0, 2.0]));
    check(
        "attention",
        &[q.clone(), k.clone(), k.clone(), f(&[2], &[-INF, -INF])],
        "scale = 1.0",
        &[f(&[1, 1, 1], &[NAN])],
    );
    check(
        "attention",
        &[q.clone(), k.clone(), k.clone(), f(&[2], &[-INF, 0.0])],
        "scale = 1.0",
        &[f(&[1, 1, 1], &[2.0])],
    );
    check(
        "attention",
        &[q.clone(), f(&[1, 0, 1], &[]), f(&[1, 0, 2], &[])],
        "scale = 1.0",
        &[f(&[1, 1, 2], &[0.0, 0.0])],
    );
    check("attention", &[f(&[1, 0, 1], &[]), k.clone(), k.clone()], "scale = 1.0", &[f(&[1, 0, 1], &[])]);
    check("attention", &[f(&[1, 1, 0], &[]), f(&[1, 2, 0], &[]), k.clone()], "scale = 1.0", &[f(&[1, 1, 1], &[1.5])]);
    let refused =
        |operands: &[Tensor], message: &str| refuse("attention", operands, "scale = 1.0", &["f32[1,1,1]"], message);
    refused(&[q.clone(), k.clone(), q.clone()], "rows of k and v differ: 2 and 1");
    refused(&[q.clone(), f(&[1, 2, 2], &[0.0; 4]), k.clone()], "row lengths of q and k differ");
    refused(&[q.clone(), f(&[2, 1, 1], &[0.0; 2]), k.clone()], "leading dimensions of q and k differ");
    refused(&[q.clone(), f(&[2, 1], &[0.0; 2]), k.clone()], "k is f32[2,1], it must have as many axes as q");
    refused(&[f(&[1, 1], &[0.0]), k.clone(), k.clone()], "q is f32[1,1], at least 3 axes are needed");
    refused(&[q.clone(), k.clone(), k.clone(), f(&[3], &[0.0; 3])], "mask is f32[3], it must broadcast to [1, 1, 2]");
    refused(&[q.clone(), k.clone(), k.clone(), f(&[1, 1, 1, 1], &[0.0])], "it must broadcast");
    refused(&[q.clone(), k.clone(), k.clone(), b(&[2], &[0, 1])], "mask is bool[2], f32 is needed");
    refused(&[i(&[1, 1, 1], &[1]), k.clone(), k], "floats are needed");
}
