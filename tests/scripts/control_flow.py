#!/usr/bin/env python3
"""Runs models with If, Loop, Scan and sequences through `lathe run` and holds their outputs to onnxruntime's.

usage: control_flow.py [NAME ...] [--export]

The models are below, in the text form of the onnx package. Inputs are not specialised (`--dynamic`), so that what the
data decide is decided while the program runs. With --export the models are optimised and written as ONNX first, and
onnxruntime runs both. One line per model that differs, and a count; exit status 1 if any does."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import project
import tensors

YES, NO = np.array(True), np.array(False)


def i64(*values):
    return np.array(values, dtype=np.int64)


def n(value):
    return np.array(value, dtype=np.int64)


def ramp(*shape):
    count = int(np.prod(shape))
    return (np.arange(count, dtype=np.float32) * 0.25 - 1.0).reshape(shape)


# name: (text, sets of inputs, further options). A set may end in a message that the run must fail with.
MODELS = {
    "if_captures": (
        """g (bool c, float[2,3] x, float[2,3] z) => (float[2,3] y) {
            r = Relu(x)
            y = If (c) <then_branch = t () => (float[2,3] a) { b = Add(r, z) a = Neg(b) },
                        else_branch = e () => (float[2,3] a) { a = Mul(x, z) }>
        }""",
        [[YES, ramp(2, 3), ramp(2, 3)], [NO, ramp(2, 3), ramp(2, 3)]],
    ),
    "if_other_dims": (
        """g (bool c, float[N] x) => (float[M] y, int64[1] s, float z) {
            y = If (c) <then_branch = t () => (float[M] a) { a = Concat <axis = 0> (x, x) },
                        else_branch = e () => (float[M] a) { a = Neg(x) }>
            s = Shape(y)
            z = ReduceSum <keepdims = 0> (y)
        }""",
        [[YES, ramp(3)], [NO, ramp(3)], [YES, ramp(1)]],
    ),
    "if_vector_condition": (
        """g (float[N] x) => (float[N] y) {
            zero = Constant <value = float {0.0}> ()
            m = ReduceMax <keepdims = 1> (x)
            c = Greater(m, zero)
            y = If (c) <then_branch = t () => (float[N] a) { a = Identity(x) },
                        else_branch = e () => (float[N] a) { a = Neg(x) }>
        }""",
        [[ramp(3)], [ramp(9)]],
    ),
    "if_in_if": (
        """g (bool c, bool d, float[2] x) => (float[2] y, float[2] z) {
            y, z = If (c) <
                then_branch = t () => (float[2] a, float[2] b) {
                    a = If (d) <then_branch = t2 () => (float[2] p) { p = Neg(x) },
                                else_branch = e2 () => (float[2] p) { p = Exp(x) }>
                    b = Add(a, x)
                },
                else_branch = e () => (float[2] a, float[2] b) { a = Identity(x) b = Identity(x) }>
        }""",
        [[c, d, ramp(2)] for c in (YES, NO) for d in (YES, NO)],
    ),
    "if_untyped_branch": (
        """g (bool c, float[2,3] x, float[M] w) => (float[2,3] y) {
            y = If (c) <then_branch = t () => (float[2,3] a) { a = Add(x, w) },
                        else_branch = e () => (float[2,3] a) { a = Neg(x) }>
        }""",
        [[NO, ramp(2, 3), ramp(4)], [YES, ramp(2, 3), ramp(4), "reached a branch that could not be compiled"]],
        "--dim",
        "M=4",
    ),
    "loop_accumulates": (
        """g (int64 n, float[2] x) => (float[2] y, float[K,2] all) {
            go = Constant <value = bool {1}> ()
            y, all = Loop (n, go, x) <body = b (int64 i, bool c, float[2] acc) => (bool d, float[2] next, float[2] row) {
                f = Cast <to = 1> (i)
                next = Add(acc, f)
                row = Mul(next, next)
                d = Identity(c)
            }>
        }""",
        [[n(0), ramp(2)], [n(1), ramp(2)], [n(7), ramp(2)], [n(-2), ramp(2)]],
    ),
    "loop_ends_early": (
        """g (int64 n, bool go, float[1] x) => (float[1] y, float[K,1] all) {
            y, all = Loop (n, go, x) <body = b (int64 i, bool c, float[1] acc) => (bool d, float[1] next, float[1] row) {
                half = Constant <value = float {0.5}> ()
                next = Mul(acc, half)
                one = Constant <value = float[1] {1.0}> ()
                d = Greater(next, one)
                row = Identity(acc)
            }>
        }""",
        [
            [n(9), YES, np.array([100.0], np.float32)],
            [n(3), YES, np.array([100.0], np.float32)],
            [n(9), NO, np.array([100.0], np.float32)],
            [n(9), YES, np.array([1.0], np.float32)],
        ],
    ),
    "loop_without_count": (
        """g (float[1] x) => (float[1] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (, go, x) <body = b (int64 i, bool c, float[1] acc) => (bool d, float[1] next) {
                half = Constant <value = float {0.5}> ()
                next = Mul(acc, half)
                one = Constant <value = float[1] {1.0}> ()
                d = Greater(next, one)
            }>
        }""",
        [[np.array([100.0], np.float32)], [np.array([0.5], np.float32)]],
    ),
    "loop_without_end": (
        """g (float[1] x) => (float[1] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (, go, x) <body = b (int64 i, bool c, float[1] acc) => (bool d, float[1] next) {
                next = Identity(acc)
                d = Identity(c)
            }>
        }""",
        [[ramp(1), "loop does not end"]],
    ),
    "loop_indexes_outer": (
        """g (float[N,3] x, float[3] h) => (float[3] y, float[N,3] all) {
            s = Shape(x)
            zero = Constant <value = int64 {0}> ()
            n = Gather(s, zero)
            y, all = Loop (n, , h) <body = b (int64 i, bool c, float[3] acc) => (bool d, float[3] next, float[3] row) {
                part = Gather(x, i)
                sum = Add(acc, part)
                next = Tanh(sum)
                row = Identity(next)
                d = Identity(c)
            }>
        }""",
        [[ramp(1, 3), ramp(3)], [ramp(5, 3), ramp(3)]],
    ),
    "loop_concatenates": (
        """g (int64 n, float[1] x) => (float[K] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (n, go, x) <body = b (int64 i, bool c, float[L] acc) => (bool d, float[M] next) {
                last = Constant <value = int64[1] {-1}> ()
                tail = Gather(acc, last)
                one = Constant <value = float {1.0}> ()
                more = Add(tail, one)
                next = Concat <axis = 0> (acc, more)
                d = Identity(c)
            }>
        }""",
        [[n(0), ramp(1)], [n(5), ramp(1)]],
    ),
    "loop_swaps": (
        """g (int64 n, int64[2] a, int64[2] b) => (int64[2] x, int64[2] y, int64[2] z) {
            go = Constant <value = bool {1}> ()
            x, y, z = Loop (n, go, a, b, a) <body = l (int64 i, bool c, int64[2] p, int64[2] q, int64[2] r) => (bool d, int64[2] s, int64[2] t, int64[2] u) {
                s = Identity(q)
                t = Add(p, q)
                u = Identity(p)
                d = Identity(c)
            }>
        }""",
        [[n(k), i64(0, 2), i64(1, 3)] for k in (0, 1, 2, 9)],
    ),
    "loop_in_loop": (
        """g (int64 n, float[2] x) => (float[2] y, float[K,2] all) {
            go = Constant <value = bool {1}> ()
            y, all = Loop (n, go, x) <body = b (int64 i, bool c, float[2] acc) => (bool d, float[2] next, float[2] row) {
                next, rows = Loop (i, c, acc) <body = b2 (int64 j, bool e, float[2] inner) => (bool f, float[2] more, float[2] one) {
                    sum = Add(i, j)
                    g2 = Cast <to = 1> (sum)
                    more = Add(inner, g2)
                    one = Identity(more)
                    f = Identity(e)
                }>
                row = ReduceSum <keepdims = 0> (rows, axes)
                d = Identity(c)
            }>
            axes = Constant <value = int64[1] {0}> ()
        }""",
        [[n(0), ramp(2)], [n(4), ramp(2)]],
    ),
    "loop_with_if": (
        """g (int64 n, float[2] x) => (float[2] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (n, go, x) <body = b (int64 i, bool c, float[2] acc) => (bool d, float[2] next) {
                two = Constant <value = int64 {2}> ()
                rest = Mod(i, two)
                zero = Constant <value = int64 {0}> ()
                even = Equal(rest, zero)
                next = If (even) <then_branch = t () => (float[2] a) { a = Add(acc, x) },
                                  else_branch = e () => (float[2] a) { a = Neg(acc) }>
                d = Identity(c)
            }>
        }""",
        [[n(k), ramp(2)] for k in (0, 1, 2, 5)],
    ),
    "loop_multiplies": (
        """g (int64 n, float[2,8] x, float[8,8] w) => (float[2,8] y) {
            go = Constant <value = bool {1}> ()
            y = Loop (n, go, x) <body = b (int64 i, bool c, float[2,8] acc) => (bool d, float[2,8] next) {
                t = Transpose <perm = [1, 0]> (w)
                m = MatMul(acc, t)
                next = Tanh(m)
                d = Identity(c)
            }>
        }""",
        [[n(3), ramp(2, 8), ramp(8, 8) / 8]],
    ),
    "sequence_in_loop": (
        """g (int64 n, float[2,2] x) => (float[K,2] y, float[2,M] z, int64 count) {
            go = Constant <value = bool {1}> ()
            empty = SequenceEmpty <dtype = 1> ()
            s = Loop (n, go, empty) <body = b (int64 i, bool c, seq(float[2,2]) acc) => (bool d, seq(float[2,2]) next) {
                f = Cast <to = 1> (i)
                item = Add(x, f)
                next = SequenceInsert(acc, item)
                d = Identity(c)
            }>
            y = ConcatFromSequence <axis = 0> (s)
            z = ConcatFromSequence <axis = 1> (s)
            count = SequenceLength(s)
        }""",
        [[n(1), ramp(2, 2)], [n(4), ramp(2, 2)]],
    ),
    "sequence_chosen_at_run_time": (
        """g (int64 k, float[2,3] x) => (float[1,3] y) {
            s = SplitToSequence <axis = 0> (x)
            y = SequenceAt(s, k)
        }""",
        [[n(0), ramp(2, 3)], [n(-1), ramp(2, 3)], [n(2), ramp(2, 3), "index out of range"]],
    ),
    "scan_sums": (
        """g (float[2] s, float[N,2] x) => (float[2] last, float[N,2] all) {
            last, all = Scan <num_scan_inputs = 1, body = b (float[2] acc, float[2] row) => (float[2] next, float[2] out) {
                next = Add(acc, row)
                out = Identity(next)
            }> (s, x)
        }""",
        [[ramp(2), ramp(1, 2)], [ramp(2), ramp(6, 2)]],
    ),
    "scan_backwards_and_sideways": (
        """g (float[2] s, float[2,N] x, float[N] z) => (float[2] last, float[2,N] all, float[N,2] rest) {
            last, all, rest = Scan <num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [1, 0],
                scan_output_axes = [1, 0], scan_output_directions = [0, 1],
                body = b (float[2] acc, float[2] row, float k) => (float[2] next, float[2] out, float[2] other) {
                scaled = Mul(row, k)
                next = Add(acc, scaled)
                out = Identity(next)
                other = Neg(next)
            }> (s, x, z)
        }""",
        [[ramp(2), ramp(2, 5), ramp(5)]],
    ),
}


def run_lathe(folder, inputs, options):
    given = folder / "in"
    given.mkdir(exist_ok=True)
    for old in given.iterdir():
        old.unlink()
    tensors.write_all(given, "input", [(f"input_{index}", value) for index, value in enumerate(inputs)])
    out = folder / "out"
    command = [project.lathe(), "run", folder / "model.onnx", "--dynamic", "--input-dir", given, "--output-dir", out]
    command += options
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120), out


def differs(wanted, found):
    """What is different, if anything."""
    for index, (want, got) in enumerate(zip(wanted, found)):
        if want.shape != got.shape or want.dtype != got.dtype:
            return f"output {index} is {got.dtype}{list(got.shape)}, not {want.dtype}{list(want.shape)}"
        if not np.allclose(want, got, rtol=1e-5, atol=1e-6):
            return f"output {index} is {got.ravel()[:8]}, not {want.ravel()[:8]}"
    return None if len(wanted) == len(found) else f"{len(found)} outputs, not {len(wanted)}"


def check(name, export):
    """Troubles of one model."""
    text, sets, *options = MODELS[name]
    if export and options:
        return  # ONNX has no form for a branch that is known to fail
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    others = [node for node in model.graph.node if node.op_type != "Constant"]
    del model.graph.node[:]
    model.graph.node.extend(constants + others)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        onnx.save(model, folder / "model.onnx")
        if export:
            command = [project.lathe(), "opt", folder / "model.onnx", "-o", folder / "out.onnx"]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if done.returncode:
                yield done.stderr.strip()
                return
            onnx.checker.check_model(str(folder / "out.onnx"))
            written = onnxruntime.InferenceSession(str(folder / "out.onnx"), providers=["CPUExecutionProvider"])
        for inputs in sets:
            message = inputs[-1] if isinstance(inputs[-1], str) else None
            inputs = [value for value in inputs if not isinstance(value, str)]
            if export:
                if not message:
                    feed = dict(zip(names, inputs))
                    yield differs(session.run(None, feed), written.run(None, feed))
                continue
            done, out = run_lathe(folder, inputs, options)
            if message:
                yield None if message in done.stderr else f"must fail with {message!r}: {done.stderr.strip()}"
            elif done.returncode:
                yield f"exit status {done.returncode}: {done.stderr.strip()}"
            else:
                yield differs(session.run(None, dict(zip(names, inputs))), tensors.read_all(out, "output"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--export", action="store_true")
    args = parser.parse_args()
    bad = 0
    for name in args.names or MODELS:
        found = [trouble for trouble in check(name, args.export) if trouble]
        bad += bool(found)
        for trouble in found:
            print(f"{name}: {trouble}")
    print(f"{len(args.names or MODELS) - bad} of {len(args.names or MODELS)} models as onnxruntime has them")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
