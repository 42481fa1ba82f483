//! Networks in small ops, as exporters write them.

#![allow(clippy::unwrap_used, dead_code, reason = "shared by tests, which may stop at once")]

use lathe_ir::{Attr, Builder, DType, Dim, Module, OpCode, Symbol, SymbolInfo, Tensor, TensorType, ValueId};

pub(crate) const WIDTH: i64 = 16;
pub(crate) const HEADS: i64 = 2;

/// An encoder of that many layers in small ops: layer norm with pow, sqrt and div; attention with scaled q and k^T, a mask
/// and torch's guard; GELU with erf.
pub(crate) fn encoder(layers: usize) -> Module {
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

/// A builder of small ops over seeded weights.
pub(crate) struct Net<'a> {
    pub(crate) b: Builder<'a>,
    /// Length of the sequence.
    pub(crate) s: Dim,
    pub(crate) seed: u32,
}

impl Net<'_> {
    pub(crate) fn op(&mut self, code: OpCode, operands: &[ValueId]) -> ValueId {
        self.b.op1(code, operands, &[]).unwrap()
    }

    pub(crate) fn weight(&mut self, shape: &[usize]) -> ValueId {
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

    pub(crate) fn filled(&mut self, shape: &[usize], value: f32) -> ValueId {
        self.b.constant("filled", Tensor::from_f32(shape, &vec![value; shape.iter().product()]))
    }

    pub(crate) fn scalar(&mut self, value: f64) -> ValueId {
        self.b.scalar(DType::F32, value)
    }

    pub(crate) fn linear(&mut self, x: ValueId, columns: i64) -> ValueId {
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

    pub(crate) fn attention(&mut self, x: ValueId, mask: ValueId) -> ValueId {
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

    pub(crate) fn layer_norm(&mut self, x: ValueId) -> ValueId {
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

    pub(crate) fn gelu(&mut self, x: ValueId) -> ValueId {
        let (root, one, half) = (self.scalar(std::f64::consts::SQRT_2), self.scalar(1.0), self.scalar(0.5));
        let inner = self.op(OpCode::Div, &[x, root]);
        let erf = self.op(OpCode::Erf, &[inner]);
        let sum = self.op(OpCode::Add, &[erf, one]);
        let product = self.op(OpCode::Mul, &[x, sum]);
        self.op(OpCode::Mul, &[product, half])
    }
}
