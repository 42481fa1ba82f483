#!/bin/sh
# Whether models compile to the same bytes, and run to the same bits 20 times with 1, 2 and 3 threads.
# usage: tests/determinism.sh [--zoo] [ID ...]       options as tests/scripts/determinism.py has them
set -eu
cd "$(dirname "$0")/.."
python=$(tests/setup.sh)
cargo build --release
exec "$python" tests/scripts/determinism.py "$@"
