//! What the e-graph takes for equal constants, against their values: on random arithmetic over weights.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use lathe_ir::{Attr, Builder, DType, Dim, Module, OpCode, Tensor, ValueId, eval_module};
use lathe_passes::egraph::analysis::{EGraph, Facts};
use lathe_passes::egraph::{convert, recipes};

/// Programs that are tried.
const PROGRAMS: u64 = 2000;
/// Ops of each.
const OPS: usize = 40;

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

    fn constant(&mut self) {
        let shape: Vec<usize> = (0..self.below(4)).map(|_| [1, 2, 3][self.below(3)]).collect();
        let count = shape.iter().product();
        let value = [0.0, 1.0, -1.0, 2.0, 0.5][self.below(5)];
        let values: Vec<f64> = match self.below(3) {
            0 => vec![value; count],
            _ => (0..count).map(|_| 0.5 + self.below(1000) as f64 / 500.0).collect(),
        };
        let value = self.b.constant("c", Tensor::from_f64(DType::F64, &shape, &values));
        self.values.push(value);
    }

    /// One more op on what is there; `None` if it is not well typed.
    fn step(&mut self) -> Option<()> {
        let x = self.pick();
        let shape = self.b.ty(x).shape.clone();
        let value = match self.below(10) {
            0 => self.b.op1(OpCode::Neg, &[x], &[]),
            1 => self.b.op1(OpCode::Recip, &[x], &[]),
            5 => self.b.op1(OpCode::Square, &[x], &[]),
            2 => {
                let mut perm: Vec<i64> = (0..shape.len() as i64).collect();
                let (a, b) = (self.below(perm.len()), self.below(perm.len()));
                if perm.is_empty() {
                    return None;
                }
                perm.swap(a, b);
                self.b.transpose(x, &perm)
            }
            3 => {
                let mut to: Vec<Dim> = shape.to_vec();
                match to.iter().position(|dim| dim.is(1)) {
                    Some(at) if self.below(2) == 0 => drop(to.remove(at)),
                    _ => to.insert(self.below(to.len() + 1), Dim::ONE),
                }
                if self.below(4) == 0 {
                    to.reverse();
                }
                self.b.reshape(x, to)
            }
            4 => {
                let mut to: Vec<Dim> = shape
                    .iter()
                    .map(|dim| if dim.is(1) { [1, 2, 3][self.below(3)].into() } else { dim.clone() })
                    .collect();
                to.insert(0, [1i64, 2, 3][self.below(3)].into());
                self.b.op1(OpCode::Broadcast, &[x], &[("shape", Attr::dims(to))])
            }
            op => {
                let y = self.pick();
                let op = [OpCode::Add, OpCode::Sub, OpCode::Mul, OpCode::Div][op % 4];
                self.b.op1(op, &[x, y], &[])
            }
        };
        let value = value.ok()?;
        (self.b.ty(value).rank() <= 4).then(|| self.values.push(value))
    }
}

#[test]
fn merged_constants_are_equal() {
    let (mut merged, mut apart) = (0, 0);
    for seed in 0..PROGRAMS {
        let mut module = Module::default();
        let mut program =
            Program { b: Builder::new(&mut module.env, &mut module.main), state: seed, values: Vec::new() };
        (0..4).for_each(|_| program.constant());
        for _ in 0..OPS {
            let _ = program.step();
        }
        let values = program.values;
        values.iter().for_each(|&value| module.main.add_result("y", value));
        let results = eval_module(&module, Vec::new()).unwrap();
        let mut egraph = EGraph::new(Facts::new(module.env.clone()));
        egraph.analysis.recipes = Some(recipes::Recipes::default());
        let ids = convert::add_graph(&mut egraph, &module.main);
        egraph.rebuild();
        while recipes::refresh(&mut egraph) {
            egraph.rebuild();
        }
        assert_eq!(egraph.analysis.bug, None);
        for (at, x) in results.iter().enumerate() {
            for (other, y) in results.iter().enumerate().take(at) {
                let (x, y) = ((x.ty(), x.to_f64()), (y.ty(), y.to_f64()));
                let close =
                    |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-9 * (1.0 + x.abs() + y.abs()) || !(x - y).is_finite();
                let equal = x.0 == y.0 && x.1.iter().zip(&y.1).all(close);
                if egraph.find(ids[at]) == egraph.find(ids[other]) {
                    merged += 1;
                    assert!(equal, "program {seed}: values {at} and {other}: {x:?} and {y:?}");
                } else if equal {
                    apart += 1;
                }
            }
        }
    }
    assert!(merged > 10 * PROGRAMS, "only {merged} pairs were merged, {apart} were not");
}
