//! Graphs made to hurt: long chains, wide sums, products that associate in every way, ten thousand ops. All must come
//! through within the limits, in seconds, and mean what they meant.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

mod nets;

use lathe_ir::{Attr, Builder, DType, Dim, Module, OpCode, TensorType, ValueId};
use lathe_passes::{Options, Report, Stop, optimize};
use nets::{Net, encoder};
use std::time::{Duration, Instant};

/// Far more than is needed, in a debug build and on a busy machine as well.
const MOST: Duration = Duration::from_secs(100);

fn module(shape: &[i64], build: impl FnOnce(&mut Net<'_>, ValueId) -> ValueId) -> Module {
    let mut module = Module::default();
    let x = module.main.add_param("x", TensorType::fixed(DType::F32, shape));
    let mut net = Net { b: Builder::new(&mut module.env, &mut module.main), s: Dim::ONE, seed: 1 };
    let y = build(&mut net, x);
    module.main.add_result("y", y);
    module
}

fn within_limits(mut module: Module) -> Report {
    let (ops, start) = (module.main.len(), Instant::now());
    let report = optimize(&mut module, &Options::default()).unwrap_or_else(|found| panic!("{found}"));
    assert!(module.main.len() <= 2 * ops, "{ops} ops became {}", module.main.len());
    assert!(start.elapsed() < MOST, "took {:?}", start.elapsed());
    report
}

#[test]
fn a_chain_of_everything() {
    within_limits(module(&[4, 4, 4], |net, x| {
        let mut value = x;
        for step in 0..1000 {
            let scalar = net.scalar(1.0 + f64::from(step) / 1024.0);
            value = match step % 6 {
                0 => net.op(OpCode::Add, &[value, scalar]),
                1 => net.op(OpCode::Mul, &[value, scalar]),
                2 => net.b.transpose(value, [&[1, 2, 0], &[2, 1, 0], &[0, 2, 1]][step as usize % 3]).unwrap(),
                3 => net.op(OpCode::Mul, &[value, x]),
                4 => net.op(OpCode::Relu, &[value]),
                _ => net.op(OpCode::Sub, &[x, value]),
            };
        }
        value
    }));
}

/// Every bracketing of the chain is a program.
#[test]
fn a_chain_of_products() {
    within_limits(module(&[8, 8], |net, x| {
        (0..300).fold(x, |value, step| {
            let other = if step % 3 == 0 { net.weight(&[8, 8]) } else { x };
            net.op(OpCode::MatMul, &[value, other])
        })
    }));
}

#[test]
fn a_wide_sum_of_products() {
    within_limits(module(&[8, 8], |net, x| {
        let terms: Vec<ValueId> = (0..500)
            .map(|step| {
                let w = net.weight(&[8, 8]);
                let active = if step % 2 == 0 { x } else { net.op(OpCode::Relu, &[x]) };
                net.op(OpCode::MatMul, &[active, w])
            })
            .collect();
        terms.into_iter().reduce(|sum, term| net.op(OpCode::Add, &[sum, term])).unwrap()
    }));
}

#[test]
fn a_wide_sum_of_scaled_terms() {
    within_limits(module(&[3, 4], |net, x| {
        let terms: Vec<ValueId> = (0..1000)
            .map(|step| {
                let scale = net.scalar(f64::from(step));
                net.op(OpCode::Mul, &[x, scale])
            })
            .collect();
        terms.into_iter().reduce(|sum, term| net.op(OpCode::Add, &[sum, term])).unwrap()
    }));
}

#[test]
fn ten_thousand_ops() {
    within_limits(module(&[2, 6], |net, x| {
        let mut value = x;
        for step in 0..2500 {
            let w = net.weight(&[6]);
            let scaled = net.op(OpCode::Mul, &[value, w]);
            let moved = net.b.transpose(scaled, &[1, 0]).unwrap();
            let back = net.b.transpose(moved, &[1, 0]).unwrap();
            value = net.op([OpCode::Add, OpCode::Sub, OpCode::Max][step % 3], &[back, x]);
        }
        value
    }));
}

#[test]
fn a_tower_of_concats_and_slices() {
    within_limits(module(&[2, 3], |net, x| {
        (0..400).fold(x, |value, _| {
            let attrs = [("axis", Attr::Int(1))];
            let wide = net.b.op1(OpCode::Concat, &[value, x], &attrs).unwrap();
            let sizes = net.b.ty(value).shape.clone();
            let attrs = [
                ("starts", Attr::dims([Dim::ZERO, Dim::from(3)])),
                ("sizes", Attr::Dims(sizes)),
                ("steps", Attr::ints(&[1, 1])),
            ];
            net.b.op1(OpCode::Slice, &[wide], &attrs).unwrap()
        })
    }));
}

/// Time is counted in rules fired and nodes made, which are what it grows with.
fn assert_linear(net: impl Fn(usize) -> Module) {
    let work = |layers| {
        let report = within_limits(net(layers));
        assert_eq!(report.stop, Some(Stop::Saturated));
        (report.fired.values().sum::<usize>() + report.refused.values().sum::<usize>(), report.nodes)
    };
    let (few, more, many) = (work(6), work(27), work(48));
    for (what, few, more, many) in [("rules", few.0, more.0, many.0), ("nodes", few.1, more.1, many.1)] {
        let (first, second) = (more - few, many - more);
        assert!(20 * second <= 21 * first, "{what}: {few} for 6 layers, {more} for 27, {many} for 48");
    }
}

#[test]
fn work_grows_with_the_layers() {
    assert_linear(encoder);
}

/// Scales and shifts on both sides of convolutions fold in any order. All orders are one weight.
#[test]
fn orders_of_folding_are_not_counted() {
    assert_linear(|layers| {
        module(&[1, 8, 8, 8], |net, x| {
            (0..layers).fold(x, |value, _| {
                let moved = net.b.transpose(value, &[0, 2, 3, 1]).unwrap();
                let w = net.weight(&[8, 8, 1, 1]);
                let attrs = ["strides", "dilations"].map(|name| (name, Attr::ints(&[1, 1])));
                let pads = ["pads_before", "pads_after"].map(|name| (name, Attr::ints(&[0, 0])));
                let conv = net.b.op1(OpCode::Conv, &[moved, w], &[attrs, pads].concat()).unwrap();
                let back = net.b.transpose(conv, &[0, 3, 1, 2]).unwrap();
                let affine = |net: &mut Net<'_>, value| {
                    let (scale, shift) = (net.weight(&[8, 1, 1]), net.weight(&[8, 1, 1]));
                    let scaled = net.op(OpCode::Mul, &[value, scale]);
                    net.op(OpCode::Add, &[scaled, shift])
                };
                let normed = affine(net, back);
                let third = net.scalar(1.0 / 3.0);
                let shrunk = net.op(OpCode::Mul, &[normed, third]);
                let active = net.op(OpCode::Relu, &[shrunk]);
                affine(net, active)
            })
        })
    });
}

/// A scale by ones and a shift by zeros leave a class as it is, which then is an operand of itself.
#[test]
fn neutral_weights_make_nothing_new() {
    assert_linear(|layers| {
        module(&[4, 8], |net, x| {
            let ones = net.filled(&[8], 1.0);
            let zeros = net.filled(&[8], 0.0);
            (0..layers).fold(x, |value, _| {
                let scaled = net.op(OpCode::Mul, &[value, ones]);
                let shifted = net.op(OpCode::Add, &[scaled, zeros]);
                let w = net.weight(&[8, 8]);
                let product = net.op(OpCode::MatMul, &[shifted, w]);
                let biased = net.op(OpCode::Add, &[product, zeros]);
                let active = net.op(OpCode::Relu, &[biased]);
                net.op(OpCode::Mul, &[active, ones])
            })
        })
    });
}
