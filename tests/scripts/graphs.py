#!/usr/bin/env python3
"""Holds random graphs to onnxruntime.

usage: graphs.py DIR [--keep] [-v]

Every folder in DIR has model.onnx, input_N.pb, and what the evaluator gives: output_N.pb with tolerance_N.pb, the largest
difference for each element, NaN where anything goes. The folders come from the test `graphs` (tests/graphs.sh). A graph
that onnxruntime refuses (no kernel for the types, an axis of size 0, bfloat16 in Python) is counted. Exit status 1 if an
output differs; --keep leaves all folders, otherwise those that agree are deleted."""
import argparse
import collections
import concurrent.futures
import concurrent.futures.process
import pathlib
import shutil
import sys

import numpy as np
import onnx
import reference
from onnx import TensorProto, numpy_helper

# Room beside the tolerances, which are made for one rounding of each step: onnxruntime's float kernels approximate.
# Float attributes of ONNX are f32.
SLACK = {np.dtype("float16"): 2e-3, np.dtype("float32"): 2e-6, np.dtype("float64"): 1e-7}
# Types of one byte that numpy has by way of ml_dtypes.
NARROW = ("float8", "float6", "float4", "int4", "uint4", "int2", "uint2")


def read(path):
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


def difference(want, got, tolerance):
    """None, or how the outputs differ."""
    if want.shape != got.shape or want.dtype != got.dtype:
        return f"{got.dtype}{list(got.shape)} where {want.dtype}{list(want.shape)} is expected"
    loose = np.isnan(tolerance)
    if want.dtype.kind not in "fV" and want.dtype.name != "bfloat16":
        wrong = (want != got) & ~loose
    else:
        room = SLACK.get(want.dtype, 1.6e-2)
        want, got = want.astype(float), got.astype(float)
        with np.errstate(invalid="ignore"):
            near = np.abs(want - got) <= 2 * tolerance + room * np.maximum(np.abs(want), 1e-3)
        same = (want == got) | (np.isnan(want) & np.isnan(got))
        wrong = ~(near | same | loose)
    if not wrong.any():
        return None
    at = tuple(int(index) for index in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {want.size} elements, first {list(at)}: {got[at]}, expected {want[at]} within {tolerance[at]}"


def run(folder):
    """(verdict, what) of one graph."""
    try:
        session = reference.open_session(folder / "model.onnx")
        inputs = {value.name: read(folder / f"input_{index}.pb") for index, value in enumerate(session.get_inputs())}
        outputs = session.run(None, inputs)
    except Exception as error:  # onnxruntime has a type for each cause
        text = " ".join(str(error).split())
        missing = "NOT_IMPLEMENTED" in text or "Could not find an implementation" in text
        return ("no kernel" if missing else "refused"), text[:300]
    for index, got in enumerate(outputs):
        want = read(folder / f"output_{index}.pb")
        if want.dtype.name.startswith(NARROW) and got.dtype == np.uint8:
            got = got.view(want.dtype)  # numpy has no such type, so onnxruntime gives the bytes
        what = difference(want, got, read(folder / f"tolerance_{index}.pb"))
        if what:
            return "differs", f"output {index}: {what}"
    return "agrees", ""


def number(folder):
    """A graph, and after it its other form (N-form)."""
    seed, _, form = folder.name.partition("-")
    return int(seed), form


def run_all(folders):
    """(folder, verdict, what) for each, in a process of its own that onnxruntime may take along."""
    pool = concurrent.futures.ProcessPoolExecutor(1)
    for folder in folders:
        try:
            yield folder, *pool.submit(run, folder).result()
        except concurrent.futures.process.BrokenProcessPool:
            pool = concurrent.futures.ProcessPoolExecutor(1)
            yield folder, "crashed onnxruntime", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what was refused, too")
    args = parser.parse_args()
    counts = collections.Counter()
    for folder, verdict, what in run_all(sorted(args.folder.iterdir(), key=number)):
        counts[verdict] += 1
        if verdict == "differs" or args.verbose and verdict != "agrees":
            ops = " ".join(node.op_type for node in onnx.load(folder / "model.onnx").graph.node)
            print(f"{verdict} {folder.name}: {what}\n    {ops[:300]}", flush=True)
        if verdict != "differs" and not args.keep:
            shutil.rmtree(folder)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return 1 if counts["differs"] or not counts["agrees"] else 0


if __name__ == "__main__":
    sys.exit(main())
