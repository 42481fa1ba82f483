//! Modules written as ONNX: every op has a form; what is written decodes, imports and computes the same; onnxruntime
//! computes the same too (tests/scripts/check_export.py on the cases that `write_cases` writes).

#![allow(clippy::unwrap_used)]

#[path = "../ir/tests/generate/mod.rs"]
#[allow(dead_code)]
mod generate;

use std::path::Path;

use generate::{Rng, generate};
use lathe_compiler::onnx::import::{ImportOptions, import};
use lathe_compiler::onnx::proto::{DimensionValue, ModelProto, TypeValue};
use lathe_compiler::onnx::tensor::TensorData;
use lathe_compiler::onnx::{OnnxFile, export, tensor_pb};
use lathe_ir::builder::complete_attrs;
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{
    Attr, Attrs, Builder, DType, Dim, Kind, Module, OpCode, Symbol, SymbolInfo, Tensor, TensorType, eval_module,
};
use prost::Message;

#[test]
fn every_op_has_a_form() {
    let missing: Vec<&str> = OpCode::all().filter(|code| !export::has_form(*code)).map(OpCode::name).collect();
    assert_eq!(missing, ["trap"], "ops without a form in ONNX");
}

/// A module of one op on parameters p0, p1, .. with results y0, y1, ..; `None` if inference refuses it.
fn module_of(code: OpCode, operands: &[Option<TensorType>], attrs: &Attrs, edge: fn(DType) -> DType) -> Option<Module> {
    let mut module = Module::default();
    let dims = operands.iter().flatten().flat_map(|ty| &ty.shape);
    for symbol in dims.flat_map(Dim::symbols) {
        module.env.symbols.insert(symbol, SymbolInfo { lo: 0, ..SymbolInfo::default() });
    }
    let (env, graph) = (&mut module.env, &mut module.main);
    let mut ids = Vec::new();
    for (index, ty) in operands.iter().enumerate() {
        let add = |ty: &TensorType| graph.add_param(&format!("p{index}"), ty.with_dtype(edge(ty.dtype)));
        ids.push(ty.as_ref().map(add));
    }
    let mut builder = Builder::new(env, graph);
    for (id, ty) in ids.iter_mut().zip(operands) {
        if let (Some(id), Some(ty)) = (id, ty) {
            *id = builder.cast(*id, ty.dtype).unwrap();
        }
    }
    let op = builder.op_with(code, ids.iter().copied().collect(), attrs.clone(), Vec::new()).ok()?;
    for (index, value) in builder.graph.op(op).results.clone().into_iter().enumerate() {
        let edged = builder.cast(value, edge(builder.ty(value).dtype)).unwrap();
        builder.graph.add_result(&format!("y{index}"), edged);
    }
    Some(module)
}

/// A module and inputs for it.
type Case = (Module, Vec<Tensor>);

/// Random cases of an op, every other one with symbols in place of sizes.
fn random_cases(code: OpCode, rng: &mut Rng, count: usize, edge: fn(DType) -> DType, finite: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for _ in 0..count * 60 {
        let case = generate(code, rng);
        let mut attrs = complete_attrs(code.def(), &case.attrs).unwrap();
        if code == OpCode::Resize {
            round_scales(&mut attrs);
        }
        let constant: Vec<_> = case.operands.iter().map(|operand| operand.as_ref().map(Tensor::ty)).collect();
        let symbolic = cases.len() % 2 == 1;
        let Some(module) = (match symbolic {
            true => symbolic_module(code, rng, &constant, &attrs, edge),
            false => module_of(code, &constant, &attrs, edge),
        }) else {
            continue;
        };
        let inputs: Vec<Tensor> = case.operands.iter().flatten().map(|x| at_edge(x, edge, finite)).collect();
        let Ok(results) = eval_module(&module, inputs.clone()) else { continue };
        // onnxruntime refuses windows and rows without elements.
        let windows =
            [OpCode::Conv, OpCode::ConvTranspose, OpCode::MaxPool, OpCode::AvgPool, OpCode::Resize, OpCode::LayerNorm];
        let empty = inputs.iter().chain(&results).any(Tensor::is_empty);
        if !(finite && empty && windows.contains(&code)) {
            cases.push((module, inputs));
        }
        if cases.len() == count {
            break;
        }
    }
    cases
}

/// Scales of a resize as models have them, in f32.
fn round_scales(attrs: &mut Attrs) {
    let round = |bits: &i64| f64::from(f64::from_bits(*bits as u64) as f32).to_bits() as i64;
    if let Some(Attr::Ints(bits)) = attrs.last_mut() {
        *bits = bits.iter().map(round).collect();
    }
}

/// An operand as input: of the type that the edge has, without infinities and NaN if asked.
fn at_edge(x: &Tensor, edge: fn(DType) -> DType, finite: bool) -> Tensor {
    let to = edge(x.dtype());
    if !x.dtype().holds_floats() && to != x.dtype() {
        return Tensor::from_i64(to, x.shape(), &x.to_i64());
    }
    if !x.dtype().holds_floats() || (to == x.dtype() && !finite) {
        return x.clone();
    }
    let value = |value: f64| if finite && !value.is_finite() { 1.25 } else { value };
    Tensor::from_f64(to, x.shape(), &x.to_f64().into_iter().map(value).collect::<Vec<_>>())
}

/// The module with symbols D2, D3, .. for some sizes, in attributes too.
fn symbolic_module(
    code: OpCode,
    rng: &mut Rng,
    constant: &[Option<TensorType>],
    attrs: &Attrs,
    edge: fn(DType) -> DType,
) -> Option<Module> {
    let symbol = |size: i64| Dim::symbol(&Symbol::new(&format!("D{size}")));
    let mut types = constant.to_vec();
    let mut used = Vec::new();
    for (index, ty) in types.iter_mut().enumerate() {
        let Some(ty) = ty else { continue };
        // Index tuples have a constant length by definition, kernels in ONNX.
        let fixed = match code {
            OpCode::GatherNd | OpCode::ScatterNd => 1,
            OpCode::Conv | OpCode::ConvTranspose if index == 1 => ty.rank(),
            _ => 0,
        };
        let axes = ty.rank().saturating_sub(fixed);
        for dim in &mut ty.shape[..axes] {
            let size = dim.as_const().unwrap();
            if size >= 2 && rng.below(3) > 0 {
                *dim = symbol(size);
                used.push(size);
            }
        }
    }
    let replaced = |dim: &Dim| match dim.as_const() {
        Some(size) if used.contains(&size) => symbol(size),
        _ => dim.clone(),
    };
    let attrs: Attrs = attrs
        .iter()
        .map(|attr| match attr {
            Attr::Dims(dims) => Attr::dims(dims.iter().map(replaced)),
            other => other.clone(),
        })
        .collect();
    module_of(code, &types, &attrs, edge)
}

fn same(dtype: DType) -> DType {
    dtype
}

fn show(module: &Module) -> String {
    lathe_ir::text::print_module(module)
}

/// Largest difference of two results relative to the largest value of the second; NaN equals NaN.
fn difference(got: &Tensor, want: &Tensor) -> Result<f64, String> {
    if got.ty() != want.ty() {
        return Err(format!("{} instead of {}", got.ty(), want.ty()));
    }
    if !got.dtype().is_float() {
        return if got == want { Ok(0.0) } else { Err(format!("{got:?} instead of {want:?}")) };
    }
    let scale = want.to_f64().into_iter().filter(|v| v.is_finite()).fold(1.0f64, |most, v| most.max(v.abs()));
    let gap = |(g, w): (f64, f64)| if g == w || (g.is_nan() && w.is_nan()) { 0.0 } else { (g - w).abs() / scale };
    let gaps = got.to_f64().into_iter().zip(want.to_f64()).map(gap);
    Ok(gaps.fold(0.0, |most, gap| if gap.is_nan() { f64::INFINITY } else { most.max(gap) }))
}

fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1.1e-3,
        DType::BF16 => 8e-3,
        _ => 1e-6,
    }
}

/// Writes, decodes, imports and evaluates.
fn round_trip(module: &Module, inputs: &[Tensor]) -> Result<(), String> {
    let model = export::to_model(module).map_err(|found| found.to_string())?;
    let file = OnnxFile::from_bytes(model.encode_to_vec().into()).map_err(|error| error.to_string())?;
    let again = import(&file, &ImportOptions::default()).map_err(|found| found.to_string())?;
    let want = eval_module(module, inputs.to_vec()).map_err(|error| error.to_string())?;
    let got = eval_module(&again, inputs.to_vec()).map_err(|error| format!("{error}\n{}", show(&again)))?;
    for (got, want) in got.iter().zip(&want) {
        let gap = difference(got, want)?;
        if gap > tolerance(want.dtype()) {
            return Err(format!("{got:?} instead of {want:?}: off by {gap:e}\n{}", show(&again)));
        }
    }
    Ok(())
}

/// Words of the errors that are right: what ONNX cannot say, and what the importer does not read.
const REFUSED: &[(OpCode, &str)] = &[
    (OpCode::BitCast, "has no operator that reads the bits of"),
    (OpCode::Pow, "ONNX's Pow does not take u64"),
    (OpCode::MaxPool, "ONNX's MaxPool does not take"),
    (OpCode::Resize, "ONNX's Resize takes a size or a scale"),
    (OpCode::DynSlice, "starts or ends are computed"),
    (OpCode::Lstm, "takes a constant number of hidden units"),
    (OpCode::Gru, "takes a constant number of hidden units"),
    (OpCode::Rnn, "takes a constant number of hidden units"),
    (OpCode::Slice, "negative depends on a dimension"),
];

#[test]
fn random_modules_come_back() {
    let mut rng = Rng::new(7);
    let (mut failed, mut done, mut refused) = (Vec::new(), 0, 0);
    for code in OpCode::all().filter(|code| !generate::has_regions(*code)) {
        // Infinite values times the zeros of a causal mask, or of the product that stands before a recurrence, are NaN.
        let is_finite = matches!(code, OpCode::Attention | OpCode::Lstm | OpCode::Gru | OpCode::Rnn);
        let cases = random_cases(code, &mut rng, 40, same, is_finite);
        assert!(cases.len() >= 20, "only {} cases of {}", cases.len(), code.name());
        for (module, inputs) in cases {
            match round_trip(&module, &inputs) {
                Ok(()) => done += 1,
                Err(text) if REFUSED.iter().any(|(of, words)| *of == code && text.contains(words)) => refused += 1,
                Err(text) => failed.push(format!("{}: {text}\n{}{inputs:?}", code.name(), show(&module))),
            }
        }
    }
    let shown = failed[..failed.len().min(5)].join("\n\n");
    assert!(failed.is_empty(), "{done} modules come back, {refused} are refused, {} fail:\n{shown}", failed.len());
    assert!(refused < done / 20, "{refused} of {done} modules are refused");
}

/// Modules in which dimensions become data; N is 5.
const SYMBOLIC: &[&str] = &[
    "(%0 \"x\": f32[N,6]) { %1 = reshape(%0) {shape = [2*N, 3]} return %1 \"y\" }",
    "(%0 \"x\": f32[N,N]) { %1 = reshape(%0) {shape = [N*N, 1]} return %1 \"y\" }",
    "(%0 \"x\": f32[N,1]) { %1 = broadcast(%0) {shape = [2, N, floordiv(N + 1, 2)]} return %1 \"y\" }",
    "(%0 \"x\": f32[N]) { %1 = slice(%0) {starts = [N - 1], sizes = [N], steps = [-1]} return %1 \"y\" }",
    "(%0 \"x\": f32[N]) { %1 = slice(%0) {starts = [N - 2], sizes = [N - 2], steps = [-1]} return %1 \"y\" }",
    "(%0 \"x\": f32[N,4]) { %1 = slice(%0) {starts = [1, 0], sizes = [floordiv(N, 2), 4], steps = [2, 1]} return %1 \"y\" }",
    "(%0 \"x\": f32[N,4]) { %1 = pad(%0) {before = [N, 0], after = [max(8 - N, 0), 1]} return %1 \"y\" }",
    "(%0 \"x\": f32[N]) { %1 = iota() {shape = [3, N + 1], axis = 1, dtype = f32} return %1 \"y\" }",
    "(%0 \"x\": f32[N]) { %1 = dims() {values = [N, 4, floordiv(N - 9, 2), min(N, 3), -3*N + 1]} return %1 \"y\" }",
    "(%0 \"x\": f32[N,8]) { %1, %2 = topk(%0) {axis = 0, k = [floordiv(N, 2)]} return %1 \"y\", %2 \"i\" }",
    "(%0 \"x\": i32[N,8]) { %1 = reduce_mean(%0) {axes = [0, 1], keepdims = false} return %1 \"y\" }",
    "(%0 \"x\": f32[1,N,N,2]) { %1 = resize(%0) {sizes = [1, 2*N, N, 2]} return %1 \"y\" }",
    "(%0 \"x\": f32[2,N,4]) { %1 = layer_norm(%0) {axis = 1, eps = 1e-5} return %1 \"y\" }",
    "(%0 \"x\": f32[2,N,4], %1 \"z\": f32[2,7,4]) {
       %2 = attention(%0, %1, %1) {scale = 0.5, causal = true, nan_to_zero = true} return %2 \"y\" }",
    "(%0 \"x\": f32[2,N,4]) { %1 = attention(%0, %0, %0) {scale = 0.5, causal = true} return %1 \"y\" }",
    "(%0 \"x\": f32[2,N,5,3], %1 \"w\": f32[4,3,2,3], %2 \"b\": f32[4]) {
       %3 = conv(%0, %1, %2) {strides = [1, 2], dilations = [1, 1], pads_before = [1, 0], pads_after = [0, 1], act = \"relu\"}
       %4 = max_pool(%3) {kernel = [2, 2], strides = [1, 1], dilations = [1, 1], pads_before = [0, 0], pads_after = [1, 1]}
       return %4 \"y\" }",
    "(%0 \"x\": f32[2,N]) { %1 = neg(%0) return %1 \"y\", %0 \"same\", %1 \"again\" }",
];

fn symbolic_cases() -> Vec<Case> {
    let mut rng = Rng::new(3);
    let parse = |text: &&str| parse_module(&format!("symbol N : 0..\ngraph{text}"), &no_weights).unwrap();
    let modules = SYMBOLIC.iter().map(parse);
    modules
        .map(|module| {
            let types = module.main.params.iter().map(|port| module.main.ty(port.value));
            let sizes = |ty: &TensorType| ty.substitute(&|_| Some(Dim::from(5))).sizes().unwrap();
            let inputs = types.map(|ty| at_edge(&rng.tensor(ty.dtype, &sizes(ty)), same, true)).collect();
            (module, inputs)
        })
        .collect()
}

#[test]
fn symbolic_dimensions_come_back() {
    let failed: Vec<String> = symbolic_cases()
        .into_iter()
        .filter_map(|(module, inputs)| Some(format!("{}\n{}", round_trip(&module, &inputs).err()?, show(&module))))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn operators(model: &ModelProto) -> Vec<&str> {
    model.graph.as_ref().unwrap().node.iter().map(|node| node.op_type.as_str()).collect()
}

fn parse(text: &str) -> Module {
    parse_module(text, &no_weights).unwrap()
}

#[test]
fn transposes_around_convolutions_cancel() {
    let text = "graph(%0 \"x\": f32[1,3,8,8], %1 \"w\": f32[4,3,3,3], %2 \"v\": f32[4,4,1,1]) {
      %3 = transpose(%0) {perm = [0, 2, 3, 1]}
      %4 = conv(%3, %1) {strides = [1, 1], dilations = [1, 1], pads_before = [1, 1], pads_after = [1, 1], act = \"silu\"}
      %5 = conv(%4, %2, none, %4) {strides = [1, 1], dilations = [1, 1], pads_before = [0, 0], pads_after = [0, 0]}
      %6 = concat(%4, %5) {axis = 3}
      %7 = const f32[] 2.0
      %8 = mul(%6, %7)
      %9 = transpose(%8) {perm = [0, 3, 1, 2]}
      return %9 \"y\" }";
    let module = parse(text);
    let made = export::to_model(&module).unwrap();
    assert_eq!(operators(&made), ["Conv", "Sigmoid", "Mul", "Conv", "Add", "Concat", "Mul"]);
    let mut rng = Rng::new(5);
    let inputs = [&[1, 3, 8, 8], &[4, 3, 3, 3], &[4, 4, 1, 1]].map(|shape| rng.tensor(DType::F32, shape));
    round_trip(&module, &inputs.map(|input| at_edge(&input, same, true))).unwrap();
}

#[test]
fn equal_dimensions_are_computed_once() {
    let text = "symbol N : 1..9\ngraph(%0 \"x\": f32[N,6]) {
      %1 = reshape(%0) {shape = [2*N, 3, 1]}
      %2 = broadcast(%1) {shape = [2*N, 3, 2*N]}
      return %2 \"y\" }";
    let model = export::to_model(&parse(text)).unwrap();
    assert_eq!(operators(&model), ["Reshape", "Shape", "Mul", "Concat", "Expand"]);
    let graph = model.graph.unwrap();
    let Some(TypeValue::Tensor(ty)) = &graph.output[0].r#type.as_ref().unwrap().value else { panic!() };
    assert_eq!(ty.shape.as_ref().unwrap().dim[0].value, None, "2*N is no symbol");
    let Some(TypeValue::Tensor(ty)) = &graph.input[0].r#type.as_ref().unwrap().value else { panic!() };
    assert_eq!(ty.shape.as_ref().unwrap().dim[0].value, Some(DimensionValue::Param("N".to_owned())));
}

#[test]
fn names_are_kept() {
    let text = "weight @0 \"fc.weight\" : f32[90] = seed 1\ngraph(%0 \"x\": f32[90]) {
      %1 = const @0 : f32[90]
      %2 = const @0 : f32[90]
      %3 = mul(%0, %1) loc \"fc/Mul\"
      %4 = add(%3, %2) loc \"fc/Add\"
      return %4 \"y\", %0 \"x\" }";
    let module = parse(text);
    let graph = export::to_model(&module).unwrap().graph.unwrap();
    let names = |list: &[lathe_compiler::onnx::proto::ValueInfoProto]| {
        list.iter().map(|port| port.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((names(&graph.input), names(&graph.output)), (vec!["x".into()], vec!["y".into(), "x".into()]));
    assert_eq!(graph.node.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["fc/Mul", "fc/Add"]);
    assert_eq!(graph.initializer.len(), 1, "one weight, whatever the number of ops that read it");
    assert_eq!(graph.initializer[0].name, "fc.weight");
    let bytes = graph.initializer[0].raw_data.as_ref().unwrap();
    assert_eq!(bytes.as_ptr(), module.env.weights[0].value.bytes().as_ptr(), "the bytes are not copied");
}

#[test]
fn all_that_cannot_be_written_is_named() {
    let text = "graph(%0 \"x\": i64[1,4,4,1]) {
      %1 = max_pool(%0) {kernel = [2, 2], strides = [1, 1], dilations = [1, 1], pads_before = [0, 0], pads_after = [0, 0]} loc \"p\"
      %2 = max_pool(%1) {kernel = [2, 2], strides = [1, 1], dilations = [1, 1], pads_before = [0, 0], pads_after = [0, 0]} loc \"q\"
      return %2 \"y\" }";
    let found = export::to_model(&parse(text)).unwrap_err().0;
    assert_eq!(found.len(), 2);
    for (diagnostic, node) in found.iter().zip(["p", "q"]) {
        assert_eq!(diagnostic.kind, Kind::Unsupported);
        assert_eq!(diagnostic.place.as_ref().unwrap().node, node);
        assert!(diagnostic.message.contains("MaxPool does not take i64"), "{}", diagnostic.message);
    }
}

#[test]
fn written_files_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.onnx");
    let module = parse("graph(%0 \"x\": f32[2]) { %1 = exp(%0) return %1 \"y\" }");
    export::write(&module, &path).unwrap();
    let again = import(&OnnxFile::open(&path).unwrap(), &ImportOptions::default()).unwrap();
    assert_eq!(show(&again), show(&module).replace(" : f32[2]\n", " : f32[2] loc \"exp\"\n"));
}

/// Writes models with inputs and expected outputs, in the layout of ONNX's own tests, into the folder that the
/// environment variable LATHE_EXPORT_CASES names.
#[test]
#[ignore = "writes files for tests/scripts/check_export.py"]
fn write_cases() {
    let Some(folder) = std::env::var_os("LATHE_EXPORT_CASES") else { return };
    // What numpy does not have is cast at the edge.
    let edge = |dtype: DType| match dtype {
        DType::BF16 => DType::F32,
        dtype if dtype.is_storage_float() => DType::F32,
        DType::I4 | DType::I2 => DType::I8,
        DType::U4 | DType::U2 => DType::U8,
        other => other,
    };
    let mut rng = Rng::new(11);
    let write = |name: String, (module, inputs): Case| {
        let folder = Path::new(&folder).join(name);
        let data = folder.join("test_data_set_0");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(folder.join("model.ir"), show(&module)).unwrap();
        let want = eval_module(&module, inputs.clone()).unwrap();
        match export::to_model(&module) {
            Ok(model) => std::fs::write(folder.join("model.onnx"), model.encode_to_vec()).unwrap(),
            Err(found) => std::fs::write(folder.join("refused.txt"), found.to_string()).unwrap(),
        }
        for (prefix, tensors) in [("input", &inputs), ("output", &want)] {
            for (index, tensor) in tensors.iter().enumerate() {
                let value = TensorData::of_ir("", tensor);
                tensor_pb::write_file(&data.join(format!("{prefix}_{index}.pb")), &value).unwrap();
            }
        }
    };
    for code in OpCode::all().filter(|code| !generate::has_regions(*code)) {
        for (index, case) in random_cases(code, &mut rng, 40, edge, true).into_iter().enumerate() {
            write(format!("{}_{index}", code.name()), case);
        }
    }
    for (index, case) in symbolic_cases().into_iter().enumerate() {
        write(format!("symbolic_{index}"), case);
    }
}
