//! Random modules: ops of every kind over each other's results, with values for their inputs.
//!
//! Each step takes an op with operands that its own generator proposes (the one that the tests of the op table use, so
//! that a new op takes part by itself), and puts results of earlier steps in the place of operands where that is
//! possible: cast, cut or repeated, and reshaped to fit. The op is evaluated at once; what the evaluator refuses (an index
//! outside, a division by 0) is built with the operands proposed.

use crate::generate::{Case, Rng, generate, has_regions};
use lathe_ir::builder::{complete_attrs, infer_types};
use lathe_ir::{Attr, Attrs, Bindings, Builder, DType, Dim, Env, Graph, Module, OpCode, Tensor, ValueId, eval_op};

/// A module and values for its inputs.
pub(crate) struct Sample {
    pub(crate) module: Module,
    pub(crate) inputs: Vec<Tensor>,
    /// A plain module that gives the same outputs, where the module has regions or symbols.
    pub(crate) reference: Option<Module>,
}

impl Sample {
    /// The module that says what is right.
    pub(crate) fn judge(&self) -> &Module {
        self.reference.as_ref().unwrap_or(&self.module)
    }
}

/// Most elements of a value.
const MOST_ELEMENTS: usize = 1 << 13;

struct Growing {
    env: Env,
    graph: Graph,
    inputs: Vec<Tensor>,
    /// Every value so far with its content.
    pool: Vec<(ValueId, Tensor)>,
}

/// The sample of a seed.
pub(crate) fn sample(seed: u64) -> Sample {
    let mut rng = Rng::new(seed);
    if rng.below(3) == 0 {
        rng.grow();
    }
    let mut g = Growing { env: Env::default(), graph: Graph::default(), inputs: Vec::new(), pool: Vec::new() };
    // Most graphs are about a few ops, so that these meet.
    // `data_size` names a symbol of its module: importers put it in where they need it.
    let is_drawn = |code: &OpCode| !has_regions(*code) && *code != OpCode::DataSize;
    let all: Vec<OpCode> = OpCode::all().filter(is_drawn).collect();
    let some: Vec<OpCode> = (0..rng.within(2, 12)).map(|_| rng.pick(&all)).collect();
    let wanted = rng.within(1, 14);
    let float = rng.pick(&[DType::F32, DType::F32, DType::F32, DType::F64, DType::F16, DType::BF16]);
    for _ in 0..wanted * 60 {
        if g.graph.len() >= wanted * 2 || g.steps() >= wanted {
            break;
        }
        let code = if rng.below(4) == 0 { rng.pick(&all) } else { rng.pick(&some) };
        let case = generate(code, &mut rng);
        // Graphs mix element types, but not in every op.
        let foreign = case.operands.iter().flatten().any(|t| t.dtype().is_float() && t.dtype() != float);
        if code == OpCode::Const || foreign && rng.below(12) > 0 {
            continue;
        }
        g.step(code, case, &mut rng);
    }
    g.finish(&mut rng)
}

impl Growing {
    fn builder(&mut self) -> Builder<'_> {
        Builder::new(&mut self.env, &mut self.graph)
    }

    /// Number of values that no later one uses and of those that are used: ops that are no constants.
    fn steps(&self) -> usize {
        self.graph.iter().filter(|(_, op)| op.code != OpCode::Const).count()
    }

    /// Adds an op, if it can be.
    fn step(&mut self, code: OpCode, case: Case, rng: &mut Rng) {
        let Ok(attrs) = complete_attrs(code.def(), &case.attrs) else { return };
        let mut scratch = Graph::default();
        let ids: Vec<_> = case.operands.iter().map(|t| t.as_ref().map(|t| scratch.add_param("", t.ty()))).collect();
        let Ok(types) = infer_types(&mut Env::default(), &scratch, code, &ids, &attrs, &[]) else { return };
        let fits = |ty: &lathe_ir::TensorType| ty.elements().as_size().is_some_and(|count| count <= MOST_ELEMENTS);
        if !types.iter().all(fits) {
            return;
        }
        // With what is there, then as proposed.
        for connected in [true, false] {
            let (before, inputs) = (self.graph.clone(), self.inputs.clone());
            let pool = self.pool.len();
            if self.apply(code, &case.operands, &attrs, connected, rng).is_some() {
                return;
            }
            self.graph = before;
            self.inputs = inputs;
            self.pool.truncate(pool);
        }
    }

    fn apply(
        &mut self,
        code: OpCode,
        proposed: &[Option<Tensor>],
        attrs: &Attrs,
        connected: bool,
        rng: &mut Rng,
    ) -> Option<()> {
        let mut operands = Vec::new();
        let mut values = Vec::new();
        for tensor in proposed {
            let Some(tensor) = tensor else {
                operands.push(None);
                values.push(None);
                continue;
            };
            let earlier = if connected && rng.below(4) > 0 { self.fitted(tensor, rng) } else { None };
            let (id, value) = earlier.unwrap_or_else(|| self.fresh(tensor, rng));
            operands.push(Some(id));
            values.push(Some(value));
        }
        self.add(code, &operands, &values, attrs)
    }

    /// Adds an op on values of known content; `None` if it cannot be evaluated.
    fn add(&mut self, code: OpCode, ids: &[Option<ValueId>], values: &[Option<Tensor>], attrs: &Attrs) -> Option<()> {
        let results = eval_op(&Env::default(), &Bindings::new(), code, values, attrs, &[]).ok()?;
        let id = self.builder().op_with(code, ids.iter().copied().collect(), attrs.clone(), Vec::new()).ok()?;
        let made = self.graph.op(id).results.clone();
        self.pool.extend(made.into_iter().zip(results));
        Some(())
    }

    /// As [`Growing::add`], for an op of one operand that is always possible; gives its result.
    fn adapt(&mut self, code: OpCode, from: (ValueId, Tensor), attrs: &[(&str, Attr)]) -> Option<(ValueId, Tensor)> {
        let attrs = complete_attrs(code.def(), attrs).ok()?;
        self.add(code, &[Some(from.0)], &[Some(from.1)], &attrs)?;
        self.pool.last().cloned()
    }

    /// A new input or constant.
    fn fresh(&mut self, tensor: &Tensor, rng: &mut Rng) -> (ValueId, Tensor) {
        let id = if rng.flag() {
            self.inputs.push(tensor.clone());
            self.graph.add_param(&format!("in{}", self.inputs.len() - 1), tensor.ty())
        } else {
            let name = format!("w{}", self.env.weights.len());
            self.builder().constant(&name, tensor.clone())
        };
        self.pool.push((id, tensor.clone()));
        (id, tensor.clone())
    }

    /// An earlier value made to fit the type of `want`.
    fn fitted(&mut self, want: &Tensor, rng: &mut Rng) -> Option<(ValueId, Tensor)> {
        if self.pool.is_empty() {
            return None;
        }
        // The latest of a few, of the right type if there is one, and not nothing but NaN.
        let mut best: Option<usize> = None;
        for _ in 0..6 {
            let at = rng.below(self.pool.len());
            let tensor = &self.pool[at].1;
            let sound = !tensor.dtype().is_float()
                || tensor.to_f64().iter().filter(|v| v.is_finite()).count() * 2 >= tensor.len();
            let rank = |at: usize| {
                let tensor = &self.pool[at].1;
                (tensor.dtype() == want.dtype(), tensor.shape() == want.shape(), at)
            };
            if sound && best.is_none_or(|best| rank(at) > rank(best)) {
                best = Some(at);
            }
        }
        let mut value = self.pool[best?].clone();
        if value.1.dtype() != want.dtype() {
            // Out of range, a float has no integer.
            let small = |v: f64| v.abs() < 100.0;
            if value.1.dtype().is_float() && !want.dtype().is_float() && !value.1.to_f64().into_iter().all(small) {
                return None;
            }
            value = self.adapt(OpCode::Cast, value, &[("to", Attr::DType(want.dtype()))])?;
        }
        if value.1.shape() == want.shape() {
            return Some(value);
        }
        let (have, need) = (value.1.len(), want.len());
        let sizes = |list: &[usize]| Attr::dims(list.iter().map(|&size| Dim::from(size as i64)));
        if have != need {
            if have == 0 || rng.below(3) == 0 {
                return None;
            }
            let times = need.div_ceil(have).max(1);
            value = self.adapt(OpCode::Reshape, value, &[("shape", sizes(&[1, have]))])?;
            if times > 1 {
                value = self.adapt(OpCode::Broadcast, value, &[("shape", sizes(&[times, have]))])?;
            }
            value = self.adapt(OpCode::Reshape, value, &[("shape", sizes(&[times * have]))])?;
            let start = if times * have > need { rng.below(times * have - need + 1) } else { 0 };
            let attrs = [("starts", sizes(&[start])), ("sizes", sizes(&[need])), ("steps", Attr::ints(&[1]))];
            value = self.adapt(OpCode::Slice, value, &attrs)?;
        }
        self.adapt(OpCode::Reshape, value, &[("shape", sizes(want.shape()))])
    }

    /// Makes unused values outputs, and some of the others.
    fn finish(mut self, rng: &mut Rng) -> Sample {
        let uses = self.graph.use_counts();
        let made: Vec<ValueId> = self
            .graph
            .iter()
            .filter(|(_, op)| op.code != OpCode::Const)
            .flat_map(|(_, op)| op.results.iter().copied())
            .collect();
        let mut count = 0;
        for value in made {
            if uses[value.index()] == 0 || rng.below(6) == 0 {
                self.graph.add_result(&format!("out{count}"), value);
                count += 1;
            }
        }
        Sample { module: Module { env: self.env, main: self.graph }, inputs: self.inputs, reference: None }
    }
}
