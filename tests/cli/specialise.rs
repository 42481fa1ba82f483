//! What inputs decide: `run` fixes their sizes and, where it must, their values; `compile` asks for `--const`.

use crate::model::{Case, node, value};
use lathe_ir::{DType, Tensor};

/// y = whole mean of x over the axis that the second input names, and a bias: which axis goes is decided by a value.
fn mean_over_axis() -> Case {
    let inputs = vec![
        value("x", DType::F32, &[None, None]),
        value("axes", DType::I64, &[Some(1)]),
        value("bias", DType::F32, &[Some(1)]),
    ];
    let nodes = vec![
        node("whole", "Cast", &["x"], &[("to", 7)]),
        node("mean", "ReduceMean", &["whole", "axes"], &[("keepdims", 0)]),
        node("float", "Cast", &["mean"], &[("to", 1)]),
        node("y", "Add", &["float", "bias"], &[]),
    ];
    let case = Case::new(inputs, nodes);
    case.input("in", 0, &Tensor::from_f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    case.input("in", 1, &Tensor::from_i64(DType::I64, &[1], &[1]));
    case.input("in", 2, &Tensor::from_f32(&[1], &[0.5]));
    case
}

#[test]
fn run_specialises_and_says_so() {
    let case = mean_over_axis();
    let said = case.succeeds(&["run", "model.onnx", "--input-dir", "in", "--output-dir", "out"]);
    assert!(said.contains("note: specialised on input \"axes\" = i64[1] [1]"), "{said}");
    assert_eq!(case.output("out"), (vec![2], vec![2.5, 5.5]));
    let said = case.succeeds(&["bench", "model.onnx", "--input-dir", "in", "--seconds", "0", "--json"]);
    assert!(said.contains("specialised on") && said.contains("median_ms"), "{said}");
}

#[test]
fn nothing_is_specialised_when_it_is_forbidden() {
    let case = mean_over_axis();
    let expected = ["node \"mean\" (ReduceMean, opset 18)", "\"axes\"", "--const axes=VALUE"];
    case.fails(&["run", "model.onnx", "--input-dir", "in", "--dynamic"], 3, &expected);
    case.fails(&["compile", "model.onnx", "-o", "model.lathe"], 3, &expected);
    case.fails(&["check", "model.onnx"], 3, &expected);
    // With the value the sizes are still open.
    let args = ["run", "model.onnx", "--input-dir", "in", "--output-dir", "out", "--dynamic", "--const", "axes=0"];
    case.fails(&args, 2, &["input \"axes\" is given as i64[1] [1]", "--const fixes it to i64[1] [0]"]);
    std::fs::remove_file(case.at("in/input_1.pb")).unwrap();
    case.succeeds(&args);
    assert_eq!(case.output("out"), (vec![3], vec![2.5, 3.5, 4.5]));
}

#[test]
fn an_artifact_has_no_fixed_inputs_and_open_sizes() {
    let case = mean_over_axis();
    let said = case.succeeds(&["compile", "model.onnx", "-o", "model.lathe", "--const", "axes=[-2]"]);
    assert!(said.contains("fixed   axes = i64[1] [-2], no input of the result"), "{said}");
    for rows in [1, 4] {
        let folder = format!("in{rows}");
        case.input(&folder, 0, &Tensor::from_f32(&[rows, 2], &[1.0, 2.0].repeat(rows)));
        case.input(&folder, 1, &Tensor::from_f32(&[1], &[0.5]));
        case.succeeds(&["run", "model.lathe", "--input-dir", &folder, "--output-dir", "out"]);
        assert_eq!(case.output("out"), (vec![2], vec![1.5, 2.5]));
    }
    let args = ["run", "model.lathe", "--input-dir", "in1", "--const", "axes=0"];
    case.fails(&args, 2, &["--const comes too late"]);
}

#[test]
fn constants_take_the_type_of_their_input() {
    let inputs = vec![
        value("x", DType::F32, &[Some(3)]),
        value("scale", DType::F32, &[Some(3)]),
        value("keep", DType::Bool, &[]),
        value("count", DType::I32, &[Some(1)]),
    ];
    let nodes = vec![
        node("scaled", "Mul", &["x", "scale"], &[]),
        node("kept", "Where", &["keep", "scaled", "x"], &[]),
        node("number", "Cast", &["count"], &[("to", 1)]),
        node("y", "Add", &["kept", "number"], &[]),
    ];
    let case = Case::new(inputs, nodes);
    case.input("in", 0, &Tensor::from_f32(&[3], &[1.0, 2.0, 3.0]));
    let run = ["run", "model.onnx", "--input-dir", "in", "--output-dir", "out"];
    let fixed = |scale, keep, count| [&run[..], &["--const", scale, "--const", keep, "--const", count]].concat();
    case.succeeds(&fixed("scale=2", "keep=true", "count=7"));
    assert_eq!(case.output("out"), (vec![3], vec![9.0, 11.0, 13.0]));
    case.succeeds(&fixed("scale=[1,-1,0.5]", "keep=1", "count=-7"));
    assert_eq!(case.output("out"), (vec![3], vec![-6.0, -9.0, -5.5]));
    case.fails(&fixed("scale=2", "keep=2", "count=7"), 2, &["--const keep=2", "no value of type bool"]);
    case.fails(&fixed("scale=2", "keep=0", "count=0.5"), 2, &["--const count=0.5", "no value of type i32"]);
    case.fails(&fixed("scale=2", "keep=0", "count=3000000000"), 2, &["no value of type i32"]);
    case.fails(&fixed("scale=[1,2]", "keep=0", "count=1"), 4, &["scale"]);
    case.fails(&fixed("scale=", "keep=0", "count=1"), 2, &["--const scale="]);
    case.fails(&fixed("other=1", "keep=0", "count=1"), 4, &["there is no input \"other\""]);
}
