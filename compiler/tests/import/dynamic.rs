//! What is decided when the program is called: sizes that compare, axes of a reduction, lists of unknown length, operands
//! that repeat, sizes of 0.

use lathe_compiler::onnx::import::ImportOptions;
use lathe_compiler::onnx::proto::GraphProto;
use lathe_ir::{DType, Module, Symbol, Tensor, eval_module};

use crate::support::*;

const F32: DType = DType::F32;
const N: D<'_> = D::Name("n");
const M: D<'_> = D::Name("m");

fn dynamic() -> ImportOptions {
    ImportOptions { dynamic: true, ..ImportOptions::default() }
}

fn types(module: &Module) -> Vec<String> {
    module.main.params.iter().chain(&module.main.results).map(|port| module.main.ty(port.value).to_string()).collect()
}

/// How often heads repeat, as the expanded form of Attention computes it.
#[test]
fn a_size_chosen_by_comparing_sizes() {
    let case = Case::new(17)
        .input_dims("q", &[N, D::Size(2)], f32s(&[6, 2], 0))
        .input_dims("k", &[M, D::Size(1)], f32s(&[3, 1], 0))
        .weight("zero", i64s(&[0]))
        .weight("one", i64s(&[1]))
        .node("Shape", &["q"], &["heads"], &[("end", A::Int(1))])
        .node("Shape", &["k"], &["others"], &[("end", A::Int(1))])
        .node("Equal", &["heads", "others"], &["same"], &[])
        .node("Not", &["same"], &["differ"], &[])
        .node("Div", &["heads", "others"], &["times"], &[])
        .node("Mod", &["heads", "others"], &["rest"], &[])
        .node("Equal", &["rest", "zero"], &["divides"], &[])
        .node("And", &["differ", "divides"], &["repeats"], &[])
        .node("Where", &["repeats", "times", "one"], &["count"], &[])
        .node("Concat", &["others", "count"], &["target"], &[("axis", A::Int(0))])
        .node("Expand", &["k", "target"], &["y"], &[])
        .outputs(&["y"]);
    let module = case.import();
    for (heads, others, times) in [(6, 3, 2), (3, 3, 1), (7, 3, 1), (1, 1, 1), (8, 1, 8)] {
        let inputs = vec![f32s(&[heads, 2], 0), f32s(&[others, 1], 0)];
        let result = eval_module(&module, inputs).unwrap();
        assert_eq!(result[0].shape(), [others, times], "{heads} of {others}");
    }
}

fn reduced(op: &str, axes: &[i64], keepdims: bool, expected: (&[usize], &[f64])) {
    Case::new(18)
        .input("x", f32s(&[2, 3, 2], 0))
        .input("a", i64s(axes))
        .node(op, &["x", "a"], &["y"], &[("keepdims", A::Int(i64::from(keepdims)))])
        .outputs(&["y"])
        .gives(&[(F32, expected.0, expected.1)]);
}

#[test]
fn axes_from_data() {
    reduced("ReduceL1", &[1, -1], true, (&[2, 1, 1], &[11.5, 7.0]));
    reduced("ReduceL2", &[1, -1], false, (&[2], &[4.7762432, 3.4731109]));
    reduced("ReduceLogSumExp", &[1, 2], false, (&[2], &[2.8001518, 2.7250142]));
    reduced("ReduceLogSumExp", &[2, 0, 1], true, (&[1, 1, 1], &[3.4564357]));
    reduced("ReduceMax", &[0, 2], false, (&[3], &[-0.125, 2.0, 2.125]));
    reduced("ReduceMean", &[0, 1, 2], false, (&[], &[-0.22916667]));
    reduced("ReduceMean", &[-2, 2], true, (&[2, 1, 1], &[-0.54166669, 0.083333336]));
}

#[test]
fn how_many_axes_is_not_known() {
    let case = |dims: &[D<'_>], values: &[i64], none: i64| {
        Case::new(18)
            .input("x", Tensor::from_i64(DType::I32, &[2, 2], &[1, 2, 3, 4]))
            .input_dims("a", dims, i64s(values))
            .node("ReduceSum", &["x", "a"], &["y"], &[("noop_with_empty_axes", A::Int(none))])
            .outputs(&["y"])
    };
    case(&[N], &[0], 0).gives(&[(DType::I32, &[1, 2], &[4.0, 6.0])]);
    case(&[N], &[1, -2], 0).gives(&[(DType::I32, &[1, 1], &[10.0])]);
    // Named twice, and none.
    case(&[N], &[1, -1], 0).gives(&[(DType::I32, &[2, 1], &[3.0, 7.0])]);
    case(&[N], &[], 0).gives(&[(DType::I32, &[1, 1], &[10.0])]);
    case(&[N], &[], 1).gives(&[(DType::I32, &[2, 2], &[1.0, 2.0, 3.0, 4.0])]);
    let outside = case(&[N], &[2], 0);
    let inputs = vec![Tensor::from_i64(DType::I32, &[2, 2], &[1, 2, 3, 4]), i64s(&[2])];
    let error = eval_module(&outside.import(), inputs).unwrap_err().to_string();
    assert!(error.contains("outside"), "{error}");
    let mut dropped = case(&[N], &[0], 0);
    dropped.graph.node[0] = node("ReduceSum", &["x", "a"], &["y"], &[("keepdims", A::Int(0))]);
    let refused = dropped.refused();
    assert!(refused.contains("how many axes are left") && refused.contains("--const a="), "{refused}");
}

/// The length of a list that has one entry for each axis or output is learned.
#[test]
fn lengths_that_the_axes_tell() {
    let module = Case::new(18)
        .input_dims("x", &[N, D::Size(3)], f32s(&[2, 3], 0))
        .input_dims("k", &[D::Name("k_length")], i64s(&[2]))
        .input_dims("parts", &[D::Name("parts_length")], i64s(&[1, 2]))
        .node("TopK", &["x", "k"], &["top", "at"], &[])
        .node("Split", &["x", "parts"], &["left", "right"], &[("axis", A::Int(1))])
        .outputs(&["top", "left", "right"])
        .import();
    assert_eq!(types(&module)[..3], ["f32[n,3]", "i64[1]", "i64[2]"]);
    let x = Tensor::from_f32(&[1, 3], &[5.0, 7.0, 6.0]);
    let results = eval_module(&module, vec![x, i64s(&[2]), i64s(&[1, 2])]).unwrap();
    let results: Vec<Vec<f64>> = results.iter().map(Tensor::to_f64).collect();
    assert_eq!(results, [vec![7.0, 6.0], vec![5.0], vec![7.0, 6.0]]);
}

#[test]
fn amounts_whose_sign_depends_on_a_size() {
    let case = Case::new(18)
        .input_dims("x", &[N], floats(&[1.0, 2.0, 3.0]))
        .weight("size", i64s(&[4]))
        .weight("none", i64s(&[0]))
        .node("Shape", &["x"], &["n"], &[])
        .node("Sub", &["size", "n"], &["missing"], &[])
        .node("Concat", &["none", "missing"], &["pads"], &[("axis", A::Int(0))])
        .node("Pad", &["x", "pads"], &["y"], &[])
        .node("CenterCropPad", &["x", "size"], &["z"], &[])
        .outputs(&["y", "z"]);
    let module = case.import();
    for (given, padded, centred) in [
        (vec![1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 3.0, 0.0]),
        (vec![1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]),
        (vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]),
    ] {
        let results = eval_module(&module, vec![floats(&given)]).unwrap();
        assert_eq!((results[0].to_f64(), results[1].to_f64()), (padded.to_vec(), centred.to_vec()));
    }
}

/// Symbols of different names are equal where they meet in a broadcast, unless all sizes are to be served.
#[test]
fn one_of_two_sizes_may_be_one() {
    let case = Case::new(18)
        .input_dims("x", &[N, D::Size(2)], f32s(&[3, 2], 0))
        .input_dims("y", &[M, D::Name("k")], f32s(&[1, 1], 0))
        .node("Add", &["x", "y"], &["z"], &[])
        .outputs(&["z"]);
    assert_eq!(types(&case.import()), ["f32[n,2]", "f32[n,2]", "f32[n,2]"]);
    let module = case.import_with(&dynamic()).unwrap();
    for (n, m, k) in [(3, 1, 1), (1, 3, 2), (3, 3, 2), (1, 1, 1)] {
        let result = eval_module(&module, vec![f32s(&[n, 2], 0), f32s(&[m, k], 0)]).unwrap();
        assert_eq!(result[0].shape(), [n.max(m), 2]);
    }
    for (n, m, k) in [(3, 2, 1), (3, 3, 3)] {
        assert!(eval_module(&module, vec![f32s(&[n, 2], 0), f32s(&[m, k], 0)]).is_err());
    }
}

/// Where nothing has to be known of a size it may be 0.
#[test]
fn sizes_begin_at_zero_if_all_are_to_be_served() {
    let least = |module: &Module, name: &str| module.env.symbols[&Symbol::new(name)].lo;
    let case = Case::new(18)
        .input_dims("x", &[N], floats(&[1.0]))
        .input_dims("like", &[M], Tensor::from_f64(DType::F64, &[0], &[]))
        .node("CastLike", &["x", "like"], &["y"], &[])
        .outputs(&["y"]);
    let module = case.import();
    // Of `like` nothing but the type is read.
    assert_eq!((least(&module, "n"), least(&module, "m")), (1, 0));
    assert_eq!(least(&case.import_with(&dynamic()).unwrap(), "n"), 0);
}

/// Branches of different ranks cannot be one value; what has to be fixed is said.
#[test]
fn sizes_that_decide_a_rank_are_named() {
    let branch = |op: &str, target: &str| GraphProto {
        node: vec![node(op, &["x", target], &["r"], &[])],
        output: Case::new(17).outputs(&["r"]).graph.output,
        ..GraphProto::default()
    };
    let case = Case::new(17)
        .input_dims("x", &[N, D::Size(2)], f32s(&[1, 2], 0))
        .weight("flat", i64s(&[-1]))
        .weight("same", i64s(&[0, 2]))
        .weight("one", i64s(&[1]))
        .node("Shape", &["x"], &["rows"], &[("end", A::Int(1))])
        .node("Equal", &["rows", "one"], &["single"], &[])
        .node(
            "If",
            &["single"],
            &["y"],
            &[
                ("then_branch", A::Graph(branch("Reshape", "flat"))),
                ("else_branch", A::Graph(branch("Reshape", "same"))),
            ],
        )
        .outputs(&["y"]);
    let refused = case.refused();
    assert!(refused.contains("fix them, --dim n=V"), "{refused}");
    let fixed = |size| ImportOptions { shapes: vec![("x".into(), vec![size, 2])], ..ImportOptions::default() };
    assert_eq!(types(&case.import_with(&fixed(1)).unwrap())[1], "f32[2]");
    assert_eq!(types(&case.import_with(&fixed(3)).unwrap())[1], "f32[3,2]");
}
