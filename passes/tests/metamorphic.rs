//! What a network computes does not depend on the order of its hidden neurons, heads and channels. Permuting the weights
//! on both sides of them must leave the results of the whole pipeline as they are: a rule that mistakes one axis for
//! another, or a fold that scales the wrong side, does not survive that.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

mod nets;

use lathe_ir::{Attr, Builder, DType, Dim, Module, OpCode, Tensor, TensorType, ValueId, eval_module};
use lathe_passes::{Options, optimize};
use nets::{HEADS, Net, WIDTH, encoder};

/// Weights of one layer of [`encoder`], in order: pairs of matrix and bias for q, k, v and output, gamma and beta, pairs
/// for the two layers of the MLP, gamma and beta.
const OF_LAYER: usize = 16;

/// A permutation of 0..count that leaves nothing in place if it can, different for each seed.
fn permutation(count: usize, seed: usize) -> Vec<usize> {
    let step = (1..count).rev().find(|step| gcd(*step, count) == 1).unwrap_or(1);
    (0..count).map(|at| (at * step + seed + 1) % count).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The tensor with blocks of `block` neighbours along `axis` in another order.
fn permuted(tensor: &Tensor, axis: usize, block: usize, order: &[usize]) -> Tensor {
    let shape = tensor.shape();
    let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let values = tensor.to_f64();
    let mut moved = values.clone();
    for (at, value) in moved.iter_mut().enumerate() {
        let (outer, place, rest) = (at / (size * inner), at / inner % size, at % inner);
        let from = order[place / block] * block + place % block;
        *value = values[outer * size * inner + from * inner + rest];
    }
    Tensor::from_f64(tensor.dtype(), shape, &moved)
}

fn permute(module: &mut Module, weight: usize, axis: usize, block: usize, order: &[usize]) {
    let weight = &mut module.env.weights[weight];
    weight.value = permuted(&weight.value, axis, block, order);
}

fn optimized(mut module: Module) -> Module {
    optimize(&mut module, &Options::default()).unwrap_or_else(|found| panic!("{found}"));
    module
}

fn assert_close(a: &Module, b: &Module, inputs: &[Tensor]) {
    let (a, b) = (eval_module(a, inputs.to_vec()).unwrap(), eval_module(b, inputs.to_vec()).unwrap());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.ty(), b.ty());
        for (x, y) in a.to_f64().into_iter().zip(b.to_f64()) {
            assert!((x - y).abs() <= 1e-5 * (1.0 + x.abs()), "{x} and {y}");
        }
    }
}

fn draw(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|at| ((at + 7 * seed) * 37 % 101) as f64 / 25.0 - 2.0).collect();
    Tensor::from_f64(DType::F32, shape, &values)
}

#[test]
fn order_of_heads_and_neurons() {
    let module = encoder(2);
    let inputs = [draw(&[1, 5, WIDTH as usize], 1), draw(&[1, 1, 5, 5], 2)];
    let plain = optimized(module.clone());
    assert_close(&module, &plain, &inputs);
    for seed in 0..4 {
        let mut other = module.clone();
        for layer in 0..2 {
            let first = layer * OF_LAYER;
            let (heads, head) = (permutation(HEADS as usize, seed), (WIDTH / HEADS) as usize);
            for projection in [0, 2, 4] {
                permute(&mut other, first + projection, 1, head, &heads);
                permute(&mut other, first + projection + 1, 0, head, &heads);
            }
            permute(&mut other, first + 6, 0, head, &heads);
            let neurons = permutation(4 * WIDTH as usize, seed);
            permute(&mut other, first + 10, 1, 1, &neurons);
            permute(&mut other, first + 11, 0, 1, &neurons);
            permute(&mut other, first + 12, 0, 1, &neurons);
        }
        assert_ne!(module.env.weights, other.env.weights);
        assert_close(&plain, &optimized(other), &inputs);
    }
}

/// The channels within heads: q and k together, v and the output together.
#[test]
fn order_within_heads() {
    let module = encoder(1);
    let inputs = [draw(&[1, 4, WIDTH as usize], 3), draw(&[1, 1, 4, 4], 4)];
    let plain = optimized(module.clone());
    let head = (WIDTH / HEADS) as usize;
    for seed in 0..4 {
        let within = permutation(head, seed);
        let order: Vec<usize> = (0..WIDTH as usize).map(|at| at / head * head + within[at % head]).collect();
        for group in [[0, 2], [4, 6]] {
            let mut other = module.clone();
            for projection in group {
                let axis = usize::from(projection != 6);
                permute(&mut other, projection, axis, 1, &order);
                if projection != 6 {
                    permute(&mut other, projection + 1, 0, 1, &order);
                }
            }
            assert_close(&plain, &optimized(other), &inputs);
        }
    }
}

/// Two convolutions (channels first around them, as a file has them) with normalisation and activation between.
fn convolutions() -> Module {
    let mut module = Module::default();
    let x = module.main.add_param("x", TensorType::fixed(DType::F32, &[1, 3, 6, 5]));
    let mut net = Net { b: Builder::new(&mut module.env, &mut module.main), s: Dim::ONE, seed: 1 };
    let conv = |net: &mut Net<'_>, x: ValueId, shape: &[usize]| {
        let w = net.weight(shape);
        let moved = net.b.transpose(x, &[0, 2, 3, 1]).unwrap();
        let pair = |value: i64| Attr::ints(&[value, value]);
        let attrs = [("strides", pair(1)), ("dilations", pair(1)), ("pads_before", pair(1)), ("pads_after", pair(1))];
        let y = net.b.op1(OpCode::Conv, &[moved, w], &attrs).unwrap();
        net.b.transpose(y, &[0, 3, 1, 2]).unwrap()
    };
    let hidden = conv(&mut net, x, &[8, 3, 3, 3]);
    let (scale, shift) = (net.weight(&[8, 1, 1]), net.weight(&[8, 1, 1]));
    let scaled = net.op(OpCode::Mul, &[hidden, scale]);
    let shifted = net.op(OpCode::Add, &[scaled, shift]);
    let active = net.op(OpCode::Relu, &[shifted]);
    let scale = net.weight(&[8, 1, 1]);
    let scaled = net.op(OpCode::Mul, &[active, scale]);
    let y = conv(&mut net, scaled, &[4, 8, 3, 3]);
    module.main.add_result("y", y);
    module
}

#[test]
fn order_of_channels() {
    let module = convolutions();
    let inputs = [draw(&[1, 3, 6, 5], 5)];
    let plain = optimized(module.clone());
    assert_close(&module, &plain, &inputs);
    for seed in 0..7 {
        let channels = permutation(8, seed);
        let mut other = module.clone();
        for weight in 0..4 {
            permute(&mut other, weight, 0, 1, &channels);
        }
        permute(&mut other, 4, 1, 1, &channels);
        assert_close(&plain, &optimized(other), &inputs);
    }
}
