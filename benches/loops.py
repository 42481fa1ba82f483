#!/usr/bin/env python3
"""Loops of a thousand turns of small ops against onnxruntime on this machine.

usage: loops.py [--rounds N] [--seconds S]

Lathe and onnxruntime (all its optimisations on, one thread each) take turns, a few rounds of S seconds, so that what else
the machine does hits both. The figure is the median over rounds of each round's median; the floor is a third of
onnxruntime's time. Needs tests/setup.sh and a release build; exit status 1 if a floor is not held."""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import onnx.parser

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "scripts"))
import project  # noqa: E402  (these lie in the folder added above)
import tensors  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import floor  # noqa: E402

FASTER = 3.0
TURNS = 1000

# name: (text, inputs)
MODELS = {
    "loop, 6 elementwise ops on 16 floats": (
        """g (int64 n, float[16] x) => (float[16] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (n, go, x) <body = b (int64 i, bool c, float[16] acc) => (bool d, float[16] next) {
                f = Cast <to = 1> (i)
                a = Add(acc, f)
                t = Tanh(a)
                m = Mul(t, x)
                s = Sub(acc, m)
                next = Clip(s, low, high)
                low = Constant <value = float {-5.0}> ()
                high = Constant <value = float {5.0}> ()
                d = Identity(c)
            }>
        }""",
        [np.array(TURNS, np.int64), np.linspace(-1, 1, 16, dtype=np.float32)],
    ),
    "loop, early exit and stacked output": (
        """g (int64 n, float[16] x) => (float[16] y, float[K,16] all) {
            go = Constant <value = bool {1}> ()
            y, all = Loop (n, go, x) <body = b (int64 i, bool c, float[16] acc) => (bool d, float[16] next, float[16] row) {
                t = Tanh(acc)
                next = Add(t, x)
                row = Mul(next, next)
                m = ReduceMax <keepdims = 0> (row)
                d = Less(m, high)
                high = Constant <value = float {1e6}> ()
            }>
        }""",
        [np.array(TURNS, np.int64), np.linspace(-1, 1, 16, dtype=np.float32)],
    ),
    "scan, product of 32 by 32": (
        """g (float[1,32] h, float[N,32] x, float[32,32] w) => (float[1,32] last, float[N,1,32] all) {
            last, all = Scan <num_scan_inputs = 1, body = b (float[1,32] acc, float[32] row) => (float[1,32] next, float[1,32] out) {
                m = MatMul(acc, w)
                s = Add(m, row)
                next = Tanh(s)
                out = Identity(next)
            }> (h, x)
        }""",
        [
            np.zeros((1, 32), np.float32),
            np.sin(np.arange(TURNS * 32, dtype=np.float32)).reshape(TURNS, 32),
            np.cos(np.arange(32 * 32, dtype=np.float32)).reshape(32, 32) / 8,
        ],
    ),
}


def ordered(nodes):
    """Constants first: the text form may name them after their use."""
    constants = [node for node in nodes if node.op_type == "Constant"]
    others = [node for node in nodes if node.op_type != "Constant"]
    for node in others:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner = ordered(list(attribute.g.node))
                del attribute.g.node[:]
                attribute.g.node.extend(inner)
    return constants + others


def measure(folder, text, inputs, args):
    """Median milliseconds of Lathe and of onnxruntime."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    nodes = ordered(list(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, folder / "model.onnx")
    given = folder / "in"
    given.mkdir()
    tensors.write_all(given, "input", [(f"input_{index}", value) for index, value in enumerate(inputs)])
    artifact = folder / "model.lathe"
    command = [project.lathe(), "compile", folder / "model.onnx", "-o", artifact]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        project.stop(f"lathe compile: {done.stderr.strip()}")
    own, theirs = [], []
    for _ in range(args.rounds):
        own.append(floor.time_lathe(artifact, given, 1)["median_ms"])
        theirs.append(floor.time_onnxruntime(folder / "model.onnx", given, 1, args.seconds))
    return statistics.median(own), statistics.median(theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    held = True
    print(f"{TURNS} turns, one thread".ljust(40) + "  lathe ms  onnxruntime ms   times")
    for name, (text, inputs) in MODELS.items():
        with tempfile.TemporaryDirectory() as place:
            own, theirs = measure(pathlib.Path(place), text, inputs, args)
        held &= theirs >= FASTER * own
        print(f"{name:40} {own:9.3f} {theirs:15.3f} {theirs / own:7.1f}")
    sys.exit(not held)


if __name__ == "__main__":
    main()
