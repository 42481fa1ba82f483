#!/bin/sh
# Runs ONNX's own backend suite (2,033 cases, taken from the installed onnx package) through `lathe run`.
# usage: tests/suite.sh [options of tests/suite/run.py]
set -eu
cd "$(dirname "$0")/.."
python=$(tests/setup.sh)
cargo build --release
exec "$python" tests/suite/run.py "$@"
