//! Whole stacks, written as exporters write them: what the rules must find in every layer, and how work grows.

#![allow(clippy::unwrap_used)]

use lathe_ir::{
    Attr, Builder, DType, Dim, Module, OpCode, Symbol, SymbolInfo, Tensor, TensorType, ValueId, eval_module,
};
use lathe_passes::{Options, Report, Stop, optimize};

const WIDTH: i64 = 16;
const HEADS: i64 = 2;

/// An encoder of that many layers in small ops: layer norm with pow, sqrt and div; attention with scaled q and k^T, a mask
/// and torch's guard; GELU with erf.
fn encoder(layers: usize) -> Module {
    let mut module = Module::default();
    let s = Dim::symbol(&Symbol::new("S"));
    module.env.symbols.insert(Symbol::new("S"), SymbolInfo { hi: Some(512), ..SymbolInfo::default() });
    let row = TensorType::new(DType::F32, [Dim::ONE, s.clone(), WIDTH.into()]);
    let x = module.main.add_param("x", row);
    let mask = module.main.add_param("mask", TensorType::new(DType::F32, [Dim::ONE, Dim::ONE, s.clone(), s.clone()]));
    let mut net = Net { b: Builder::new(&mut module.env, &mut module.main), s, seed: 1 };
    let mut stream = x;
    for _ in 0..layers {
        let attended = net.attention(stream, mask);
        let sum = net.op(OpCode::Add, &[attended, stream]);
        let normed = net.layer_norm(sum);
        let up = net.linear(normed, 4 * WIDTH);
        let active = net.gelu(up);
        let down = net.linear(active, WIDTH);
        let sum = net.op(OpCode::Add, &[down, normed]);
        stream = net.layer_norm(sum);
    }
    module.main.add_result("y", stream);
    module
}

struct Net<'a> {
    b: Builder<'a>,
    s: Dim,
    seed: u32,
}

impl Net<'_> {
    fn op(&mut self, code: OpCode, operands: &[ValueId]) -> ValueId {
        self.b.op1(code, operands, &[]).unwrap()
    }

    fn weight(&mut self, shape: &[usize]) -> ValueId {
        let mut state = self.seed.wrapping_mul(0x9e37_79b9) | 1;
        self.seed += 1;
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state >> 8) as f32 / (1 << 24) as f32 - 0.5
            })
            .collect();
        let id = self.b.env.add_weight(&format!("w{}", self.seed), Tensor::from_f32(shape, &values));
        self.b.weight(id)
    }

    fn scalar(&mut self, value: f64) -> ValueId {
        self.b.scalar(DType::F32, value)
    }

    fn linear(&mut self, x: ValueId, columns: i64) -> ValueId {
        let rows = self.b.ty(x).shape.last().and_then(Dim::as_size).unwrap();
        let (w, bias) = (self.weight(&[rows, columns as usize]), self.weight(&[columns as usize]));
        let product = self.op(OpCode::MatMul, &[x, w]);
        self.op(OpCode::Add, &[bias, product])
    }

    fn heads(&mut self, x: ValueId, perm: &[i64]) -> ValueId {
        let shape = [Dim::ONE, self.s.clone(), HEADS.into(), (WIDTH / HEADS).into()];
        let split = self.b.reshape(x, shape).unwrap();
        self.b.transpose(split, perm).unwrap()
    }

    fn attention(&mut self, x: ValueId, mask: ValueId) -> ValueId {
        let (q, k, v) = (self.linear(x, WIDTH), self.linear(x, WIDTH), self.linear(x, WIDTH));
        let (q, v) = (self.heads(q, &[0, 2, 1, 3]), self.heads(v, &[0, 2, 1, 3]));
        let kt = self.heads(k, &[0, 2, 3, 1]);
        let scale = self.scalar(0.594_603_6);
        let (q, kt) = (self.op(OpCode::Mul, &[q, scale]), self.op(OpCode::Mul, &[kt, scale]));
        let scores = self.op(OpCode::MatMul, &[q, kt]);
        let scores = self.op(OpCode::Add, &[scores, mask]);
        let weights = self.b.op1(OpCode::Softmax, &[scores], &[("axis", Attr::Int(3))]).unwrap();
        let (nan, zero) = (self.op(OpCode::IsNan, &[weights]), self.scalar(0.0));
        let weights = self.op(OpCode::Where, &[nan, zero, weights]);
        let mixed = self.op(OpCode::MatMul, &[weights, v]);
        let mixed = self.b.transpose(mixed, &[0, 2, 1, 3]).unwrap();
        let merged = self.b.reshape(mixed, [Dim::ONE, self.s.clone(), WIDTH.into()]).unwrap();
        self.linear(merged, WIDTH)
    }

    fn layer_norm(&mut self, x: ValueId) -> ValueId {
        let mean = |net: &mut Self, x| net.b.op1(OpCode::ReduceMean, &[x], &[("axes", Attr::ints(&[2]))]).unwrap();
        let average = mean(self, x);
        let centred = self.op(OpCode::Sub, &[x, average]);
        let two = self.scalar(2.0);
        let squares = self.op(OpCode::Pow, &[centred, two]);
        let variance = mean(self, squares);
        let eps = self.scalar(1e-5);
        let sum = self.op(OpCode::Add, &[variance, eps]);
        let root = self.op(OpCode::Sqrt, &[sum]);
        let normal = self.op(OpCode::Div, &[centred, root]);
        let (gamma, beta) = (self.weight(&[WIDTH as usize]), self.weight(&[WIDTH as usize]));
        let scaled = self.op(OpCode::Mul, &[normal, gamma]);
        self.op(OpCode::Add, &[scaled, beta])
    }

    fn gelu(&mut self, x: ValueId) -> ValueId {
        let (root, one, half) = (self.scalar(std::f64::consts::SQRT_2), self.scalar(1.0), self.scalar(0.5));
        let inner = self.op(OpCode::Div, &[x, root]);
        let erf = self.op(OpCode::Erf, &[inner]);
        let sum = self.op(OpCode::Add, &[erf, one]);
        let product = self.op(OpCode::Mul, &[x, sum]);
        self.op(OpCode::Mul, &[product, half])
    }
}

fn count(module: &Module, code: OpCode) -> usize {
    module.main.iter().filter(|(_, op)| op.code == code).count()
}

fn optimized(layers: usize) -> (Module, Report) {
    let mut module = encoder(layers);
    let report = optimize(&mut module, &Options::default()).unwrap_or_else(|found| panic!("{found}"));
    (module, report)
}

#[test]
fn every_layer_is_found() {
    let layers = 12;
    let (module, report) = optimized(layers);
    assert_eq!(report.stop, Some(Stop::Saturated));
    assert_eq!(count(&module, OpCode::Attention), layers);
    assert_eq!(count(&module, OpCode::LayerNorm), 2 * layers);
    assert_eq!(count(&module, OpCode::MatMul), 6 * layers);
    for code in [OpCode::Softmax, OpCode::Erf, OpCode::Pow, OpCode::Add, OpCode::Mul, OpCode::Div, OpCode::Gelu] {
        assert_eq!(count(&module, code), 0, "{} is left", code.name());
    }
    let compute = module.main.iter().filter(|(_, op)| !matches!(op.code, OpCode::Const | OpCode::Reshape)).count();
    assert_eq!(compute, layers * (6 + 1 + 2 + 4), "what is left beside products, norms and attention is transposes");
}

#[test]
fn rules_fire_in_proportion_to_the_layers() {
    let fired = |layers| optimized(layers).1.fired.values().sum::<usize>();
    let (two, four, eight) = (fired(2), fired(4), fired(8));
    assert_eq!(eight - four, 2 * (four - two));
}

#[test]
fn strict_keeps_every_bit() {
    let mut module = encoder(1);
    let before = module.clone();
    let options = Options { strict: true, ..Options::default() };
    optimize(&mut module, &options).unwrap_or_else(|found| panic!("{found}"));
    assert!(count(&module, OpCode::Erf) == 1 && count(&module, OpCode::Attention) == 0);
    let row: Vec<f64> = (0..5 * WIDTH).map(|at| f64::from((at * 37 % 101) as i32 - 50) / 25.0).collect();
    let mask: Vec<f64> = (0..25).map(|at| if at % 5 > at / 5 { f64::NEG_INFINITY } else { 0.0 }).collect();
    let inputs = vec![
        Tensor::from_f64(DType::F32, &[1, 5, WIDTH as usize], &row),
        Tensor::from_f64(DType::F32, &[1, 1, 5, 5], &mask),
    ];
    assert_eq!(eval_module(&module, inputs.clone()).unwrap(), eval_module(&before, inputs).unwrap());
}

#[test]
fn pieces_find_the_same() {
    let layers = 6;
    let mut module = encoder(layers);
    let options = Options { region_ops: 120, ..Options::default() };
    optimize(&mut module, &options).unwrap_or_else(|found| panic!("{found}"));
    let whole = optimized(layers).0;
    for code in [OpCode::Attention, OpCode::LayerNorm, OpCode::MatMul, OpCode::Transpose] {
        assert_eq!(count(&module, code), count(&whole, code), "{}", code.name());
    }
}

/// What an adversary could write: long chains in which many rules keep finding something.
#[test]
fn a_long_chain_stays_within_limits() {
    let mut module = Module::default();
    let x = module.main.add_param("x", TensorType::fixed(DType::F32, &[3, 4, 5]));
    let mut net = Net { b: Builder::new(&mut module.env, &mut module.main), s: Dim::ONE, seed: 1 };
    let mut value = x;
    for step in 0..1000 {
        let scalar = net.scalar(1.0 + f64::from(step) / 1024.0);
        value = match step % 4 {
            0 => net.op(OpCode::Add, &[value, scalar]),
            1 => net.op(OpCode::Mul, &[value, scalar]),
            2 => net.b.transpose(value, [&[1, 2, 0], &[2, 1, 0], &[0, 2, 1]][step as usize % 3]).unwrap(),
            _ => net.op(OpCode::Mul, &[value, x]).to_owned(),
        };
        if net.b.ty(value).shape != net.b.ty(x).shape {
            value = net.b.reshape(value, net.b.ty(x).shape.clone()).unwrap();
        }
    }
    module.main.add_result("y", value);
    let options = Options { node_limit: 20_000, ..Options::default() };
    let before = module.main.len();
    optimize(&mut module, &options).unwrap_or_else(|found| panic!("{found}"));
    assert!(module.main.len() <= before);
}

#[test]
fn the_same_module_gives_the_same_text() {
    let text = || lathe_ir::text::print_module(&optimized(3).0);
    assert_eq!(text(), text());
}
