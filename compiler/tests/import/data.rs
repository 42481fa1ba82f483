//! Sizes that data decide.

use lathe_compiler::onnx::import::{DimBound, ImportOptions};
use lathe_ir::{DType, Tensor, eval_module, verify};

use crate::support::*;

fn bools(values: &[i64]) -> Tensor {
    Tensor::from_i64(DType::Bool, &[values.len()], values)
}

fn scalar(value: i64) -> Tensor {
    Tensor::from_i64(DType::I64, &[], &[value])
}

const I64: DType = DType::I64;

#[test]
fn non_zero() {
    Case::new(13)
        .input("x", Tensor::from_i64(DType::I64, &[2, 2], &[1, 0, 1, 1]))
        .node("NonZero", &["x"], &["y"], &[])
        .node("Shape", &["y"], &["s"], &[])
        .outputs(&["y", "s"])
        .gives(&[(I64, &[2, 3], &[0.0, 1.0, 1.0, 0.0, 0.0, 1.0]), (I64, &[2], &[2.0, 3.0])]);
}

/// The usual chain: places of a mask, and the rows there.
#[test]
fn places_pick_rows() {
    Case::new(13)
        .input("x", f32s(&[4, 2], 0))
        .input("mask", bools(&[0, 1, 0, 1]))
        .node("NonZero", &["mask"], &["at"], &[])
        .node("Transpose", &["at"], &["tuples"], &[])
        .node("GatherND", &["x", "tuples"], &["y"], &[])
        .node("ReduceSum", &["y"], &["sum"], &[("keepdims", A::Int(0))])
        .outputs(&["y", "sum"])
        .gives(&[(DType::F32, &[2, 2], &[2.0, -1.875, -2.125, -0.125]), (DType::F32, &[], &[-2.125])]);
}

#[test]
fn compress() {
    Case::new(11)
        .input("x", f32s(&[3, 2], 0))
        .input("c", bools(&[0, 1, 1]))
        .input("d", bools(&[0, 1, 0, 0, 1]))
        .node("Compress", &["x", "c"], &["y"], &[("axis", A::Int(0))])
        .node("Compress", &["x", "d"], &["z"], &[])
        .outputs(&["y", "z"])
        .gives(&[(DType::F32, &[2, 2], &[2.0, -1.875, 2.125, -1.375]), (DType::F32, &[2], &[-1.625, 2.125])]);
}

#[test]
fn unique() {
    let x = floats(&[2.0, 1.0, 1.0, 3.0, 4.0, 3.0]);
    Case::new(11)
        .input("x", x)
        .node("Unique", &["x"], &["y", "i", "inverse", "counts"], &[("sorted", A::Int(0))])
        .node("Unique", &["x"], &["s"], &[])
        .outputs(&["y", "i", "inverse", "counts", "s"])
        .gives(&[
            (DType::F32, &[4], &[2.0, 1.0, 3.0, 4.0]),
            (I64, &[4], &[0.0, 1.0, 3.0, 4.0]),
            (I64, &[6], &[0.0, 1.0, 1.0, 2.0, 3.0, 2.0]),
            (I64, &[4], &[1.0, 2.0, 2.0, 1.0]),
            (DType::F32, &[4], &[1.0, 2.0, 3.0, 4.0]),
        ]);
}

#[test]
fn non_maximum_suppression() {
    let boxes = [0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, -0.1, 1.0, 0.9, 0.0, 10.0, 1.0, 11.0];
    let run = |max_out: Case| {
        max_out
            .input("boxes", Tensor::from_f32(&[1, 4, 4], &boxes))
            .input("scores", Tensor::from_f32(&[1, 1, 4], &[0.9, 0.75, 0.6, 0.95]))
            .weight("iou", floats(&[0.5]))
            .weight("least", floats(&[0.0]))
            .node("NonMaxSuppression", &["boxes", "scores", "max", "iou", "least"], &["y"], &[])
            .outputs(&["y"])
    };
    run(Case::new(11).weight("max", i64s(&[3]))).gives(&[(I64, &[2, 3], &[0.0, 0.0, 3.0, 0.0, 0.0, 0.0])]);
    run(Case::new(11).input("max", i64s(&[1]))).gives(&[(I64, &[1, 3], &[0.0, 0.0, 3.0])]);
}

#[test]
fn slices_between_bounds_from_data() {
    let slice = |start: i64, end: i64, step: i64, expected: &[f64]| {
        Case::new(13)
            .input("x", floats(&[0.0, 1.0, 2.0, 3.0, 4.0]))
            .input("start", i64s(&[start]))
            .input("end", i64s(&[end]))
            .weight("axes", i64s(&[0]))
            .weight("step", i64s(&[step]))
            .node("Slice", &["x", "start", "end", "axes", "step"], &["y"], &[])
            .outputs(&["y"])
            .gives(&[(DType::F32, &[expected.len()], expected)]);
    };
    slice(1, 3, 1, &[1.0, 2.0]);
    slice(-2, i64::MAX, 1, &[3.0, 4.0]);
    slice(i64::MIN, -3, 1, &[0.0, 1.0]);
    slice(4, 2, 1, &[]);
    slice(0, 9, 2, &[0.0, 2.0, 4.0]);
    slice(9, i64::MIN, -1, &[4.0, 3.0, 2.0, 1.0, 0.0]);
    slice(3, 0, -2, &[3.0, 1.0]);
}

/// Whether a bound counts from the end depends on a dimension: it is clamped when the program runs.
#[test]
fn a_bound_of_unknown_sign() {
    let case = |rows: usize, expected: &[f64]| {
        Case::new(13)
            .input_dims("x", &[D::Name("n")], floats(&(0..rows).map(|i| i as f32).collect::<Vec<_>>()))
            .weight("two", i64s(&[2]))
            .weight("end", i64s(&[i64::MAX]))
            .node("Shape", &["x"], &["n"], &[])
            .node("Sub", &["n", "two"], &["start"], &[])
            .node("Slice", &["x", "start", "end"], &["y"], &[])
            .outputs(&["y"])
            .gives(&[(DType::F32, &[expected.len()], expected)]);
    };
    case(5, &[3.0, 4.0]);
    case(1, &[0.0]);
}

#[test]
fn shapes_from_data() {
    let reshape = |shape: &[i64], expected: &[usize]| {
        let x = f32s(&[2, 6], 0);
        let values = x.to_f64();
        Case::new(14)
            .input("x", x)
            .input("shape", i64s(shape))
            .node("Reshape", &["x", "shape"], &["y"], &[])
            .outputs(&["y"])
            .gives(&[(DType::F32, expected, &values)]);
    };
    reshape(&[3, 4], &[3, 4]);
    reshape(&[0, 2, 3], &[2, 2, 3]);
    reshape(&[-1, 3], &[4, 3]);
    let case = Case::new(14)
        .input("x", f32s(&[2, 6], 0))
        .input("shape", i64s(&[5, 2]))
        .node("Reshape", &["x", "shape"], &["y"], &[])
        .outputs(&["y"]);
    let inputs = |shape: &[i64]| vec![f32s(&[2, 6], 0), i64s(shape)];
    let module = case.import();
    verify(&module).unwrap();
    assert!(eval_module(&module, inputs(&[5, 2])).is_err(), "ten elements of twelve");
    assert!(eval_module(&module, inputs(&[13, 1])).is_err(), "more than there are");
    assert!(eval_module(&module, inputs(&[-2, -6])).is_err(), "negative sizes");
}

#[test]
fn the_largest_of_so_many() {
    Case::new(11)
        .input("x", floats(&[1.0, 3.0, 2.0]))
        .input("k", i64s(&[2]))
        .node("TopK", &["x", "k"], &["y", "at"], &[])
        .outputs(&["y", "at"])
        .gives(&[(DType::F32, &[2], &[3.0, 2.0]), (I64, &[2], &[1.0, 2.0])]);
}

#[test]
fn parts_of_sizes_from_data() {
    Case::new(18)
        .input("x", floats(&[0.0, 1.0, 2.0, 3.0]))
        .input("sizes", i64s(&[1, 3]))
        .node("Split", &["x", "sizes"], &["a", "b"], &[])
        .outputs(&["a", "b"])
        .gives(&[(DType::F32, &[1], &[0.0]), (DType::F32, &[3], &[1.0, 2.0, 3.0])]);
}

fn bounded(name: &str, most: i64) -> ImportOptions {
    ImportOptions { dims: vec![(name.to_owned(), DimBound::Range(0, most, None))], ..ImportOptions::default() }
}

/// What has no bound needs one from the caller, and says so.
#[test]
fn lengths_without_a_bound() {
    let range = |name: &str| {
        Case::new(11)
            .input("limit", scalar(4))
            .weight("start", scalar(-1))
            .weight("step", scalar(2))
            .node("Range", &["start", "limit", "step"], &[name], &[])
            .outputs(&[name])
    };
    let found = range("r").refused();
    assert!(found.contains("Range") && found.contains("--dim \"r_0\"=0..SIZE"), "{found}");
    assert!(found.contains("--const limit=.."), "{found}");
    let module = range("r").import_with(&bounded("r_0", 10)).unwrap();
    verify(&module).unwrap();
    let run = |limit: i64| eval_module(&module, vec![scalar(limit)]);
    assert_eq!(run(4).unwrap(), [i64s(&[-1, 1, 3])]);
    assert_eq!(run(-9).unwrap(), [i64s(&[])]);
    assert!(run(99).unwrap_err().to_string().contains("outside of 0..10"));
    let mut options = bounded("r_0", 10);
    options.dims.push(("q_0".to_owned(), DimBound::Pin(3)));
    let wrong = range("r").import_with(&options).unwrap_err().to_string();
    assert!(wrong.contains("there is no dimension \"q_0\"") && wrong.contains("dimensions: \"r_0\""), "{wrong}");

    let fill = Case::new(9)
        .input("shape", i64s(&[2, 3]))
        .node("ConstantOfShape", &["shape"], &["f"], &[])
        .node("Shape", &["f"], &["s"], &[])
        .outputs(&["f", "s"]);
    let mut options = bounded("f_0", 8);
    options.dims.push(("f_1".to_owned(), DimBound::Range(0, 8, None)));
    let module = fill.import_with(&options).unwrap();
    let results = eval_module(&module, vec![i64s(&[2, 3])]).unwrap();
    assert_eq!((results[0].shape(), &results[1]), (&[2, 3][..], &i64s(&[2, 3])));
}
