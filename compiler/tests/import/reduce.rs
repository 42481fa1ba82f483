//! Reductions, positions of extremes, running sums, the largest ones, softmax.

use lathe_ir::{DType, Tensor};

use crate::support::*;

#[test]
fn reduce_abs() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceL1", &["x", "a"], &["y"], &[])
        .node("ReduceL1", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceL1", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[2, 1, 1], &[11.5, 7.0]), (DType::F32, &[], &[18.5])]);
}

#[test]
fn reduce_norm() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceL2", &["x", "a"], &["y"], &[])
        .node("ReduceL2", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceL2", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[2, 1, 1], &[4.7762432, 3.4731109]), (DType::F32, &[], &[5.9055061])]);
}

#[test]
fn reduce_log_sum_exp() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceLogSumExp", &["x", "a"], &["y"], &[])
        .node("ReduceLogSumExp", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceLogSumExp", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[2, 1, 1], &[2.8001518, 2.7250142]), (DType::F32, &[], &[3.4564357])]);
}

#[test]
fn reduce_max() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceMax", &["x", "a"], &["y"], &[])
        .node("ReduceMax", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceMax", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 1, 1], &[2.125, 1.875]),
            (DType::F32, &[], &[2.125]),
            (
                DType::F32,
                &[2, 3, 2],
                &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375, -2.125, -0.125, -0.5, 1.875, 1.875, -0.5],
            ),
        ]);
}

#[test]
fn reduce_mean() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceMean", &["x", "a"], &["y"], &[])
        .node("ReduceMean", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceMean", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 1, 1], &[-0.54166669, 0.083333336]),
            (DType::F32, &[], &[-0.22916667]),
            (
                DType::F32,
                &[2, 3, 2],
                &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375, -2.125, -0.125, -0.5, 1.875, 1.875, -0.5],
            ),
        ]);
}

#[test]
fn reduce_min() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceMin", &["x", "a"], &["y"], &[])
        .node("ReduceMin", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceMin", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 1, 1], &[-2.5, -2.125]),
            (DType::F32, &[], &[-2.5]),
            (
                DType::F32,
                &[2, 3, 2],
                &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375, -2.125, -0.125, -0.5, 1.875, 1.875, -0.5],
            ),
        ]);
}

#[test]
fn reduce_prod() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceProd", &["x", "a"], &["y"], &[])
        .node("ReduceProd", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceProd", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 1, 1], &[44.512939, 0.23345947]),
            (DType::F32, &[], &[10.391968]),
            (
                DType::F32,
                &[2, 3, 2],
                &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375, -2.125, -0.125, -0.5, 1.875, 1.875, -0.5],
            ),
        ]);
}

#[test]
fn reduce_sum() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceSum", &["x", "a"], &["y"], &[])
        .node("ReduceSum", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceSum", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 1, 1], &[-3.25, 0.5]),
            (DType::F32, &[], &[-2.75]),
            (
                DType::F32,
                &[2, 3, 2],
                &[-2.5, -1.625, 2.0, -1.875, 2.125, -1.375, -2.125, -0.125, -0.5, 1.875, 1.875, -0.5],
            ),
        ]);
}

#[test]
fn reduce_sum_square() {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .weight("a", i64s(&[1, -1]))
        .node("ReduceSumSquare", &["x", "a"], &["y"], &[])
        .node("ReduceSumSquare", &["x"], &["z"], &[("keepdims", A::Int(0))])
        .node("ReduceSumSquare", &["x"], &["w"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[2, 1, 1], &[22.8125, 12.0625]), (DType::F32, &[], &[34.875])]);
}

#[test]
fn reduce_log_sum() {
    Case::new(18)
        .input("x", positive(&[2, 3], 0))
        .weight("a", i64s(&[0]))
        .node("ReduceLogSum", &["x", "a"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 3], &[-0.13353139, 1.7491999, 1.7707061])]);
}

#[test]
fn log_sum_exp_of_infinities() {
    Case::new(18)
        .input("x", Tensor::from_f64(DType::F32, &[2, 2], &[f64::NEG_INFINITY, f64::NEG_INFINITY, 1000.0, 1000.0]))
        .weight("a", i64s(&[1]))
        .node("ReduceLogSumExp", &["x", "a"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 1], &[f64::NEG_INFINITY, 1000.6932])]);
}

#[test]
fn positions_of_extremes() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::F32, &[2, 3], &[1.0, 3.0, 3.0, 2.0, 2.0, 0.0]))
        .node("ArgMax", &["x"], &["a"], &[("axis", A::Int(1))])
        .node(
            "ArgMax",
            &["x"],
            &["b"],
            &[("axis", A::Int(1)), ("keepdims", A::Int(0)), ("select_last_index", A::Int(1))],
        )
        .node("ArgMin", &["x"], &["c"], &[])
        .outputs(&["a", "b", "c"])
        .gives(&[
            (DType::I64, &[2, 1], &[1.0, 0.0]),
            (DType::I64, &[2], &[2.0, 1.0]),
            (DType::I64, &[1, 3], &[0.0, 1.0, 1.0]),
        ]);
}

#[test]
fn running_sums() {
    Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .weight("a", Tensor::scalar(DType::I64, -1.0))
        .node("CumSum", &["x", "a"], &["y"], &[])
        .node("CumSum", &["x", "a"], &["z"], &[("exclusive", A::Int(1)), ("reverse", A::Int(1))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[2, 3], &[-2.5, -4.125, -2.125, -1.875, 0.25, -1.125]),
            (DType::F32, &[2, 3], &[0.375, 2.0, 0.0, 0.75, -1.375, 0.0]),
        ]);
}

#[test]
fn largest_ones() {
    Case::new(17)
        .input("x", Tensor::from_f64(DType::F32, &[2, 4], &[1.0, 3.0, 3.0, 2.0, 5.0, 4.0, 6.0, 0.0]))
        .weight("k", i64s(&[2]))
        .node("TopK", &["x", "k"], &["v", "i"], &[])
        .node("TopK", &["x", "k"], &["w", "j"], &[("axis", A::Int(0)), ("largest", A::Int(0))])
        .outputs(&["v", "i", "w", "j"])
        .gives(&[
            (DType::F32, &[2, 2], &[3.0, 3.0, 6.0, 5.0]),
            (DType::I64, &[2, 2], &[1.0, 2.0, 2.0, 0.0]),
            (DType::F32, &[2, 4], &[1.0, 3.0, 3.0, 0.0, 5.0, 4.0, 6.0, 2.0]),
            (DType::I64, &[2, 4], &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
        ]);
}

#[test]
fn softmax() {
    Case::new(17)
        .input("x", f32s(&[2, 3, 2], 0))
        .node("Softmax", &["x"], &["y"], &[])
        .node("Softmax", &["x"], &["z"], &[("axis", A::Int(1))])
        .node("LogSoftmax", &["x"], &["w"], &[("axis", A::Int(0))])
        .node("Hardmax", &["x"], &["h"], &[("axis", A::Int(1))])
        .outputs(&["y", "z", "w", "h"])
        .gives(&[
            (
                DType::F32,
                &[2, 3, 2],
                &[
                    0.29421496,
                    0.70578504,
                    0.97966766,
                    0.020332353,
                    0.97068775,
                    0.029312231,
                    0.11920291,
                    0.88079703,
                    0.085099041,
                    0.91490096,
                    0.91490096,
                    0.085099041,
                ],
            ),
            (
                DType::F32,
                &[2, 3, 2],
                &[
                    0.0051808129,
                    0.32649586,
                    0.46636191,
                    0.25427523,
                    0.52845728,
                    0.41922897,
                    0.016480826,
                    0.1101765,
                    0.083696537,
                    0.81410033,
                    0.89982259,
                    0.075723127,
                ],
            ),
            (
                DType::F32,
                &[2, 3, 2],
                &[
                    -0.89812326,
                    -1.7014134,
                    -0.07888975,
                    -3.7732453,
                    -0.57593942,
                    -1.2234446,
                    -0.52312326,
                    -0.20141333,
                    -2.5788898,
                    -0.023245448,
                    -0.82593942,
                    -0.34844458,
                ],
            ),
            (DType::F32, &[2, 3, 2], &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]),
        ]);
}

#[test]
fn no_axes_are_known_without_their_value() {
    Case::new(18)
        .input("x", f32s(&[2, 2], 0))
        .input("axes", i64s(&[]))
        .node("ReduceSum", &["x", "axes"], &["all"], &[("keepdims", A::Int(0))])
        .node("ReduceMax", &["x", "axes"], &["none"], &[("noop_with_empty_axes", A::Int(1))])
        .outputs(&["all", "none"])
        .gives(&[(DType::F32, &[], &[-4.0]), (DType::F32, &[2, 2], &[-2.5, -1.625, 2.0, -1.875])]);
}
