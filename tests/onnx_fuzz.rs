//! Thousands of broken models go through decoding, validation and the reading of every tensor: none may panic, hang or
//! take memory out of proportion.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "onnx/agree.rs"]
#[allow(dead_code)]
mod agree;
#[path = "fuzz/mutator.rs"]
#[allow(dead_code)]
mod mutator;

use std::path::Path;

use bytes::Bytes;
use lathe_compiler::onnx::proto::{AttributeProto, GraphProto, TensorProto};
use lathe_compiler::onnx::{OnnxError, OnnxFile};
use mutator::{Rng, mutate};

/// Reads everything in `bytes` that can be read; whether the model was accepted.
fn read_all(bytes: Vec<u8>) -> bool {
    match OnnxFile::from_bytes(Bytes::from(bytes)) {
        Ok(file) => {
            read_graph(&file, file.graph());
            true
        }
        Err(OnnxError::Rejected(problems)) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(problem.to_string().len() < 100_000);
            }
            false
        }
        Err(error @ OnnxError::Io { .. }) => panic!("{error}"),
    }
}

fn read_graph(file: &OnnxFile, graph: &GraphProto) {
    for tensor in &graph.initializer {
        read_tensor(file, tensor);
    }
    for attribute in graph.node.iter().flat_map(|n| &n.attribute) {
        read_attribute(file, attribute);
    }
}

fn read_attribute(file: &OnnxFile, attribute: &AttributeProto) {
    for tensor in attribute.t.as_deref().into_iter().chain(&attribute.tensors) {
        read_tensor(file, tensor);
    }
    for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
        read_graph(file, graph);
    }
}

fn read_tensor(file: &OnnxFile, tensor: &TensorProto) {
    if let Ok(data) = file.tensor(tensor) {
        assert_eq!(data.dims, tensor.dims);
        data.to_i64s();
    }
}

/// `LATHE_FUZZ_ROUNDS=1000000 cargo test --test onnx_fuzz` looks further than the tests of every day.
#[test]
fn mutated_models() {
    let models = agree::models_under(Path::new("tests/models/onnx"));
    let models: Vec<Vec<u8>> = models.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let mut rng = Rng::new(1);
    let mut accepted = 0;
    let rounds = std::env::var("LATHE_FUZZ_ROUNDS").map_or(5_000, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let broken = mutate(&models[round % models.len()], &mut rng);
        accepted += usize::from(read_all(broken));
    }
    // Neither all nor none: a mutator that breaks every file at the first byte tests nothing behind the decoder.
    assert!((rounds / 20..rounds * 9 / 10).contains(&accepted), "{accepted} of {rounds} accepted");
}

#[test]
fn every_truncation_and_bit_flip() {
    for path in agree::models_under(Path::new("tests/models/onnx")) {
        let good = std::fs::read(&path).unwrap();
        for end in 0..good.len() {
            read_all(good[..end].to_vec());
        }
        for bit in 0..good.len() * 8 {
            let mut broken = good.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            read_all(broken);
        }
    }
}
