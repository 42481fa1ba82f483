//! The prelude against the runtime's table. (`backend/tests/bodies.rs` compares results.)

use crate::loopir::interp::is_scalar;
use crate::loopir::verify::arg_type;
use crate::loopir::{parse, prelude};
use lathe_runtime::core::table::SIGNATURES;

#[test]
fn the_prelude_parses_verifies_and_prints() {
    let program = prelude();
    assert_eq!(&parse(&program.to_string()).unwrap(), program);
}

#[test]
fn every_micro_kernel_has_a_body_of_its_signature() {
    let mut missing = Vec::new();
    for s in SIGNATURES {
        match prelude().find_fn(s.name) {
            Some(f) => {
                let params: Vec<_> = f.param_types().collect();
                let expected: Vec<_> = s.args.iter().copied().map(arg_type).collect();
                assert_eq!(params, expected, "@{}", s.name);
                assert_eq!(f.ret, s.ret.map(arg_type), "@{}", s.name);
                let names: Vec<_> = f.body.vars.iter().take(params.len()).map(|v| v.name.as_str()).collect();
                assert!(!names.is_empty());
            }
            None if is_scalar(s.name) => {}
            None => missing.push(s.name),
        }
    }
    assert!(missing.is_empty(), "micro-kernels without a body in loopir/prelude/*.loop: {missing:?}");
}
