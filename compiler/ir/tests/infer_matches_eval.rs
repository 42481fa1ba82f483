//! For random valid operands of every op: what inference says is what evaluation gives, with constant and with symbolic
//! dimensions; and nothing that a file could hold instead makes it panic.
//!
//! A new op needs a generator in [`generate`]; this does not compile without one.

#![allow(clippy::unwrap_used)]

mod generate;

use generate::{Case, Rng, generate};
use lathe_ir::builder::{complete_attrs, infer_types};
use lathe_ir::{
    Attr, Attrs, Bindings, Builder, Diagnostics, Dim, Env, Graph, Module, OpCode, OpError, Symbol, SymbolInfo, Tensor,
    TensorType, eval_op, verify,
};

const CASES: usize = 150;

/// Result types for operands of the given types.
fn infer(env: &mut Env, code: OpCode, types: &[Option<TensorType>], attrs: &Attrs) -> Result<Vec<TensorType>, OpError> {
    let mut graph = Graph::default();
    let operands: Vec<_> = types.iter().map(|ty| ty.clone().map(|ty| graph.add_param("", ty))).collect();
    Ok(infer_types(env, &graph, code, &operands, attrs, &[])?.into_vec())
}

fn types(operands: &[Option<Tensor>]) -> Vec<Option<TensorType>> {
    operands.iter().map(|operand| operand.as_ref().map(Tensor::ty)).collect()
}

fn eval(code: OpCode, operands: &[Option<Tensor>], attrs: &Attrs) -> Result<Vec<Tensor>, OpError> {
    eval_op(&Env::default(), &Bindings::new(), code, operands, attrs, &[])
}

/// Valid cases of an op: the generator's proposals that inference accepts (it refuses many for their element types).
fn valid_cases(code: OpCode, rng: &mut Rng) -> Vec<(Case, Attrs)> {
    let mut cases = Vec::new();
    for _ in 0..CASES * 40 {
        let case = generate(code, rng);
        let attrs = complete_attrs(code.def(), &case.attrs).unwrap();
        if infer(&mut Env::default(), code, &types(&case.operands), &attrs).is_ok() {
            cases.push((case, attrs));
        }
        if cases.len() == CASES {
            return cases;
        }
    }
    panic!("{} accepts only {} of the {} cases proposed", code.name(), cases.len(), CASES * 40);
}

#[test]
fn inferred_types_are_evaluated_types() {
    let mut rng = Rng::new(1);
    for code in OpCode::all().filter(|code| !generate::has_regions(*code)) {
        for (case, attrs) in valid_cases(code, &mut rng) {
            let inferred = infer(&mut Env::default(), code, &types(&case.operands), &attrs).unwrap();
            let context = || format!("{} of {:?} {attrs:?}", code.name(), case.operands);
            let results = eval(code, &case.operands, &attrs).unwrap_or_else(|error| panic!("{error}: {}", context()));
            let evaluated: Vec<TensorType> = results.iter().map(Tensor::ty).collect();
            assert_eq!(inferred, evaluated, "{}", context());
        }
    }
}

/// Whether the module that holds just this op is right.
fn verify_built(env: &mut Env, code: OpCode, types: &[Option<TensorType>], attrs: &Attrs) -> Result<(), Diagnostics> {
    let mut main = Graph::default();
    let mut names = 0..;
    let mut param = |ty: TensorType| main.add_param(&format!("p{:?}", names.next()), ty);
    let operands = types.iter().map(|ty| ty.clone().map(&mut param)).collect();
    let id = Builder::new(env, &mut main).op_with(code, operands, attrs.clone(), Vec::new()).unwrap();
    for (index, value) in main.op(id).results.clone().into_iter().enumerate() {
        main.add_result(&format!("r{index}"), value);
    }
    verify(&Module { env: env.clone(), main })
}

/// With symbols in place of some sizes the result types are the same once the symbols have those values, and every
/// equality that inference notes holds. The verifier accepts the op.
#[test]
fn symbolic_types_become_the_constant_ones() {
    let mut rng = Rng::new(2);
    for code in OpCode::all().filter(|code| !generate::has_regions(*code)) {
        for (case, attrs) in valid_cases(code, &mut rng) {
            let symbol = |size: usize| Symbol::new(&format!("D{size}"));
            let mut env = Env::default();
            for size in 2..100 {
                env.symbols.insert(symbol(size), SymbolInfo { lo: 0, ..SymbolInfo::default() });
            }
            let found = SymbolInfo { lo: 0, data_dependent: true, ..SymbolInfo::default() };
            env.symbols.insert(Symbol::new("size"), found);
            let value_of = |symbol: &Symbol| symbol.name()[1..].parse().ok();
            let constant = types(&case.operands);
            let mut symbolic = constant.clone();
            for ty in symbolic.iter_mut().flatten() {
                // Index tuples have a constant length by definition.
                let fixed = usize::from(matches!(code, OpCode::GatherNd | OpCode::ScatterNd));
                let axes = ty.rank().saturating_sub(fixed);
                for dim in &mut ty.shape[..axes] {
                    let size = dim.as_size().unwrap();
                    if (2..100).contains(&size) && rng.below(3) > 0 {
                        *dim = Dim::symbol(&symbol(size));
                    }
                }
            }
            let context = || format!("{} of {symbolic:?} {attrs:?}", code.name());
            let inferred = infer(&mut env, code, &symbolic, &attrs).unwrap_or_else(|e| panic!("{e}: {}", context()));
            let substituted: Vec<TensorType> =
                inferred.iter().map(|ty| ty.substitute(&|symbol| value_of(symbol).map(Dim::from))).collect();
            let expected = infer(&mut Env::default(), code, &constant, &attrs).unwrap();
            assert_eq!(substituted, expected, "{}", context());
            verify_built(&mut env, code, &symbolic, &attrs).unwrap_or_else(|found| panic!("{found}: {}", context()));
            for (a, b) in &env.equalities {
                assert_eq!(a.eval(&value_of), b.eval(&value_of), "{a} = {b} is required by {}", context());
            }
        }
    }
}

/// Valid cases with a few attributes, element types and sizes replaced: an error or a result, never a panic, and a
/// result still has the inferred types.
#[test]
fn nothing_panics() {
    let mut rng = Rng::new(3);
    for code in OpCode::all().filter(|code| !generate::has_regions(*code)) {
        for (mut case, mut attrs) in valid_cases(code, &mut rng) {
            for _ in 0..1 + rng.below(3) {
                mutate(&mut case, &mut attrs, &mut rng);
            }
            let Ok(inferred) = infer(&mut Env::default(), code, &types(&case.operands), &attrs) else { continue };
            if let Ok(results) = eval(code, &case.operands, &attrs) {
                let evaluated: Vec<TensorType> = results.iter().map(Tensor::ty).collect();
                assert_eq!(inferred, evaluated, "{} of {:?} {attrs:?}", code.name(), case.operands);
            }
        }
    }
}

fn mutate(case: &mut Case, attrs: &mut Attrs, rng: &mut Rng) {
    // Small numbers, and numbers far beyond what can be evaluated; those between would only take long.
    const NUMBERS: &[i64] = &[-1, 0, 1, 2, 3, 5, 1 << 40, 1 << 60, (1 << 60) + 1, i64::MAX, -(1 << 60), i64::MIN];
    if (rng.flag() || case.operands.is_empty()) && !attrs.is_empty() {
        let number = rng.pick(NUMBERS);
        let at = rng.below(attrs.len());
        match &mut attrs[at] {
            Attr::Int(value) => *value = number,
            Attr::Ints(values) if values.is_empty() || rng.below(5) == 0 => values.push(number),
            Attr::Ints(values) => {
                let at = rng.below(values.len());
                values[at] = number;
            }
            Attr::Dims(dims) if dims.is_empty() || rng.below(5) == 0 => dims.push(Dim::from(number)),
            Attr::Dims(dims) => {
                let at = rng.below(dims.len());
                dims[at] = Dim::from(number);
            }
            Attr::Bool(value) => *value = !*value,
            Attr::Float(_) => attrs[at] = Attr::float(rng.pick(&[0.0, -1.0, 1e300, f64::NAN, f64::INFINITY])),
            Attr::DType(dtype) => *dtype = rng.dtype(),
            _ => {}
        }
    } else if !case.operands.is_empty() {
        let at = rng.below(case.operands.len());
        let (mut dtype, mut shape) = match &case.operands[at] {
            Some(tensor) => (tensor.dtype(), tensor.shape().to_vec()),
            None => (rng.dtype(), rng.shape(0, 3)),
        };
        match rng.below(4) {
            0 => dtype = rng.dtype(),
            1 => shape = rng.shape(0, 5),
            2 if !shape.is_empty() => {
                let axis = rng.below(shape.len());
                shape[axis] = rng.below(4);
            }
            // Beside an axis of size 0 the others can have any size.
            _ if !shape.is_empty() => {
                let axis = rng.below(shape.len());
                shape[axis] = 0;
                let axis = rng.below(shape.len());
                if shape[axis] != 0 {
                    shape[axis] = 1 << 40;
                }
            }
            _ => {}
        }
        let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if elements.is_some_and(|elements| elements < 1 << 16) {
            case.operands[at] = Some(rng.tensor(dtype, &shape));
        }
    }
}
