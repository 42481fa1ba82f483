//! The verifier: a right module passes, and for each invariant a module that breaks it is found, with its number.

#![allow(clippy::unwrap_used)]

use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::verify::{MAX_DEPTH, MAX_RANK};
use lathe_ir::{
    Attr, Builder, DType, Dim, Env, Graph, Kind, Module, OpCode, OpId, Port, Symbol, SymbolInfo, Tensor, TensorType,
    ValueId, Weight, verify,
};

/// x and y of f32[2], z = neg(x), w = add(z, y).
fn module() -> Module {
    parse_module(
        "graph(%0 \"x\": f32[2], %1 \"y\": f32[2]) {
           %2 = neg(%0) : f32[2] loc \"layer/Neg\"
           %3 = add(%2, %1) : f32[2]
           return %3 \"w\"
         }",
        &no_weights,
    )
    .unwrap()
}

/// The op at a position of the main graph.
fn at(module: &Module, position: usize) -> OpId {
    module.main.order()[position]
}

/// Asserts that the verifier finds a breach of this invariant, and says so with this text.
#[track_caller]
fn breaks(invariant: usize, module: &Module, message: &str) {
    let found = verify(module).expect_err("nothing was found");
    assert!(found.0.iter().all(|diagnostic| diagnostic.kind == Kind::Bug), "{found}");
    let start = format!("invariant {invariant}: ");
    let hit = found
        .0
        .iter()
        .any(|diagnostic| diagnostic.message.starts_with(&start) && diagnostic.to_string().contains(message));
    assert!(hit, "no {start}{message} in:\n{found}");
}

/// Asserts that the text, with a place for a type or attribute broken, breaks this invariant.
#[track_caller]
fn text_breaks(invariant: usize, text: &str, message: &str) {
    breaks(invariant, &parse_module(text, &no_weights).unwrap(), message);
}

#[test]
fn right_modules_pass() {
    verify(&module()).unwrap();
    verify(&Module::default()).unwrap();
    let text = "symbol \"N\" : 0..512 ~ 128
        symbol \"M\" : 1..
        weight @0 \"w\" : f32[3] = [1.0, 2.0, 3.0]
        equal \"N\" == \"M\"
        graph(%0 \"x\": f32[\"N\",3], %1 \"y\": f32[\"M\",3]) {
          %2 = const @0 : f32[3]
          %3 = add(%0, %1) : f32[\"N\",3]
          %4 = add(%3, %2) : f32[\"M\",3]
          return %4 \"z\", %4 \"same\"
        }";
    verify(&parse_module(text, &no_weights).unwrap()).unwrap();
}

#[test]
fn findings_name_op_text_and_source() {
    let mut module = module();
    let result = module.main.op(at(&module, 0)).result();
    module.main.set_type(result, TensorType::fixed(DType::F32, &[3]));
    let found = verify(&module).unwrap_err().to_string();
    let expected = "bug in lathe: invariant 6: op0 neg: its results must be f32[2]
  note: %2 = neg(%0: f32[2]) : f32[3]
  note: it stands for layer/Neg
bug in lathe: invariant 6: op1 add: shapes [3] and [2] do not broadcast: axis 0 of the result differs
  note: %3 = add(%2: f32[3], %1: f32[2]) : f32[2]";
    assert_eq!(found, expected);
}

#[test]
fn invariant_1_order() {
    let mut twice = module();
    let first = at(&twice, 0);
    twice.main.set_order(vec![first, first]);
    breaks(1, &twice, "the order lists op0 twice");
    let mut missing = module();
    let second = at(&missing, 1);
    missing.main.set_order(vec![second, OpId(99)]);
    breaks(1, &missing, "the order lists op99, which does not exist");
}

#[test]
fn invariant_2_definitions() {
    let mut stolen = module();
    let (first, second) = (at(&stolen, 0), at(&stolen, 1));
    let result = stolen.main.op(first).result();
    stolen.main.op_mut(second).results = [result].into();
    breaks(2, &stolen, "%2 is defined as Result(OpId(1), 0), but says Result(OpId(0), 0)");
    let mut double = module();
    let x = double.main.params[0].value;
    double.main.params[1].value = x;
    breaks(2, &double, "%0 is defined as Param(1), but says Param(0)");
    let mut missing = module();
    missing.main.params.push(Port { name: "v".into(), value: ValueId(99) });
    breaks(2, &missing, "%99 is defined as Param(2), but does not exist");
}

#[test]
fn invariant_3_operands() {
    let mut order = module();
    let (first, second) = (at(&order, 0), at(&order, 1));
    order.main.set_order(vec![second, first]);
    breaks(3, &order, "op1 add: %2 is not defined before its use");
    let mut removed = module();
    let first = at(&removed, 0);
    removed.main.remove_ops(|id| id == first);
    breaks(3, &removed, "%2 is not defined before its use");
    let mut missing = module();
    let second = at(&missing, 1);
    missing.main.op_mut(second).operands[1] = Some(ValueId(99));
    breaks(3, &missing, "%99 is not defined");
    let mut itself = module();
    let second = at(&itself, 1);
    let result = itself.main.op(second).result();
    itself.main.op_mut(second).operands[0] = Some(result);
    breaks(3, &itself, "%3 is not defined before its use");
}

#[test]
fn invariant_4_operand_count() {
    let mut few = module();
    let second = at(&few, 1);
    few.main.op_mut(second).operands.pop();
    breaks(4, &few, "add needs its operand b");
    let mut many = module();
    let x = many.main.params[0].value;
    let first = at(&many, 0);
    many.main.op_mut(first).operands.push(Some(x));
    breaks(4, &many, "neg takes 1 operands, 2 are given");
    let mut gap = module();
    gap.main.op_mut(second).operands[0] = None;
    breaks(4, &gap, "add needs its operand a");
}

#[test]
fn invariant_5_attributes() {
    let mut many = module();
    let first = at(&many, 0);
    many.main.op_mut(first).attrs.push(Attr::Int(1));
    breaks(5, &many, "neg has 0 attributes, 1 are given");
    let mut kind =
        parse_module("graph(%0 \"x\": f32[2]) { %1 = softmax(%0) {axis = 0} : f32[2] return %1 \"y\" }", &no_weights)
            .unwrap();
    let first = at(&kind, 0);
    kind.main.op_mut(first).attrs[0] = Attr::Bool(true);
    breaks(5, &kind, "attribute axis of softmax is not of kind Int");
}

#[test]
fn invariant_6_types() {
    text_breaks(6, "graph(%0 \"x\": f32[2]) { %1 = neg(%0) : i64[2] return %1 \"y\" }", "its results must be f32[2]");
    text_breaks(6, "graph(%0 \"x\": f32[2]) { %1 = neg(%0) : f32[2,1] return %1 \"y\" }", "its results must be f32[2]");
    text_breaks(6, "graph(%0 \"x\": f32[2]) { %1, %2 = neg(%0) : (f32[2], f32[2]) return %1 \"y\" }", "must be f32[2]");
    text_breaks(6, "graph(%0 \"x\": bool[2]) { %1 = neg(%0) : bool[2] return %1 \"y\" }", "numbers are needed");
    let sum = "symbol \"N\" : 1..9
        graph(%0 \"x\": f32[\"N\"]) { %1 = concat(%0, %0) {axis = 0} : f32[2*\"N\" + 1] return %1 \"y\" }";
    text_breaks(6, sum, "its results must be f32[2*N]");
}

#[test]
fn invariant_7_dimensions() {
    let mut overflow = module();
    overflow.main.add_param("v", TensorType::new(DType::F32, [Dim::OVERFLOW]));
    breaks(7, &overflow, "parameter \"v\": a value has the type f32[overflow]");
    let mut negative = module();
    negative.main.add_param("v", TensorType::fixed(DType::F32, &[-1]));
    breaks(7, &negative, "f32[-1]");
    let mut large = module();
    large.main.add_param("v", TensorType::fixed(DType::F32, &[1 << 40, 1 << 40]));
    breaks(7, &large, "the element count of f32[1099511627776,1099511627776] is beyond 2^60");
}

#[test]
fn invariant_8_rank() {
    let mut module = module();
    module.main.add_param("v", TensorType::fixed(DType::F32, &[1; MAX_RANK]));
    verify(&module).unwrap();
    module.main.add_param("u", TensorType::fixed(DType::F32, &[1; MAX_RANK + 1]));
    breaks(8, &module, "parameter \"u\": a value has 17 axes");
}

#[test]
fn invariant_9_symbols() {
    let stranger = || Dim::symbol(&Symbol::new("Q"));
    let mut param = module();
    param.main.add_param("v", TensorType::new(DType::F32, [stranger()]));
    breaks(9, &param, "is no symbol of the module");
    let mut attr = module();
    attr.main.push_op(
        OpCode::Dims,
        Default::default(),
        [Attr::dims([stranger()])].into_iter().collect(),
        Vec::new(),
        [TensorType::fixed(DType::I64, &[1])],
        Default::default(),
    );
    breaks(9, &attr, "op2 dims: ");
    let mut equality = module();
    equality.env.equalities.push((stranger(), Dim::ONE));
    breaks(9, &equality, "is no symbol of the module");
    for (lo, typical, hi) in [(-1, None, None), (5, None, Some(4)), (1, Some(9), Some(8)), (1, Some(0), None)] {
        let mut range = module();
        let info = SymbolInfo { lo, hi, typical, ..SymbolInfo::default() };
        range.env.symbols.insert(Symbol::new("N"), info);
        breaks(9, &range, "the range of symbol");
    }
}

#[test]
fn invariant_10_weights() {
    let mut module = module();
    for name in ["", "", "w", "v"] {
        module.env.add_weight(name, Tensor::scalar(DType::F32, 1.0));
    }
    verify(&module).unwrap();
    module.env.weights.push(Weight { name: "w".into(), value: Tensor::scalar(DType::F32, 2.0) });
    breaks(10, &module, "two weights have the name \"w\"");
    let missing = "graph() { %0 = const @7 : f32[2] return %0 \"y\" }";
    text_breaks(10, missing, "op0 const: there is no weight @7");
}

#[test]
fn invariant_11_equalities() {
    let text = "symbol \"N\" : 1..9
        symbol \"M\" : 1..9
        graph(%0 \"x\": f32[\"N\"], %1 \"y\": f32[\"M\"]) { %2 = add(%0, %1) : f32[\"N\"] return %2 \"z\" }";
    text_breaks(11, text, "which is not listed");
    let mut module = module();
    module.env.equalities.push((Dim::ONE, Dim::ZERO));
    breaks(11, &module, "1 == 0 is listed and cannot hold");
}

#[test]
fn invariant_12_results() {
    let mut missing = module();
    missing.main.add_result("v", ValueId(99));
    breaks(12, &missing, "result \"v\" is %99, which is not defined");
    let mut removed = module();
    let second = at(&removed, 1);
    removed.main.remove_ops(|id| id == second);
    breaks(12, &removed, "result \"w\" is %3, which is not defined");
}

#[test]
fn invariant_13_names() {
    let mut params = module();
    params.main.add_param("x", TensorType::fixed(DType::F32, &[]));
    breaks(13, &params, "two parameters have the name \"x\"");
    let mut results = module();
    let x = results.main.params[0].value;
    results.main.add_result("x", x);
    verify(&results).unwrap();
    results.main.add_result("w", x);
    breaks(13, &results, "two results have the name \"w\"");
}

#[test]
fn invariant_14_regions() {
    let mut module = module();
    let second = at(&module, 1);
    let mut region = Graph::default();
    module.main.op_mut(second).regions.push(region.clone());
    breaks(14, &module, "op1 add: it has regions, which its definition does not have");
    // A region is checked by itself: the values of the graph around it are none of its own.
    region.add_result("inner", ValueId(0));
    module.main.op_mut(second).regions[0] = region;
    breaks(12, &module, "result \"inner\" is %0, which is not defined");
    let mut nested = Graph::default();
    for _ in 0..=MAX_DEPTH {
        let mut outer = Graph::default();
        let inner = std::mem::take(&mut nested);
        outer.push_op(OpCode::Dims, Default::default(), Default::default(), vec![inner], [], Default::default());
        nested = outer;
    }
    breaks(14, &Module { env: Env::default(), main: nested }, "regions are nested more than 32 deep");
}

#[test]
fn invariant_15_data_dependent_symbols() {
    let param = "symbol data \"S\" : 0..8
        graph(%0 \"x\": f32[\"S\"]) { return %0 \"y\" }";
    text_breaks(15, param, "parameter \"x\": data-dependent symbol");
    let op = "symbol data \"S\" : 0..8
        graph() { %0 = iota() {shape = [\"S\"], axis = 0, dtype = i64} : i64[\"S\"] return %0 \"y\" }";
    text_breaks(15, op, "occurs where no op has defined it");
    let size =
        |symbols: &str, ops: &str| format!("symbol data \"S\" : 0..8 {symbols} graph(%0 \"n\": i64[]) {{ {ops} }}");
    let one = "%1 = data_size(%0) {size = [\"S\"]} : i64[]";
    let twice = size("", &format!("{one} {} return %2 \"y\"", one.replace("%1", "%2")));
    text_breaks(15, &twice, "symbol S is defined a second time");
    let input = size("symbol N : 0..8", &format!("{} return %1 \"y\"", one.replace("\"S\"", "N")));
    text_breaks(15, &input, "N is no data-dependent symbol");
}

/// What the checked builder makes is right, weights and unequal symbols included.
#[test]
fn built_modules_pass() {
    let (mut env, mut main) = (Env::default(), Graph::default());
    for name in ["N", "M"] {
        env.symbols.insert(Symbol::new(name), SymbolInfo::default());
    }
    let dim = |name: &str| Dim::symbol(&Symbol::new(name));
    let x = main.add_param("x", TensorType::new(DType::F32, [dim("N"), Dim::from(64)]));
    let y = main.add_param("y", TensorType::new(DType::F32, [dim("M"), Dim::from(100)]));
    let mut builder = Builder::new(&mut env, &mut main);
    let w = builder.constant("w", Tensor::from_f32(&[64, 100], &[0.5; 6400]));
    let product = builder.op1(OpCode::MatMul, &[x, w], &[]).unwrap();
    let sum = builder.op1(OpCode::Add, &[product, y], &[]).unwrap();
    main.add_result("z", sum);
    verify(&Module { env, main }).unwrap();
}
