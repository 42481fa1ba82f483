//! Recurrent cells; the expected numbers are onnxruntime's.

use super::{check, f, n, refuse};
use lathe_ir::{DType, Tensor};

/// Values between -1.25 and 1.25 that look random.
fn v(shape: &[usize], seed: usize) -> Option<Tensor> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (((i + seed) * 37 + i * i * 11) % 41) as f32 / 16.0 - 1.25).collect();
    Some(f(shape, &values))
}

#[test]
fn lstm() {
    check(
        "lstm",
        &[v(&[3, 1, 8], 0), v(&[1, 2, 8], 3)],
        "",
        &[
            f(&[3, 1, 1, 2], &[-0.1267728, -0.0053981, -0.2461608, 0.2107259, -0.0037964, 0.0883312]),
            f(&[1, 1, 2], &[-0.0037964, 0.0883312]),
            f(&[1, 1, 2], &[-0.0125428, 0.633475]),
        ],
    );
}

#[test]
fn lstm_both_ways_with_lengths_and_initial_state() {
    check(
        "lstm",
        &[v(&[3, 2, 8], 1), v(&[2, 1, 4], 4), None, v(&[2, 2, 1], 6), v(&[2, 2, 1], 8), Some(n(DType::I32, &[3, 1]))],
        "direction = \"bidirectional\"",
        &[
            f(
                &[3, 2, 2, 1],
                &[
                    -0.184722, -0.2039108, -0.0803335, 0.1111624, -0.075538, 0.0, -0.0406136, 0.0, -0.2964088, 0.0,
                    -0.239416, 0.0,
                ],
            ),
            f(&[2, 2, 1], &[-0.2964088, -0.2039108, -0.0803335, 0.1111624]),
            f(&[2, 2, 1], &[-0.4467818, -0.2973804, -0.3017283, 0.1406311]),
        ],
    );
}

#[test]
fn lstm_with_peepholes() {
    let operands = [v(&[2, 1, 8], 2), v(&[1, 2, 8], 5), v(&[1, 6], 9), v(&[1, 1, 2], 7), v(&[1, 1, 2], 9)];
    check(
        "lstm",
        &operands,
        "",
        &[
            f(&[2, 1, 1, 2], &[-0.1395634, -0.5061744, -0.2009299, -0.0525665]),
            f(&[1, 1, 2], &[-0.2009299, -0.0525665]),
            f(&[1, 1, 2], &[-0.2833308, -0.2304136]),
        ],
    );
    check(
        "lstm",
        &operands,
        "direction = \"reverse\", clip = 0.75, input_forget = true",
        &[
            f(&[2, 1, 1, 2], &[0.1076055, -0.308516, -0.4427794, -0.0580158]),
            f(&[1, 1, 2], &[0.1076055, -0.308516]),
            f(&[1, 1, 2], &[0.1815708, -0.4900406]),
        ],
    );
}

#[test]
fn gru() {
    check(
        "gru",
        &[v(&[3, 1, 6], 0), v(&[1, 2, 6], 3), None, v(&[1, 1, 2], 5)],
        "",
        &[
            f(&[3, 1, 1, 2], &[0.5789461, -0.385281, 0.7080442, -0.145568, 0.0828952, 0.4361062]),
            f(&[1, 1, 2], &[0.0828952, 0.4361062]),
        ],
    );
    check(
        "gru",
        &[v(&[2, 1, 6], 5), v(&[1, 2, 6], 8)],
        "f = \"hardsigmoid\", f_alpha = 0.3, f_beta = 0.4, g = \"softsign\", clip = 0.5",
        &[f(&[2, 1, 1, 2], &[-0.0917763, 0.15, -0.1677344, 0.2325]), f(&[1, 1, 2], &[-0.1677344, 0.2325])],
    );
}

#[test]
fn gru_with_the_reset_after_the_product() {
    check(
        "gru",
        &[v(&[3, 2, 6], 1), v(&[2, 1, 3], 4), v(&[2, 1], 4), v(&[2, 2, 1], 6), Some(n(DType::I32, &[3, 0]))],
        "direction = \"bidirectional\", linear_before_reset = true",
        &[
            f(
                &[3, 2, 2, 1],
                &[0.0441341, 0.0, -0.1932448, 0.0, -0.3255601, 0.0, 0.156329, 0.0, 0.3733472, 0.0, -0.1103379, 0.0],
            ),
            f(&[2, 2, 1], &[0.3733472, 0.0, -0.1932448, 0.0]),
        ],
    );
    refuse(
        "gru",
        &[v(&[3, 2, 3], 1), v(&[1, 1, 3], 4), v(&[1, 1], 4)],
        "",
        &["f32[3,1,2,1]", "f32[1,2,1]"],
        "r_bias needs linear_before_reset",
    );
}

#[test]
fn rnn() {
    check(
        "rnn",
        &[v(&[3, 2, 2], 0), v(&[1, 2, 2], 3), v(&[1, 2, 2], 5), Some(n(DType::I32, &[2, 3]))],
        "direction = \"reverse\"",
        &[
            f(
                &[3, 1, 2, 2],
                &[
                    -0.677018, -0.1334301, 0.6492184, -0.8145192, 0.840436, -0.1853331, -0.607354, 0.4623336, 0.0, 0.0,
                    0.7117024, -0.1702022,
                ],
            ),
            f(&[1, 2, 2], &[-0.677018, -0.1334301, 0.6492184, -0.8145192]),
        ],
    );
    for (attrs, y) in [
        ("f = \"scaled_tanh\", f_alpha = 0.3, f_beta = 0.4", [-0.1386351, -0.1025569, 0.1080101]),
        ("f = \"affine\", f_alpha = 0.3, f_beta = 0.4", [0.025, 0.1604688, 0.7270792]),
        ("f = \"thresholded_relu\", f_alpha = 0.3", [0.0, 0.0, 1.0]),
    ] {
        check("rnn", &[v(&[3, 1, 1], 0), v(&[1, 1, 1], 3)], attrs, &[f(&[3, 1, 1, 1], &y), f(&[1, 1, 1], &y[2..])]);
    }
}

#[test]
fn nothing_to_do_and_bad_lengths() {
    let state = Some(f(&[1, 2, 1], &[0.5, -0.5]));
    let operands = [v(&[0, 2, 1], 0), v(&[1, 1, 1], 3), state.clone()];
    check("rnn", &operands, "", &[f(&[0, 1, 2, 1], &[]), f(&[1, 2, 1], &[0.5, -0.5])]);
    check("rnn", &[v(&[3, 2, 0], 0), v(&[1, 0, 0], 3)], "", &[f(&[3, 1, 2, 0], &[]), f(&[1, 2, 0], &[])]);
    let with = |lens: &[i64]| [v(&[3, 2, 1], 0), v(&[1, 1, 1], 3), state.clone(), Some(n(DType::I64, lens))];
    let types = ["f32[3,1,2,1]", "f32[1,2,1]"];
    refuse("rnn", &with(&[1, 4]), "", &types, "a length of 4 for 3 steps");
    refuse("rnn", &with(&[-1, 3]), "", &types, "a length of -1 for 3 steps");
    refuse("rnn", &with(&[1, 2, 3]), "", &types, "lens is i64[3], it must be i64[2]");
    refuse("rnn", &[v(&[3, 2, 2], 0), v(&[1, 1, 1], 3)], "", &types, "columns of x");
    refuse("rnn", &[v(&[3, 2, 1], 0), v(&[1, 1, 1], 3)], "clip = -1.0", &types, "clip is -1");
    refuse("rnn", &[v(&[3, 2, 1], 0), v(&[1, 1, 1], 3)], "direction = \"bidirectional\"", &types, "directions of r");
}
