#!/bin/sh
# Random graphs: the evaluator against native code at each level of optimisation, and against onnxruntime.
# usage: tests/graphs.sh [COUNT] [SEED]     20000 graphs from seed 1 on without arguments; one graph for each seed
# What fails is made small and written to tests/graphs/found, which the tests run again; what differs from onnxruntime is
# kept in tests/.cache/graphs.
set -eu
cd "$(dirname "$0")/.."
python=$(tests/setup.sh)
count=${1:-20000}
seed=${2:-1}
folder=$(pwd)/tests/.cache/graphs
rm -rf "$folder"
status=0
# in pieces, so that the files of all graphs are never there at once
while [ "$count" -gt 0 ]; do
    piece=$((count < 2000 ? count : 2000))
    mkdir -p "$folder"
    LATHE_GRAPHS=$piece LATHE_GRAPHS_SEED=$seed LATHE_GRAPHS_DIR=$folder \
        cargo test --quiet --release --test graphs random_graphs -- --nocapture || status=1
    "$python" tests/scripts/graphs.py "$folder" || status=1
    count=$((count - piece))
    seed=$((seed + piece))
done
exit "$status"
