//! Operands that repeat where a size turns out to be 1.

use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::{backend, plan};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{Tensor, eval_module};

/// x and y may each have rows of their own, or one row for all of the other's; columns as well.
const MODEL: &str = "
    symbol N : 0..64
    symbol M : 0..64
    symbol K : 1..64
    graph(%0 \"x\": f32[N,K], %1 \"y\": f32[M,40], %2 \"w\": f32[40,6]) {
      %3 = broadcast(%0) {shape = [max(M, N), 40], either = [0, 1]}
      %4 = broadcast(%1) {shape = [max(M, N), 40], either = [0]}
      %5 = mul(%3, %4)
      %6 = exp(%3)
      %7 = matmul(%4, %2)
      %8 = transpose(%3) {perm = [1, 0]}
      return %5 \"product\", %6 \"exp\", %7 \"matmul\", %8 \"turned\"
    }";

fn values(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::from_f32(shape, &(0..count).map(|i| ((i + seed) * 37 % 41) as f32 / 8.0 - 2.5).collect::<Vec<_>>())
}

fn given(rows: usize, others: usize, columns: usize) -> Vec<Tensor> {
    vec![values(&[rows, columns], 0), values(&[others, 40], 5), values(&[40, 6], 9)]
}

#[test]
fn a_size_that_may_be_one() {
    let module = parse_module(MODEL, &no_weights).unwrap();
    lathe_ir::verify(&module).unwrap();
    let compiled = compile(plan::plan(&module).unwrap(), &backend::Options::default()).unwrap();
    for threads in [1, 2] {
        let mut session = InProcess::load(&compiled, threads).unwrap();
        for (rows, others, columns) in
            [(5, 5, 40), (1, 7, 40), (7, 1, 40), (1, 1, 40), (0, 0, 40), (9, 1, 1), (1, 9, 1)]
        {
            let inputs = given(rows, others, columns);
            let (got, want) = (session.run(&inputs).unwrap(), eval_module(&module, inputs).unwrap());
            for (got, want) in got.iter().zip(&want) {
                super::native::close(got, want, 1.0)
                    .unwrap_or_else(|error| panic!("{rows} and {others} rows, {columns} columns: {error}"));
            }
        }
        // Neither equal nor 1.
        for (rows, others, columns) in [(2, 7, 40), (7, 2, 40), (5, 5, 39), (5, 5, 41), (0, 5, 40), (5, 0, 40)] {
            let error = session.run(&given(rows, others, columns)).expect_err("sizes that do not fit").to_string();
            assert!(error.contains("shape mismatch"), "{error}");
        }
    }
}

#[test]
fn axes_that_x_does_not_have_are_refused() {
    for either in ["[2]", "[-1]", "[0]"] {
        let text = format!(
            "symbol N : 1..\ngraph(%0 \"x\": f32[N]) {{ %1 = broadcast(%0) {{shape = [2, N], either = {either}}} return %1 \
             \"y\" }}"
        );
        assert!(parse_module(&text, &no_weights).is_err(), "{either}");
    }
}
