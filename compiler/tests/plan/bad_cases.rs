//! Programs with data that they must refuse: what is given, and the status code and the words of the message it ends in.
//! Shared by the tests of plans (interpreter and machine code) and of artifacts (C programs).

use lathe_ir::{DType, Tensor};

/// A program, inputs on which it runs, and inputs that it refuses.
pub(crate) struct BadCase {
    /// A name for files and functions.
    pub(crate) name: &'static str,
    /// The program in text form.
    pub(crate) text: &'static str,
    /// Inputs on which it runs.
    pub(crate) good: Vec<Tensor>,
    /// Inputs that are refused, with the status code and a part of the message.
    pub(crate) bad: Vec<(Vec<Tensor>, i32, &'static str)>,
}

const SHAPE_MISMATCH: i32 = 2;
const INDEX_OUT_OF_RANGE: i32 = 4;
const DIVISION: i32 = 5;
const SIZE_OVER_BOUND: i32 = 6;

fn longs(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::from_i64(DType::I64, shape, values)
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::from_i64(DType::I32, &[values.len()], values)
}

fn floats(shape: &[usize]) -> Tensor {
    Tensor::from_f32(shape, &vec![0.5; shape.iter().product()])
}

/// All cases.
pub(crate) fn bad_cases() -> Vec<BadCase> {
    let mut cases = indices();
    cases.extend(arithmetic());
    cases.extend(sizes());
    cases
}

fn indices() -> Vec<BadCase> {
    let out = |inputs, text| (inputs, INDEX_OUT_OF_RANGE, text);
    vec![
        BadCase {
            name: "tokens",
            text: r#"symbol N : 0..16
                weight @0 "table" : f32[50,24] = seed 1
                graph(%0 "ids": i64[1,N]) {
                  %1 = const @0
                  %2 = gather(%1, %0) {axis = 0} loc "embed/Gather"
                  %3 = relu(%2)
                  return %3 "rows"
                }"#,
            good: vec![longs(&[1, 3], &[49, -50, 0])],
            bad: [50, -51, i64::MAX, i64::MIN, 1 << 60]
                .map(|id| out(vec![longs(&[1, 4], &[1, 2, 3, id])], "node \"embed/Gather\" (gather)"))
                .to_vec(),
        },
        BadCase {
            name: "elements",
            text: r#"symbol N : 0..16
                graph(%0 "x": f32[4,3], %1 "at": i32[N]) {
                  %2 = reshape(%1) {shape = [N, 1]}
                  %3 = gather_elements(%0, %2) {axis = 0} loc "pick"
                  return %3 "y"
                }"#,
            good: vec![floats(&[4, 3]), ints(&[3, -4])],
            bad: vec![
                out(vec![floats(&[4, 3]), ints(&[0, 4])], "node \"pick\" (gather_elements): index out of range: 4"),
                out(vec![floats(&[4, 3]), ints(&[-5])], "node \"pick\""),
            ],
        },
        BadCase {
            name: "tuples",
            text: r#"symbol N : 0..16
                graph(%0 "x": f32[4,3,5], %1 "at": i64[N,2]) {
                  %2 = gather_nd(%0, %1) loc "pick"
                  return %2 "y"
                }"#,
            good: vec![floats(&[4, 3, 5]), longs(&[2, 2], &[3, -3, -4, 2])],
            bad: vec![
                out(
                    vec![floats(&[4, 3, 5]), longs(&[1, 2], &[0, 3])],
                    "node \"pick\" (gather_nd): index out of range: 3",
                ),
                out(vec![floats(&[4, 3, 5]), longs(&[1, 2], &[-5, 0])], "node \"pick\""),
            ],
        },
        BadCase {
            name: "scatter",
            text: r#"symbol N : 0..16
                graph(%0 "x": f32[5], %1 "at": i64[N], %2 "v": f32[N]) {
                  %3 = scatter_elements(%0, %1, %2) {axis = 0, reduction = "add"} loc "put"
                  return %3 "y"
                }"#,
            good: vec![floats(&[5]), longs(&[3], &[4, -5, 4]), floats(&[3])],
            bad: [5, -6, i64::MIN]
                .map(|at| out(vec![floats(&[5]), longs(&[1], &[at]), floats(&[1])], "node \"put\" (scatter_elements)"))
                .to_vec(),
        },
        BadCase {
            name: "scatter_nd",
            text: r#"symbol N : 0..16
                graph(%0 "x": f32[5,3], %1 "at": i64[N,1], %2 "v": f32[N,3]) {
                  %3 = scatter_nd(%0, %1, %2) loc "put"
                  return %3 "y"
                }"#,
            good: vec![floats(&[5, 3]), longs(&[1, 1], &[-1]), floats(&[1, 3])],
            bad: vec![out(
                vec![floats(&[5, 3]), longs(&[2, 1], &[0, 5]), floats(&[2, 3])],
                "node \"put\" (scatter_nd)",
            )],
        },
    ]
}

fn arithmetic() -> Vec<BadCase> {
    let by = |a: &[i64], b: &[i64], text| (vec![ints(a), ints(b)], DIVISION, text);
    vec![
        // Computed inside of the kernel of another op.
        BadCase {
            name: "quotient",
            text: r#"symbol N : 0..16
                graph(%0 "a": i32[N], %1 "b": i32[N]) {
                  %2 = div(%0, %1) loc "ratio"
                  %3 = neg(%2) loc "negative"
                  return %3 "y"
                }"#,
            good: vec![ints(&[7, i64::from(i32::MIN)]), ints(&[-2, 1])],
            bad: vec![
                by(&[1, 2], &[1, 0], "node \"ratio\" (div): integer division by zero"),
                by(&[i64::from(i32::MIN)], &[-1], "node \"ratio\" (div)"),
            ],
        },
        BadCase {
            name: "remainder",
            text: r#"symbol N : 0..16
                graph(%0 "a": i32[N], %1 "b": i32[N]) {
                  %2 = rem(%0, %1) loc "floor/Mod"
                  %3 = fmod(%0, %1) loc "trunc/Mod"
                  return %2 "rem", %3 "fmod"
                }"#,
            good: vec![ints(&[i64::from(i32::MIN), -7]), ints(&[-1, 3])],
            bad: vec![by(&[5], &[0], "node \"floor/Mod\" (rem)")],
        },
    ]
}

fn sizes() -> Vec<BadCase> {
    vec![
        BadCase {
            name: "found",
            text: r#"symbol N : 0..16
                symbol data S : 0..2 <= N
                graph(%0 "x": f32[N]) {
                  %1, %2 = non_zero(%0) loc "where"
                  %3 = data_size(%2) {size = [S]} loc "where"
                  %4 = slice(%1) {starts = [0, 0], sizes = [1, S], steps = [1, 1]}
                  return %4 "at"
                }"#,
            good: vec![Tensor::from_f32(&[3], &[0.0, 2.0, 3.0])],
            bad: vec![(
                vec![floats(&[3])],
                SIZE_OVER_BOUND,
                "node \"where\" (data_size): size over its compile-time bound: 3",
            )],
        },
        BadCase {
            name: "window",
            text: r#"symbol N : 1..64
                weight @0 "w" : f32[8,3,5] = seed 2
                graph(%0 "x": f32[1,N,3]) {
                  %1 = const @0
                  %2 = conv(%0, %1) {strides = [1], dilations = [1], pads_before = [0], pads_after = [0], groups = 1} loc "conv1"
                  %3 = relu(%2)
                  return %3 "y"
                }"#,
            good: vec![floats(&[1, 5, 3])],
            bad: vec![(vec![floats(&[1, 2, 3])], SHAPE_MISMATCH, "node \"conv1\" (conv): shape mismatch: -2")],
        },
        BadCase {
            name: "largest",
            text: r#"symbol N : 0..16
                symbol data K : 0..16 <= N
                graph(%0 "x": f32[N], %1 "k": i64[]) {
                  %2 = data_size(%1) {size = [K]} loc "best"
                  %3, %4 = topk(%0) {axis = 0, k = [K]} loc "best"
                  return %3 "y", %4 "at"
                }"#,
            good: vec![floats(&[4]), longs(&[], &[4])],
            bad: [5, -1, 17, i64::MIN]
                .map(|k| (vec![floats(&[4]), longs(&[], &[k])], SIZE_OVER_BOUND, "node \"best\" (data_size)"))
                .to_vec(),
        },
        // Inputs without elements whose product of sizes does not fit in 64 bits.
        BadCase {
            name: "product",
            text: r#"symbol N : 0..
                symbol M : 0..
                graph(%0 "x": f32[N,0], %1 "y": f32[0,M]) {
                  %2 = matmul(%0, %1) loc "outer"
                  %3 = exp(%2)
                  %4 = reduce_sum(%3) {axes = [0, 1], keepdims = false}
                  return %4 "sum"
                }"#,
            good: vec![floats(&[3, 0]), floats(&[0, 5])],
            bad: [(1usize << 40, 1usize << 40), (1 << 32, 1 << 32), (1 << 35, 4)]
                .map(|(n, m)| {
                    let input = |shape: [usize; 2]| Tensor::from_f32(&shape, &[]);
                    (vec![input([n, 0]), input([0, m])], SIZE_OVER_BOUND, "node \"outer\" (matmul)")
                })
                .to_vec(),
        },
        BadCase {
            name: "nothing",
            text: r#"symbol N : 0..16
                graph(%0 "x": f32[2,N]) {
                  %1 = arg_max(%0) {axis = 1} loc "best"
                  return %1 "at"
                }"#,
            good: vec![floats(&[2, 1])],
            bad: vec![(vec![floats(&[2, 0])], SHAPE_MISMATCH, "node \"best\" (arg_max): shape mismatch: 0")],
        },
        BadCase {
            name: "part",
            text: r#"symbol N : 0..16
                symbol M : 0..16
                graph(%0 "x": f32[N,2], %1 "y": f32[M]) {
                  %2 = slice(%0) {starts = [1, 0], sizes = [M, 2], steps = [2, 1]} loc "every/other"
                  %3 = neg(%2)
                  %4 = neg(%1)
                  return %3 "part", %4 "as long"
                }"#,
            good: vec![floats(&[6, 2]), floats(&[3])],
            bad: vec![(
                vec![floats(&[5, 2]), floats(&[3])],
                SHAPE_MISMATCH,
                "node \"every/other\" (slice): shape mismatch: 5",
            )],
        },
        BadCase {
            name: "mirror",
            text: r#"symbol N : 0..16
                graph(%0 "x": f32[N,2]) {
                  %1 = pad(%0) {before = [1, 0], after = [1, 0], mode = "reflect"} loc "border"
                  return %1 "y"
                }"#,
            good: vec![floats(&[1, 2])],
            bad: vec![(vec![floats(&[0, 2])], SHAPE_MISMATCH, "node \"border\" (pad): shape mismatch: 0")],
        },
        BadCase {
            name: "ports",
            text: r#"symbol N : 2..16
                symbol M : 0..16
                equal N == 2*M
                graph(%0 "ids": i64[N], %1 "pairs": f32[M,2], %2 "same": f32[N]) {
                  %3 = reshape(%1) {shape = [N]}
                  %4 = add(%2, %3)
                  return %4 "y"
                }"#,
            good: vec![longs(&[4], &[0; 4]), floats(&[2, 2]), floats(&[4])],
            bad: vec![
                (vec![longs(&[1], &[0]), floats(&[2, 2]), floats(&[1])], SHAPE_MISMATCH, "input \"ids\": dimension 0"),
                (
                    vec![longs(&[17], &[0; 17]), floats(&[2, 2]), floats(&[17])],
                    SIZE_OVER_BOUND,
                    "input \"ids\": dimension 0",
                ),
                (
                    vec![longs(&[4], &[0; 4]), floats(&[2, 2]), floats(&[5])],
                    SHAPE_MISMATCH,
                    "input \"same\": dimension 0",
                ),
                (vec![longs(&[4], &[0; 4]), floats(&[3, 2]), floats(&[4])], SHAPE_MISMATCH, "input \"ids\""),
            ],
        },
    ]
}
