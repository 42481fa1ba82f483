//! Symbolic dimensions: shape arithmetic, options, symbols that are equal, control flow and functions on known values.

use lathe_compiler::onnx::import::{DimBound, ImportOptions, import_with_warnings, inputs_that_decide};
use lathe_compiler::onnx::proto::*;
use lathe_ir::{DType, Module, OpCode, Symbol, Tensor, eval_module};

use crate::support::*;

const N: D<'_> = D::Name("n");
const M: D<'_> = D::Name("m");

fn dims(name: &str, bound: DimBound) -> ImportOptions {
    ImportOptions { dims: vec![(name.into(), bound)], ..ImportOptions::default() }
}

fn types(module: &Module) -> Vec<String> {
    module.main.params.iter().chain(&module.main.results).map(|port| module.main.ty(port.value).to_string()).collect()
}

fn ops(module: &Module) -> Vec<OpCode> {
    module.main.iter().map(|(_, op)| op.code).collect()
}

/// x [n, 3, 4] as [n * 3, 4], the way exporters write it.
fn flattened() -> Case {
    Case::new(17)
        .input_dims("x", &[N, D::Size(3), D::Size(4)], f32s(&[2, 3, 4], 0))
        .weight("zero", Tensor::from_i64(DType::I64, &[], &[0]))
        .weight("one", Tensor::from_i64(DType::I64, &[], &[1]))
        .weight("first", i64s(&[0]))
        .weight("last", i64s(&[-1]))
        .node("Shape", &["x"], &["s"], &[])
        .node("Gather", &["s", "zero"], &["a"], &[])
        .node("Gather", &["s", "one"], &["b"], &[])
        .node("Mul", &["a", "b"], &["ab"], &[])
        .node("Unsqueeze", &["ab", "first"], &["ab1"], &[])
        .node("Concat", &["ab1", "last"], &["target"], &[("axis", A::Int(0))])
        .node("Reshape", &["x", "target"], &["y"], &[])
        .outputs(&["y"])
}

#[test]
fn shape_arithmetic_leaves_no_ops() {
    let module = flattened().import();
    assert_eq!(types(&module), ["f32[n,3,4]", "f32[3*n,4]"]);
    assert_eq!(ops(&module), [OpCode::Reshape]);
    assert!(module.env.equalities.is_empty());
}

#[test]
fn dimensions_are_data_only_when_an_op_needs_them() {
    let module = Case::new(17)
        .input_dims("x", &[N, D::Size(4)], f32s(&[2, 4], 0))
        .node("Shape", &["x"], &["s"], &[])
        .node("Cast", &["s"], &["f"], &[("to", A::Int(1))])
        .node("ReduceSum", &["f"], &["y"], &[("keepdims", A::Int(0))])
        .outputs(&["y"])
        .import();
    assert_eq!(ops(&module), [OpCode::Dims, OpCode::Cast, OpCode::ReduceSum]);
    let sum = eval_module(&module, vec![f32s(&[5, 4], 0)]).unwrap();
    assert_eq!(sum[0].to_f64(), [9.0]);
}

#[test]
fn pins_and_bounds_override_what_the_file_says() {
    let mut case = flattened();
    // What the file believes of values in between is wrong and must not matter.
    case.graph.value_info = vec![input("y", DType::I8, &[D::Size(77)]), input("s", DType::F32, &[])];
    let pinned = case.import_with(&dims("n", DimBound::Pin(5))).unwrap();
    assert_eq!(types(&pinned), ["f32[5,3,4]", "f32[15,4]"]);
    assert!(pinned.env.symbols.is_empty());
    let bounded = case.import_with(&dims("n", DimBound::Range(2, 8, Some(4)))).unwrap();
    let info = &bounded.env.symbols[&Symbol::new("n")];
    assert_eq!((info.lo, info.hi, info.typical), (2, Some(8), Some(4)));
    let options = ImportOptions { shapes: vec![("x".into(), vec![1, 3, 4])], ..ImportOptions::default() };
    assert_eq!(types(&case.import_with(&options).unwrap()), ["f32[1,3,4]", "f32[3,4]"]);
    // A shape overrides declared sizes too.
    let options = ImportOptions { shapes: vec![("x".into(), vec![1, 5, 4])], ..ImportOptions::default() };
    assert_eq!(types(&case.import_with(&options).unwrap()), ["f32[1,5,4]", "f32[5,4]"]);
}

#[test]
fn dimensions_without_a_name_are_called_after_input_and_axis() {
    let case = Case::new(17)
        .input_dims("x", &[D::Unnamed, D::Size(-1), D::Name("x_0")], f32s(&[1, 1, 1], 0))
        .node("Relu", &["x"], &["y"], &[])
        .outputs(&["y"]);
    assert_eq!(types(&case.import()), ["f32[x_0_,x_1,x_0]", "f32[x_0_,x_1,x_0]"]);
    let module = case.import_with(&dims("x_1", DimBound::Pin(9))).unwrap();
    assert_eq!(types(&module)[0], "f32[x_0_,9,x_0]");
}

#[test]
fn a_question_mark_is_no_name() {
    let case = Case::new(17)
        .input_dims("x", &[D::Name("?"), D::Name("?")], f32s(&[1, 1], 0))
        .node("Relu", &["x"], &["y"], &[])
        .outputs(&["y"]);
    assert_eq!(types(&case.import())[0], "f32[x_0,x_1]");
}

#[test]
fn symbols_that_an_op_proves_equal_become_one() {
    let case = Case::new(17)
        .input_dims("a", &[N, D::Size(4)], f32s(&[2, 4], 0))
        .input_dims("b", &[M, D::Size(4)], f32s(&[2, 4], 0))
        .node("Add", &["a", "b"], &["y"], &[])
        .outputs(&["y"]);
    let module = case.import();
    assert_eq!(types(&module), ["f32[n,4]", "f32[n,4]", "f32[n,4]"]);
    assert!(module.env.equalities.is_empty());
    assert_eq!(module.env.symbols.len(), 1);
    // A pin of the one that goes holds for the one that stays.
    let module = case.import_with(&dims("m", DimBound::Pin(3))).unwrap();
    assert_eq!(types(&module), ["f32[3,4]", "f32[3,4]", "f32[3,4]"]);
    let options = ImportOptions {
        dims: vec![("n".into(), DimBound::Range(1, 4, None)), ("m".into(), DimBound::Range(3, 9, None))],
        ..ImportOptions::default()
    };
    let module = case.import_with(&options).unwrap();
    let info = &module.env.symbols[&Symbol::new("n")];
    assert_eq!((info.lo, info.hi), (3, Some(4)));
    let options = ImportOptions {
        dims: vec![("n".into(), DimBound::Range(1, 4, None)), ("m".into(), DimBound::Range(5, 9, None))],
        ..ImportOptions::default()
    };
    let refused = case.import_with(&options).unwrap_err().to_string();
    assert_eq!(refused, "invalid: dimension \"m\" is 5..9: the model needs it to be equal to n, which is 1..4");
}

#[test]
fn a_dimension_that_the_model_fixes_is_told() {
    let case = Case::new(17)
        .input_dims("x", &[N, D::Size(4)], f32s(&[1, 4], 0))
        .weight("s", i64s(&[2, 2]))
        .node("Reshape", &["x", "s"], &["y"], &[])
        .outputs(&["y"]);
    let imported = import_with_warnings(&case.file(), &ImportOptions::default()).unwrap();
    assert_eq!(types(&imported.module), ["f32[1,4]", "f32[2,2]"]);
    let warnings: Vec<String> = imported.warnings.iter().map(|w| w.message.clone()).collect();
    assert_eq!(
        warnings,
        ["dimension \"n\" is symbolic in the file, but the program takes 1 only: an operator needs it"]
    );
    let refused = case.import_with(&dims("n", DimBound::Pin(2))).unwrap_err().to_string();
    assert!(refused.starts_with("invalid: node \"y\" (Reshape, opset 17): element counts"), "{refused}");
    let refused = case.import_with(&dims("n", DimBound::Range(2, 4, None))).unwrap_err().to_string();
    assert_eq!(refused, "invalid: dimension \"n\" is 2..4: the model needs it to be 1");
}

#[test]
fn a_table_of_positions_bounds_the_length() {
    let module = Case::new(17)
        .input_dims("x", &[N, D::Size(2)], f32s(&[3, 2], 0))
        .weight("table", f32s(&[16, 2], 0))
        .weight("zero", i64s(&[0]))
        .weight("one", i64s(&[1]))
        .node("Shape", &["x"], &["s"], &[])
        .node("Slice", &["s", "zero", "one"], &["n"], &[])
        .node("Slice", &["table", "zero", "n"], &["t"], &[])
        .node("Add", &["x", "t"], &["y"], &[])
        .outputs(&["y"])
        .import();
    assert_eq!(types(&module), ["f32[n,2]", "f32[n,2]"]);
    assert_eq!(module.env.symbols[&Symbol::new("n")].hi, Some(16));
    assert!(module.env.equalities.is_empty());
}

#[test]
fn sizes_by_scales_stay_symbolic_through_floats() {
    let module = Case::new(17)
        .input_dims("x", &[D::Size(1), D::Size(1), N, M], f32s(&[1, 1, 3, 4], 0))
        .weight("two", floats(&[1.0, 1.0, 2.0, 0.5]))
        .weight("four", Tensor::from_i64(DType::I64, &[], &[4]))
        .node("Shape", &["x"], &["s"], &[])
        .node("Cast", &["s"], &["f"], &[("to", A::Int(1))])
        .node("Mul", &["f", "two"], &["g"], &[])
        .node("Floor", &["g"], &["h"], &[])
        .node("Cast", &["h"], &["sizes"], &[("to", A::Int(7))])
        .node("Resize", &["x", "", "", "sizes"], &["y"], &[])
        .outputs(&["y"])
        .import();
    assert_eq!(types(&module)[1], "f32[1,1,2*n,floordiv(m, 2)]");
    assert_eq!(ops(&module), [OpCode::Resize]);
}

#[test]
fn places_of_nonzero_ones_are_a_range() {
    let module = Case::new(13)
        .input_dims("x", &[N], f32s(&[3], 0))
        .node("Shape", &["x"], &["s"], &[])
        .node("ConstantOfShape", &["s"], &["ones"], &[("value", A::Tensor(i64s(&[1])))])
        .node("NonZero", &["ones"], &["places"], &[])
        .weight("mask", Tensor::from_i64(DType::Bool, &[2, 2], &[0, 1, 1, 1]))
        .node("NonZero", &["mask"], &["known"], &[])
        .outputs(&["places", "known"])
        .import();
    let results = eval_module(&module, vec![f32s(&[4], 0)]).unwrap();
    assert_eq!((results[0].shape(), results[0].to_i64()), (&[1, 4][..], vec![0, 1, 2, 3]));
    assert_eq!((results[1].shape(), results[1].to_i64()), (&[2, 3][..], vec![0, 1, 1, 1, 0, 1]));
    let data = Case::new(13).input("x", f32s(&[3], 0)).node("NonZero", &["x"], &["y"], &[]).outputs(&["y"]).import();
    assert_eq!(types(&data), ["f32[3]", "i64[1,y_0]"]);
}

#[test]
fn known_shapes_are_repeated_and_tiled() {
    let module = Case::new(17)
        .input_dims("x", &[N, M], f32s(&[2, 3], 0))
        .weight("two", i64s(&[2]))
        .weight("last", i64s(&[-1]))
        .node("Shape", &["x"], &["s"], &[])
        .node("Tile", &["s", "two"], &["t"], &[])
        .node("Expand", &["x", "t"], &["y"], &[])
        .outputs(&["y"])
        .import();
    assert_eq!(types(&module)[1], "f32[n,m,n,m]");
    assert_eq!(ops(&module), [OpCode::Broadcast]);
}

#[test]
fn auto_pad_of_symbolic_sizes() {
    Case::new(17)
        .input_dims("x", &[D::Size(1), D::Size(1), N], f32s(&[1, 1, 5], 0))
        .weight("w", f32s(&[1, 1, 3], 4))
        .node("Conv", &["x", "w"], &["y"], &[("auto_pad", A::Str("SAME_UPPER")), ("strides", A::Ints(&[2]))])
        .node(
            "MaxPool",
            &["x"],
            &["z"],
            &[("auto_pad", A::Str("SAME_LOWER")), ("strides", A::Ints(&[2])), ("kernel_shape", A::Ints(&[2]))],
        )
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[1, 1, 3], &[-3.75, 1.984375, 2.015625]),
            (DType::F32, &[1, 1, 3], &[-2.5, 2.0, 2.125]),
        ]);
}

/// if (rank of x == `rank`) then relu(x) + k else -x
fn branching(rank: i64) -> Case {
    let name = |name: &str| ValueInfoProto { name: name.into(), ..ValueInfoProto::default() };
    let then_branch = GraphProto {
        node: vec![node("Relu", &["x"], &["r"], &[]), node("Add", &["r", "k"], &["t"], &[])],
        output: vec![name("t")],
        ..GraphProto::default()
    };
    let else_branch = GraphProto {
        initializer: vec![proto("unused", &floats(&[1.0]))],
        node: vec![node("Neg", &["x"], &["e"], &[])],
        output: vec![name("e")],
        ..GraphProto::default()
    };
    Case::new(17)
        .input_dims("x", &[N], floats(&[-1.0, 2.0]))
        .weight("k", floats(&[10.0]))
        .weight("rank", Tensor::from_i64(DType::I64, &[], &[rank]))
        .node("Shape", &["x"], &["s"], &[])
        .node("Size", &["s"], &["have"], &[])
        .node("Equal", &["have", "rank"], &["c"], &[])
        .node("If", &["c"], &["y"], &[("then_branch", A::Graph(then_branch)), ("else_branch", A::Graph(else_branch))])
        .outputs(&["y"])
}

#[test]
fn a_known_condition_takes_its_branch() {
    branching(1).gives(&[(DType::F32, &[2], &[10.0, 12.0])]);
    branching(2).gives(&[(DType::F32, &[2], &[1.0, -2.0])]);
    let module = branching(1).import();
    let names: Vec<String> = module.main.iter().map(|(_, op)| op.loc.first().to_owned()).collect();
    assert_eq!(names, ["y/then_branch/r", "y/then_branch/t", "y/then_branch/t"]);
}

#[test]
fn functions_are_expanded_with_their_attributes() {
    let reference = |name: &str, to: &str, kind: AttributeType| AttributeProto {
        name: name.into(),
        ref_attr_name: to.into(),
        r#type: kind as i32,
        ..AttributeProto::default()
    };
    let mut leaky = node("LeakyRelu", &["a"], &["r"], &[]);
    leaky.attribute.push(reference("alpha", "slope", AttributeType::Float));
    let mut inner = node("local::Inner", &["x", ""], &["y"], &[]);
    inner.attribute.push(reference("slope", "slope", AttributeType::Float));
    let opset_import = vec![
        OperatorSetIdProto { domain: String::new(), version: 11 },
        OperatorSetIdProto { domain: "local".into(), version: 1 },
    ];
    let function = |name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>| FunctionProto {
        name: name.into(),
        domain: "local".into(),
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: outputs.iter().map(|name| name.to_string()).collect(),
        node: nodes,
        opset_import: opset_import.clone(),
        attribute_proto: vec![AttributeProto {
            name: "slope".into(),
            f: Some(0.5),
            r#type: AttributeType::Float as i32,
            ..AttributeProto::default()
        }],
        ..FunctionProto::default()
    };
    let mut case = Case::new(17)
        .input("x", floats(&[-2.0, 4.0]))
        .node("local::Outer", &["x"], &["a"], &[])
        .node("local::Outer", &["x"], &["b"], &[("slope", A::Float(0.25))])
        .outputs(&["a", "b"]);
    case.functions = vec![
        // Of opset 11: clips by attributes would not be understood, axes of Unsqueeze are an attribute.
        function(
            "Inner",
            &["a", "low"],
            &["q"],
            vec![
                leaky,
                node("Clip", &["r", "low"], &["c"], &[]),
                node("Unsqueeze", &["c"], &["q"], &[("axes", A::Ints(&[0]))]),
            ],
        ),
        function("Outer", &["x"], &["y"], vec![inner]),
    ];
    let names: Vec<String> = case.import().main.iter().map(|(_, op)| op.loc.first().to_owned()).collect();
    assert_eq!(names, ["a/y/r", "a/y/c", "a/y/q", "b/y/r", "b/y/c", "b/y/q"]);
    case.gives(&[(DType::F32, &[1, 2], &[-1.0, 4.0]), (DType::F32, &[1, 2], &[-0.5, 4.0])]);
}

#[test]
fn an_input_can_be_a_constant() {
    let case = Case::new(17)
        .input_dims("x", &[N], f32s(&[6], 0))
        .input("shape", i64s(&[2, 3]))
        .input("axes", i64s(&[0]))
        .node("Reshape", &["x", "shape"], &["r"], &[])
        .node("Unsqueeze", &["r", "axes"], &["u"], &[])
        .node("Squeeze", &["u", "axes"], &["y"], &[])
        .outputs(&["y"]);
    // The shape is data like other data; the number of axes is not.
    assert_eq!(
        case.refused(),
        "unsupported: node \"u\" (Unsqueeze, opset 17): axes must be a constant\n  \
         note: input \"r\" is f32[r_0,r_1]\n  note: input \"axes\" is i64[1]\n  \
         help: fix the inputs that decide it: --const axes=.."
    );
    assert_eq!(inputs_that_decide(&case.file(), &ImportOptions::default()).unwrap(), ["axes"]);
    let consts = vec![("shape".into(), i64s(&[2, -1])), ("axes".into(), i64s(&[0]))];
    let options = ImportOptions { consts, ..ImportOptions::default() };
    let module = case.import_with(&options).unwrap();
    assert_eq!(inputs_that_decide(&case.file(), &options).unwrap(), [""; 0]);
    assert_eq!(types(&module), ["f32[n]", "f32[2,floordiv(n, 2)]"]);
    assert_eq!(module.env.equalities.len(), 1);
}

#[test]
fn an_input_with_an_initializer_is_a_weight() {
    let mut case = Case::new(17)
        .input("x", f32s(&[3], 0))
        .node("Add", &["x", "w"], &["y"], &[])
        .outputs(&["y"])
        .weight("w", f32s(&[3], 1));
    case.graph.input.push(input("w", DType::F32, &[D::Size(3)]));
    assert_eq!(case.import().main.params.len(), 1);
    let options = ImportOptions { shapes: vec![("w".into(), vec![1])], ..ImportOptions::default() };
    assert_eq!(types(&case.import_with(&options).unwrap()), ["f32[3]", "f32[1]", "f32[3]"]);
}

#[test]
fn weights_stay_slices_of_the_file() {
    let case = Case::new(17)
        .input("x", f32s(&[2, 20], 0))
        .weight("w", f32s(&[20, 10], 1))
        .node("MatMul", &["x", "w"], &["y"], &[])
        .outputs(&["y"]);
    let file = case.file();
    let module = lathe_compiler::onnx::import::import(&file, &ImportOptions::default()).unwrap();
    let in_file = file.graph().initializer[0].raw_data.as_ref().unwrap().as_ptr();
    assert_eq!(module.env.weights[0].value.bytes().as_ptr(), in_file);
    assert_eq!(&*module.env.weights[0].name, "w");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let case = flattened();
    let refused = |options: &ImportOptions| case.import_with(options).unwrap_err().to_string();
    assert_eq!(
        refused(&dims("batch", DimBound::Pin(1))),
        "invalid: there is no dimension \"batch\"\n  note: dimensions: \"n\""
    );
    assert_eq!(refused(&dims("n", DimBound::Pin(-1))), "invalid: dimension \"n\": sizes are from 0 to 2147483648");
    assert_eq!(refused(&dims("n", DimBound::Range(5, 4, None))), "invalid: dimension \"n\": the range 5..4 is empty");
    let shapes = |name: &str, shape: &[i64]| ImportOptions {
        shapes: vec![(name.into(), shape.to_vec())],
        ..ImportOptions::default()
    };
    assert_eq!(refused(&shapes("z", &[1])), "invalid: there is no input \"z\"\n  note: inputs: \"x\"");
    assert_eq!(refused(&shapes("x", &[1])), "invalid: input \"x\": 1 sizes are given for 3 axes");
    assert_eq!(refused(&shapes("x", &[1, 2, 1 << 40])), "invalid: input \"x\": 1099511627776 is no size");
    let both = ImportOptions { dims: dims("n", DimBound::Pin(2)).dims, ..shapes("x", &[3, 3, 4]) };
    assert_eq!(refused(&both), "invalid: dimension \"n\" is 3 in the shape given for an input, and 2 elsewhere");
}
