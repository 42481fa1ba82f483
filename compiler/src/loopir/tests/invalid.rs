//! Texts and programs that must be refused, with their messages.

use crate::loopir::{parse, verify};

#[test]
fn parse_errors_name_line_and_column() {
    for (text, expected) in [
        ("", "1:1: expected `program`, found the end of the text"),
        ("program {\n  symbol N : 1..2\n}", "2:10: expected a symbol's name, found `N`"),
        ("program {\n  buffer %b : f31[1] arena\n}", "2:15: expected a type, found `f31`"),
        (
            "program {\n  buffer %b : f32[1] heap\n}",
            "2:22: expected input, output, weight, arena or alias, found `heap`",
        ),
        ("program {\n  run {\n    launch @k\n  }\n}", "3:12: there is no kernel @k"),
        ("program {\n  run {\n    x = 1\n  }\n}", "3:5: `x` is neither a statement nor a variable in scope"),
        ("program {\n  run {\n    let x = y\n  }\n}", "3:13: there is no variable `y` in scope"),
        ("program {\n  run {\n    let x = 300u8\n  }\n}", "3:13: 300 does not fit u8"),
        ("program {\n  run {\n    let x = 1 + # 2\n  }\n}", "3:17: unexpected character '#'"),
        ("program {\n  run { let x = @nothing(1) }\n}", "2:17: there is no function or micro-kernel @nothing"),
        ("program { } program", "1:13: expected the end of the text, found `program`"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn deep_texts_are_refused() {
    let deep = format!("program {{ run {{ let x = {}1{} }} }}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&deep).unwrap_err().message.contains("nested too deeply"));
    let blocks = format!("program {{ run {{ {} {} }} }}", "if true { ".repeat(10_000), "}".repeat(10_000));
    assert!(parse(&blocks).unwrap_err().message.contains("nested too deeply"));
    let chain = format!("program {{ run {{ let x = 1{} }} }}", " + 1".repeat(10_000));
    assert!(parse(&chain).unwrap_err().message.contains("too many operators"));
}

/// Declarations for the cases below.
const HEAD: &str = "program {
  symbol %N : 1..8
  input 0 rank 1
  output 0 rank 1
  buffer %x : f32[%N] input 0
  buffer %y : f32[%N] output 0
  buffer %t : i32[4] arena
  buffer %xa : f32[2] alias %x
";

#[test]
fn every_invariant_is_checked() {
    for (rest, expected) in [
        ("kernel @k (tiles = 1) { %x[0] = 1.0 }", "store to a read-only buffer"),
        ("kernel @k (tiles = 1) { %xa[0] = 1.0 }", "store to a read-only buffer"),
        ("kernel @k (tiles = 1) { %y[0] = 1 }", "the stored value is i64, not f32"),
        ("kernel @k (tiles = 1) { %y[0i32] = 1.0 }", "index of type i32"),
        ("kernel @k (tiles = 1) { %y[0] = 1.0 + %t[0] }", "+ of f32 and i32 as f32"),
        ("kernel @k (tiles = 1) { %y[0] = rem(1.0, 2.0) }", "rem is not defined on f32"),
        ("kernel @k (tiles = 1) { let a = sqrt(1) }", "sqrt is not defined on i64"),
        ("kernel @k (tiles = 1) { let a = f16(1.0) + f16(2.0) }", "+ is not defined on f16"),
        ("kernel @k (tiles = 1) { let a = true < false }", "< is not defined on bool"),
        ("kernel @k (tiles = 1) { let a = ptr(1) }", "pointers are not cast"),
        ("kernel @k (tiles = 1) { let a = bitcast_f32(1) }", "bitcast of i64 to f32"),
        ("kernel @k (tiles = 1) { let a = 1 a = 2 }", "assignment to an immutable variable"),
        ("kernel @k (tiles = 1) { var a = 1 a = 2.0 }", "a i64 variable is given a f32"),
        ("kernel @k (tiles = 1) { for i = 0 .. 4 step 0 { } }", "step 0 is not positive"),
        ("kernel @k (tiles = 1) { while 1 { } }", "the condition is i64, not bool"),
        ("kernel @k (tiles = 1) { check true else 0 value 1 }", "code 0 means no error"),
        ("kernel @k (tiles = 1) { @copy_bytes(1, null) }", "@copy_bytes takes 3 arguments, not 2"),
        ("kernel @k (tiles = 1) { @copy_bytes(1, null, 2) }", "argument 2 of @copy_bytes is ptr, not i64"),
        ("kernel @k (tiles = 1) { @nothing() }", "there is no function or micro-kernel @nothing"),
        ("kernel @k (tiles = 1) { let a = dim(0, 0) }", "input dims are only known in bind"),
        ("kernel @k (tiles = 1) { set %N = 1 }", "symbols are set in bind and run only"),
        ("kernel @k (tiles = 1) { arena_bytes = 1 }", "plan results are given in plan only"),
        ("kernel @k (tiles = dim(0, 0)) { }", "a size uses more than symbols"),
        ("kernel @k (tiles = 1i32) { }", "a size must be i64"),
        ("kernel @k (tiles = 1) { local $a : ptr[1] }", "pointers are not kept in memory"),
        ("kernel @k (tiles = 1) { let a = 1 let a = 2 }", "name \"a\" is declared twice"),
        ("kernel @k (tiles = 1) { let min = 1 }", "is a word of the language"),
        ("kernel @k (tiles = 1) { } kernel @k (tiles = 1) { }", "name \"k\" is declared twice"),
        ("kernel @copy_bytes (tiles = 1) { }", "@copy_bytes is the name of a micro-kernel"),
        ("fn @f(a: f32) -> f64 { return a }", "the returned value does not have the declared type"),
        ("fn @f(a: i32) { }", "i32 cannot be a parameter or result"),
        ("fn @f(a: i64) -> i64 { @f(a) return a }", "@f is not declared before this function"),
        ("fn @f() { let a = %x[0] }", "buffers are not known here"),
        ("fn @f() { let a = %N }", "symbols are not known here"),
        ("fn @f() { check true else 1 value 0 }", "no checks here"),
        ("bind { let a = %x[0] }", "buffers are not known here"),
        ("bind { let a = dim(1, 0) }", "no axis 0 of input 1"),
        ("bind { let a = dim(0, 1) }", "no axis 1 of input 0"),
        ("bind { @copy_bytes(1, null, null) }", "no calls here"),
        ("bind { let a = f16(1.0) }", "halves cannot be cast here"),
        ("plan { check true else 1 value 0 }", "no checks here"),
        ("plan { offset %x = 0 }", "only arena buffers have an offset"),
        ("plan { output_dim 0 3 = 1 }", "no axis 3 of output 0"),
        ("run { let a = tile }", "tile outside of a kernel"),
        ("buffer %z : f32[4] input 7", "input 7 has no rank"),
        ("buffer %z : f32[tile] arena", "a size uses more than symbols"),
        ("symbol %M : 5..4", "range 5..4 is not within 0..2^48"),
        ("buffer %z : f32[1] alias %y + %N run { set %N = 2 }", "the offset uses a symbol that the schedule sets"),
        ("buffer %z : f32[4] weight 0 + -4", "negative offset"),
    ] {
        let text = format!("{HEAD}{rest}\n}}");
        let program = parse(&text).unwrap_or_else(|e| panic!("{rest}: {e}"));
        let errors = verify(&program).expect_err(rest).to_string();
        assert!(errors.contains(expected), "{rest}: expected {expected:?} in {errors:?}");
    }
}
