#!/bin/sh
# Coverage-guided fuzzing on stable Rust: inputs are mutated, and those that reach new code are kept to be mutated further.
# usage: tests/fuzz.sh [SECONDS] [TARGET]   300 seconds and `onnx` without arguments
#   onnx  a model file: decode, import, verify, print and parse, passes, plan
#   ir    a text of the IR: parse, verify, print and parse, passes, plan
#   loop  a text of the loop IR: parse, verify, print and parse
# What fails (a panic, more than 10 s, more than 1 GiB beyond the file) is made smaller and written to tests/fuzz/found,
# which the tests replay. Inputs kept lie in the target folder, under fuzz/corpus: the next run goes on from there.
# Exit status: 0 nothing failed, 1 something did.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flags do not reach build scripts and procedural macros, which have no use for counters. The binary
# `lathe`, which cargo builds beside the tests, has no one to announce its counters to; it is not run.
RUSTFLAGS="-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=3 -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C link-arg=-Wl,--warn-unresolved-symbols" \
    cargo test --release --target "$host" --target-dir "$target/fuzz" --test fuzz -- \
    fuzz "${2:-onnx}" "${1:-300}" "$(mkdir -p "$target/fuzz/corpus" && cd "$target/fuzz/corpus" && pwd)"
