#!/bin/sh
# Holds every model of the zoo to onnxruntime, also at other sizes from one artifact. Takes minutes and up to 2 GB of
# disk at a time (tests/.cache); usage: tests/zoo.sh [ID ...]
set -eu
cd "$(dirname "$0")/.."
python=$(tests/setup.sh)
cargo build --release
exec "$python" tests/scripts/match.py --zoo --sizes "$@"
