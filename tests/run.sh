#!/bin/sh
# All tests. Needs Rust; gets the rest itself (tests/setup.sh): a C compiler, a Python environment with onnxruntime to
# compare with, and trained models, which are fetched once and verified.
set -eu
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "what the tests need"
python=$(tests/setup.sh)

step "format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --release --quiet -- --deny warnings

step "cargo test"
# builds the binary too, with the same features as the tests: nothing is built twice
INSTA_UPDATE=no cargo test --workspace --release

step "trained models against onnxruntime"
"$python" tests/scripts/match.py --sizes digits magika oww_melspectrogram oww_embedding ppocr_v4_det ppocr_v2_cls \
    dnsmos_sig_bak_ovr

step "small models of the zoo, at several sizes"
"$python" tests/scripts/match.py --zoo --sizes mobilenet_v2 deit_tiny.traced whisper_tiny_enc minilm minilm.traced

step "what the passes must find in them"
"$python" tests/scripts/fused.py

step "branches, loops, scans and sequences against onnxruntime"
"$python" tests/scripts/control_flow.py
"$python" tests/scripts/control_flow.py --export

step "optimised models written as ONNX, in onnxruntime"
"$python" tests/scripts/check_export.py digits magika ppocr_v4_det

step "random graphs against onnxruntime"
tests/graphs.sh 500

step "ONNX's backend suite"
"$python" tests/suite/run.py
