//! Bodies of micro-kernels against the kernels of the runtime.

use crate::loopir::{parse, prelude};

#[test]
fn the_prelude_parses_verifies_and_prints() {
    let program = prelude();
    assert_eq!(&parse(&program.to_string()).unwrap(), program);
}
