//! What the e-graph says of integer tensors that are linear in their positions, against their values: on random
//! arithmetic over positions, as exporters write masks and gathers.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use lathe_ir::{
    Attr, Builder, DType, Dim, Module, OpCode, Symbol, SymbolInfo, Tensor, TensorType, ValueId, eval_module,
};
use lathe_passes::egraph::analysis::{EGraph, Facts};
use lathe_passes::egraph::convert::add_graph;

/// Programs that are tried.
const PROGRAMS: u64 = 4000;

struct Program<'a> {
    b: Builder<'a>,
    state: u64,
    values: Vec<ValueId>,
}

impl Program<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.state >> 33) as usize % bound.max(1)
    }

    fn pick(&mut self) -> ValueId {
        let at = self.below(self.values.len());
        self.values[at]
    }

    fn dim(&mut self) -> Dim {
        match self.below(4) {
            0 => Dim::symbol(&Symbol::new("S")),
            1 => Dim::ONE,
            other => Dim::from(other as i64),
        }
    }

    /// One more op on what is there; `None` if it is not well typed.
    fn step(&mut self) -> Option<ValueId> {
        let x = self.pick();
        let shape: Vec<Dim> = self.b.ty(x).shape.to_vec();
        let rank = shape.len();
        let at = self.below(rank);
        match self.below(11) {
            0 => {
                let shape = [self.dim(), self.dim()];
                let attrs = [
                    ("shape", Attr::dims(shape)),
                    ("axis", Attr::Int(self.below(2) as i64)),
                    ("dtype", Attr::DType(DType::I64)),
                ];
                self.b.op1(OpCode::Iota, &[], &attrs).ok()
            }
            1 => {
                let number = self.below(7) as i64 - 3;
                Some(self.b.constant("", Tensor::from_i64(DType::I64, &[], &[number])))
            }
            2 | 3 => {
                let y = self.pick();
                let code = [OpCode::Add, OpCode::Sub, OpCode::Mul][self.below(3)];
                self.b.op1(code, &[x, y], &[]).ok()
            }
            4 => {
                let mut to = shape;
                match self.below(3) {
                    0 => to.insert(at, Dim::ONE),
                    1 if to.get(at).is_some_and(|dim| dim.is(1)) => drop(to.remove(at)),
                    _ => to = vec![Dim::product_of(&to)],
                }
                self.b.reshape(x, to).ok()
            }
            5 => {
                let mut perm: Vec<i64> = (0..rank as i64).collect();
                perm.rotate_left(at);
                self.b.transpose(x, &perm).ok()
            }
            6 => {
                let (mut starts, mut sizes, mut steps) = (vec![Dim::ZERO; rank], shape.clone(), vec![1; rank]);
                let size = shape.get(at)?.as_const()?;
                starts[at] = Dim::from(size - 1);
                sizes[at] = Dim::from((size + 1) / 2);
                steps[at] = -2;
                let attrs =
                    [("starts", Attr::dims(starts)), ("sizes", Attr::dims(sizes)), ("steps", Attr::ints(&steps))];
                self.b.op1(OpCode::Slice, &[x], &attrs).ok()
            }
            7 => {
                let y = self.pick();
                self.b.op1(OpCode::Concat, &[x, y], &[("axis", Attr::Int(at as i64))]).ok()
            }
            8 => {
                let y = self.pick();
                self.b.op1(OpCode::Gather, &[x, y], &[("axis", Attr::Int(at as i64))]).ok()
            }
            9 => {
                let y = self.pick();
                self.b.op1(OpCode::GatherNd, &[x, y], &[]).ok()
            }
            _ => {
                let y = self.pick();
                let code = [OpCode::Eq, OpCode::Lt, OpCode::Le][self.below(3)];
                let result = self.b.op1(code, &[x, y], &[]).ok()?;
                self.b.op1(OpCode::Cast, &[result], &[("to", Attr::DType(DType::I64))]).ok()
            }
        }
    }
}

/// A module with one result, an i64 tensor.
fn module(seed: u64) -> Option<Module> {
    let mut module = Module::default();
    let s = Symbol::new("S");
    module.env.symbols.insert(s.clone(), SymbolInfo { hi: Some(9), ..SymbolInfo::default() });
    module.main.add_param("x", TensorType::new(DType::F32, [Dim::symbol(&s)]));
    let b = Builder::new(&mut module.env, &mut module.main);
    let mut program = Program { b, state: seed, values: Vec::new() };
    for _ in 0..3 {
        let shape = [program.dim(), program.dim()];
        let axis = Attr::Int(program.below(2) as i64);
        let attrs = [("shape", Attr::dims(shape)), ("axis", axis), ("dtype", Attr::DType(DType::I64))];
        let iota = program.b.op1(OpCode::Iota, &[], &attrs).ok()?;
        program.values.push(iota);
    }
    for _ in 0..8 {
        if let Some(value) = program.step() {
            program.values.push(value);
        }
    }
    let last = *program.values.last()?;
    module.main.add_result("y", last);
    module.env.equalities.is_empty().then_some(module)
}

#[test]
fn functions_of_positions_are_what_the_evaluator_computes() {
    let (mut known, mut not_uniform) = (0, 0);
    for seed in 0..PROGRAMS {
        let Some(module) = module(seed) else { continue };
        let mut egraph = EGraph::new(Facts::new(module.env.clone()));
        let roots = add_graph(&mut egraph, &module.main);
        egraph.rebuild();
        let fact = egraph[roots[0]].data.fact().unwrap();
        let Some(function) = &fact.index else { continue };
        for size in [1, 2, 5] {
            let input = Tensor::from_f32(&[size], &vec![0.0; size]);
            let Ok(results) = eval_module(&module, vec![input]) else { continue };
            let shape = results[0].shape().to_vec();
            for at in 0..results[0].len() {
                let (mut rest, mut want) = (at as i64, function.base);
                for axis in (0..shape.len()).rev() {
                    want += function.steps[axis] * (rest % shape[axis] as i64);
                    rest /= shape[axis] as i64;
                }
                let text = lathe_ir::text::print_module(&module);
                assert_eq!(results[0].i64_at(at), want, "element {at} for S = {size}, {function:?}\n{text}");
            }
            known += 1;
            not_uniform += usize::from(function.uniform().is_none());
        }
    }
    assert!(known > 2000 && not_uniform > 1000, "{known} functions were found, {not_uniform} of them not uniform");
}
