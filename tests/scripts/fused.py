#!/usr/bin/env python3
"""Holds the optimised models of the zoo to what their architecture says: every attention, norm and activation is one op.

usage: fused.py [ID ...]     exit status 1 if a model differs

The list of the zoo says under `fused` how many there are of each op (attention, those of them that are causal, norms,
activations, also as epilogues). Beside them nothing may be left of which such an op is made: no exponential, error
function, root, power or reciprocal. Two exports of one model must end with the same number of each op that computes;
what may differ is the preparation of masks and shapes. Weights do not matter: the files are filled with a repeated
handful of numbers."""
import argparse
import collections
import json
import lzma
import math
import pathlib
import re
import subprocess
import tempfile

import numpy as np
import onnx
import project
import zoo

# What norms, softmax and activations are made of.
PARTS = "exp log erf tanh sigmoid softmax sqrt recip pow square softplus".split()
# What computes; the rest moves elements or prepares masks.
COMPUTE = "matmul conv attention layer_norm rms_norm gelu gelu_tanh silu hardswish relu reduce_mean max_pool".split()
OP = re.compile(r"^ +%.* = (\w+)\((.*)$")
ACT = re.compile(r'act = "(\w+)"')


def fill(entry, folder):
    """The packed model with cheap weights."""
    packed = project.ZOO.parent / entry["file"]
    model = onnx.ModelProto.FromString(lzma.decompress(packed.read_bytes()))
    recipe = next(prop for prop in model.metadata_props if prop.key == zoo.WEIGHTS)
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    for weight in json.loads(recipe.value):
        # A size that no dimension is a multiple of, and other values for each weight.
        few = zoo.draw_weight(weight["name"], weight["dtype"], [1009], weight["mean"], weight["std"] or 1e-3, weight["nonneg"])
        size = math.prod(weight["dims"]) * len(few) // 1009
        initializers[weight["name"]].raw_data = np.resize(np.frombuffer(few, np.uint8), size).tobytes()
    path = pathlib.Path(folder) / f"{entry['id']}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def histogram(text):
    """How often each op occurs in IR text; an epilogue counts as the op it is."""
    found = collections.Counter()
    for line in text.splitlines():
        match = OP.match(line)
        if match is None:
            continue
        name, rest = match.groups()
        found[name] += 1
        found["causal"] += name == "attention" and "causal = true" in rest
        act = ACT.search(rest)
        if act is not None:
            found[act[1]] += 1
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    args = parser.parse_args()
    entries = project.read_list(project.ZOO, args.ids)
    found, wrong = {}, []
    for name, entry in entries.items():
        with tempfile.TemporaryDirectory() as folder:
            path = fill(entry, folder)
            text = subprocess.run([project.lathe(), "opt", path], check=True, capture_output=True, text=True).stdout
        ops = found[name] = histogram(text)
        want = entry["fused"]
        shown = ", ".join(f"{ops[op]} {op}" for op in want)
        wrong += [f"{name}: {ops[op]} {op}, the architecture has {count}" for op, count in want.items() if ops[op] != count]
        wrong += [f"{name}: {ops[op]} {op} left" for op in PARTS if ops[op] > want.get(op, 0)]
        print(f"{name:24} {shown}", flush=True)
    for name in found:
        other = found.get(f"{name}.traced")
        if other is not None:
            pairs = ((op, found[name][op], other[op]) for op in COMPUTE)
            wrong += [f"{name}: {a} {op} in one export, {b} in the other" for op, a, b in pairs if a != b]
    print("\n".join(wrong))
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
