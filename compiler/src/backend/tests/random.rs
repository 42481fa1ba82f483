//! Random programs: expressions of all types in loops and branches, from a fixed seed.

use super::check;
use crate::loopir::interp::Tensor;
use crate::loopir::{
    BinaryOp, Builder, CompareOp, Expr, ExprKind, Mutable, PlanSlot, Program, ProgramBuilder, Type, UnaryOp, parse,
    verify,
};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

const TYPES: [Type; 11] = [
    Type::Bool,
    Type::I8,
    Type::I16,
    Type::I32,
    Type::I64,
    Type::U8,
    Type::U16,
    Type::U32,
    Type::U64,
    Type::F32,
    Type::F64,
];

struct Maker {
    random: Random,
    /// Values in scope.
    values: Vec<Expr>,
    mutables: Vec<Mutable>,
}

impl Maker {
    fn leaf(&mut self, ty: Type) -> Expr {
        let fitting: Vec<Expr> = self.values.iter().filter(|e| e.ty() == ty).cloned().collect();
        if !fitting.is_empty() && self.random.below(4) > 0 {
            return fitting[self.random.below(fitting.len())].clone();
        }
        let bits = match self.random.below(3) {
            0 => self.random.next() as i64,
            1 => self.random.below(10) as i64 - 4,
            _ => 1 << self.random.below(64),
        };
        match ty {
            Type::F32 => Expr::f32(bits as f32 / 16.0),
            Type::F64 => Expr::f64(bits as f64 / 16.0),
            _ => Expr::int(ty, bits),
        }
    }

    fn expr(&mut self, ty: Type, depth: usize) -> Expr {
        if depth == 0 {
            return self.leaf(ty);
        }
        match self.random.below(8) {
            0 => self.leaf(ty),
            1 => {
                let from = self.random.pick(&TYPES);
                let a = self.expr(from, depth - 1);
                Expr::raw(ty, ExprKind::Cast(a))
            }
            2 => {
                let c = self.expr(Type::Bool, depth - 1);
                let (a, b) = (self.expr(ty, depth - 1), self.expr(ty, depth - 1));
                Expr::raw(ty, ExprKind::Select(c, a, b))
            }
            3 if ty.is_float() => {
                let (a, b, c) = (self.expr(ty, depth - 1), self.expr(ty, depth - 1), self.expr(ty, depth - 1));
                a.fma(b, c)
            }
            3 | 4 if ty == Type::Bool => {
                let of = self.random.pick(&TYPES[1..]);
                let (a, b) = (self.expr(of, depth - 1), self.expr(of, depth - 1));
                Expr::raw(Type::Bool, ExprKind::Compare(self.random.pick(CompareOp::ALL), a, b))
            }
            3 | 4 => {
                use UnaryOp::*;
                let ops: &[UnaryOp] = if ty.is_float() {
                    &[Neg, Abs, Sqrt, Floor, Ceil, Trunc, Round]
                } else if ty.is_signed() {
                    &[Neg, Abs, Not]
                } else {
                    &[Not]
                };
                Expr::unary(self.random.pick(ops), self.expr(ty, depth - 1))
            }
            _ => {
                use BinaryOp::*;
                let ops: &[BinaryOp] = if ty.is_float() {
                    &[Add, Sub, Mul, Div, Min, Max]
                } else if ty == Type::Bool {
                    &[And, Or, Xor]
                } else {
                    BinaryOp::ALL
                };
                let (a, b) = (self.expr(ty, depth - 1), self.expr(ty, depth - 1));
                Expr::binary(self.random.pick(ops), a, b)
            }
        }
    }

    fn stmts(&mut self, b: &mut Builder<'_>, depth: usize) {
        let scope = (self.values.len(), self.mutables.len());
        for _ in 0..2 + self.random.below(3) {
            match self.random.below(if depth == 0 { 4 } else { 7 }) {
                0 | 1 => {
                    let ty = self.random.pick(&TYPES);
                    let e = self.expr(ty, 3);
                    let v = b.let_(e);
                    self.values.push(v);
                }
                2 => {
                    let ty = self.random.pick(&TYPES);
                    let e = self.expr(ty, 2);
                    let m = b.var(e);
                    self.mutables.push(m);
                    self.values.push(m.get());
                }
                3 if !self.mutables.is_empty() => {
                    let m = self.mutables[self.random.below(self.mutables.len())];
                    let e = self.expr(m.get().ty(), 3);
                    b.assign(m, e);
                }
                3 => {}
                4 => {
                    let cond = self.expr(Type::Bool, 2);
                    let scope = (self.values.len(), self.mutables.len());
                    let cell = std::cell::RefCell::new(&mut *self);
                    b.if_else(
                        cond,
                        |b| {
                            let mut m = cell.borrow_mut();
                            m.stmts(b, depth - 1);
                            m.values.truncate(scope.0);
                        },
                        |b| cell.borrow_mut().stmts(b, depth - 1),
                    );
                    self.values.truncate(scope.0);
                    self.mutables.truncate(scope.1);
                }
                _ => {
                    let lo = self.random.below(3) as i64;
                    let hi = if self.random.below(2) == 0 { Expr::i64(4) } else { Expr::tile() + 1 };
                    let step = 1 + self.random.below(2) as i64;
                    b.for_(lo, hi, step, |b, i| {
                        self.values.push(i);
                        self.stmts(b, depth - 1);
                        self.values.pop();
                    });
                }
            }
        }
        // What is declared here goes out of scope, except at the top, where it is stored.
        if depth < 3 {
            self.values.truncate(scope.0);
            self.mutables.truncate(scope.1);
        }
    }
}

const COUNT: i64 = 6;

fn random_program(seed: u64) -> Program {
    let mut p = ProgramBuilder::new();
    let inputs: Vec<_> =
        TYPES.iter().enumerate().map(|(i, ty)| p.input(&format!("x{i}"), *ty, COUNT, i as u32, 1)).collect();
    let outputs: Vec<_> =
        TYPES.iter().enumerate().map(|(i, ty)| p.output(&format!("y{i}"), *ty, COUNT, i as u32, 1)).collect();
    let mut maker = Maker { random: Random(seed), values: Vec::new(), mutables: Vec::new() };
    let k = p.kernel("k", None, COUNT, |b| {
        for input in &inputs {
            let v = b.load(*input, b.tile());
            maker.values.push(v);
        }
        maker.stmts(b, 3);
        for (output, ty) in outputs.iter().zip(TYPES) {
            let e = maker.expr(ty, 2);
            b.store(*output, b.tile(), e);
        }
    });
    p.plan(|b| {
        for i in 0..TYPES.len() as u32 {
            b.set_plan(PlanSlot::OutputDim { output: i, axis: 0 }, COUNT);
        }
    });
    p.run(|b| b.launch(k));
    p.finish()
}

#[test]
fn random_programs_give_the_interpreters_results() {
    for seed in 1..=300 {
        let program = random_program(seed * 0x9e37_79b9);
        verify(&program).unwrap_or_else(|e| panic!("{e}\n{program}"));
        assert_eq!(parse(&program.to_string()).unwrap(), program);
        let mut random = Random(seed);
        let inputs: Vec<Tensor> = TYPES
            .iter()
            .map(|ty| {
                let bytes = (0..COUNT)
                    .flat_map(|_| {
                        let bits = match ty {
                            Type::Bool => random.below(2) as u64,
                            Type::F32 => ((random.below(4000) as f32 - 2000.0) / 7.0).to_bits() as u64,
                            Type::F64 => ((random.below(4000) as f64 - 2000.0) / 7.0).to_bits(),
                            _ => random.next() >> random.below(64),
                        };
                        bits.to_le_bytes()[..ty.size() as usize].to_vec()
                    })
                    .collect();
                Tensor { dims: vec![COUNT], bytes }
            })
            .collect();
        check(&program, &inputs, &[]);
    }
}

/// Programs with words left out, doubled or swapped: the parser and the verifier refuse them or they compile. None panics.
#[test]
fn damaged_programs_are_refused_or_compile() {
    let mut random = Random(77);
    let (mut refused, mut invalid, mut compiled) = (0, 0, 0);
    for (_, text) in crate::loopir::tests::program_files() {
        let words: Vec<&str> = text.split_inclusive([' ', '\n', '(', ')', '[', ']', ',']).collect();
        for _ in 0..250 {
            let mut words = words.clone();
            for _ in 0..1 + random.below(2) {
                let (i, j) = (random.below(words.len()), random.below(words.len()));
                match random.below(3) {
                    0 => {
                        words.remove(i);
                    }
                    1 => words.insert(i, words[j]),
                    _ => words.swap(i, j),
                }
            }
            match parse(&words.concat()) {
                Err(_) => refused += 1,
                Ok(program) if verify(&program).is_err() => invalid += 1,
                Ok(program) => {
                    crate::backend::compile(&program, &Default::default()).unwrap_or_else(|e| panic!("{e}\n{program}"));
                    assert_eq!(parse(&program.to_string()).unwrap(), program);
                    compiled += 1;
                }
            }
        }
    }
    assert!(refused > 100 && invalid > 0 && compiled > 100, "{refused} {invalid} {compiled}");
}
