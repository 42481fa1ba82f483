//! Reads handwritten digits with a `.lathe` file: what a Rust program has to do. It needs the crate lathe-runtime alone.
//!
//! ```text
//! lathe compile digits.onnx --dim batch=1..64 -o digits.lathe
//! cargo run --example classify digits.lathe images.f32
//! ```

#![allow(clippy::print_stdout, reason = "a program that prints")]

use lathe_runtime::core::desc::DType;
use lathe_runtime::{Context, Model, Tensor, Threads};
use std::error::Error;

const PIXELS: usize = 64;
const CLASSES: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(images)) = (args.next(), args.next()) else {
        return Err("usage: classify MODEL.lathe IMAGES".into());
    };
    let bytes = std::fs::read(images)?;
    let count = bytes.len() / 4 / PIXELS;

    // Once: the model, which any number of threads may share, and a context for each of them.
    let model = Model::load(model.as_ref())?;
    let mut context = Context::new(&model, Threads::Count(1))?;

    // For each call; `run_into` writes to memory that the caller has already.
    let mut images = Tensor::zeros(DType::F32, &[count as i64, 1, 8, 8])?;
    images.bytes_mut().copy_from_slice(&bytes[..count * PIXELS * 4]);
    let outputs = context.run(&[images.view()])?;

    let logits: Vec<f32> =
        outputs[0].bytes().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    for row in logits.chunks_exact(CLASSES) {
        let best = (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b]));
        println!("{}", best.unwrap_or(0));
    }
    Ok(())
}
