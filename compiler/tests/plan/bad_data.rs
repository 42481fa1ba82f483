//! Data that a program must refuse: every check is in the program (the interpreter, which watches each access, ends in the
//! same status), and the machine code ends in the same one with the same message.

use super::bad_cases::{BadCase, bad_cases};
use lathe_compiler::artifact::{InProcess, compile};
use lathe_compiler::loopir::interp::{InterpOptions, Outcome, Tensor as Plain, interpret};
use lathe_compiler::plan::Plan;
use lathe_compiler::{backend, plan};
use lathe_ir::text::{no_weights, parse_module};
use lathe_ir::{Module, Tensor, eval_module};

fn module(case: &BadCase) -> Module {
    let module = parse_module(case.text, &no_weights).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    lathe_ir::verify(&module).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    module
}

fn interpreted(planned: &Plan, inputs: &[Tensor]) -> Outcome {
    let plain = |tensor: &Tensor| Plain {
        dims: tensor.shape().iter().map(|&size| size as i64).collect(),
        bytes: tensor.bytes().to_vec(),
    };
    let mut weights = Vec::new();
    planned.weights.write(&mut weights).expect("writes to memory");
    let inputs: Vec<Plain> = inputs.iter().map(plain).collect();
    interpret(&planned.program, &inputs, &[weights], InterpOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_program_checks_what_it_is_given() {
    for case in bad_cases() {
        let planned = plan::plan(&module(&case)).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let good = interpreted(&planned, &case.good);
        assert!(good.failure.is_none(), "{}: {:?}", case.name, good.failure);
        for (inputs, code, _) in &case.bad {
            let failure = interpreted(&planned, inputs).failure;
            assert_eq!(failure.map(|failure| failure.code), Some(*code), "{} on {inputs:?}", case.name);
        }
    }
}

#[test]
fn machine_code_says_which_node_or_input() {
    for case in bad_cases() {
        let module = module(&case);
        let compiled = compile(plan::plan(&module).unwrap(), &backend::Options::default()).unwrap();
        for threads in [1, 2] {
            let mut session = InProcess::load(&compiled, threads).unwrap();
            for (inputs, code, text) in &case.bad {
                let error = session.run(inputs).expect_err(case.name).to_string();
                assert!(error.contains(text), "{}: {error}, not {text} (status {code})", case.name);
                // The context is as good as before.
                let results = session.run(&case.good).unwrap_or_else(|error| panic!("{}: {error}", case.name));
                let wanted = eval_module(&module, case.good.clone()).unwrap();
                for (result, wanted) in results.iter().zip(&wanted) {
                    super::native::close(result, wanted, 1.0).unwrap_or_else(|error| panic!("{}: {error}", case.name));
                }
            }
        }
    }
}
