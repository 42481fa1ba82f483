#!/usr/bin/env python3
"""Inputs for a model, the outputs that onnxruntime gives for them, and the comparison with Lathe's outputs.

usage: reference.py MODEL.onnx --out DIR [--entry LIST.json#ID] [--dim NAME=N ...] [--batch N] [--seed N]
       reference.py --compare DIR DIR2

Writes input_N.pb and output_N.pb in graph order, and reference.json (dimensions, seed, tolerance). The reference is
onnxruntime with its graph optimisations off, on one thread. --batch sets each symbolic dimension that leads an input.
--compare holds DIR2/output_N.pb to DIR/output_N.pb: exit status 0 within the tolerance, 1 not.

How an entry says what an input's values are (`normal` where it says nothing):
    value: v               this value everywhere
    normal: [mean, std]    normally distributed
    range: [low, high]     uniform, `high` left out (for integers too)
    rows: [[low, high]..]  uniform, a range for each index of the first axis
    page: [paper, ink]     an image with lines of letter-like strokes (text detectors find nothing in noise)
    hold: [n, ..]          beside normal or range: each value is repeated n times along the axis

Tolerances, by output:
    {max_rel: r}           max |difference| <= r * max |reference|
    {rtol: r, atol: a}     |difference| <= a + r * |reference|, element by element
    {cosine: c, argmax: p} the cosine of the angle is at least c, and the largest of the last axis is the same for a
                           share of at least p (for models that a change of the last bit moves visibly)
Shapes, element types, and where NaN and infinities stand are always equal; integers and booleans are equal."""
import argparse
import json
import pathlib
import sys
import zlib

import numpy as np
import project
import tensors

DEFAULT_TOLERANCE = {"max_rel": 1e-4}
DTYPES = {"float": "float32", "double": "float64"}  # where onnxruntime's name is not numpy's


def draw(name, dtype, shape, rule, seed):
    """An input's values; they depend on its name, the seed, its shape and its rule alone."""
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    if "value" in rule:
        return np.full(shape, rule["value"], dtype)
    if "page" in rule:
        return draw_page(generator, shape, *rule["page"]).astype(dtype)
    uniform = generator.uniform if np.dtype(dtype).kind == "f" else generator.integers
    if "rows" in rule:
        return np.stack([uniform(*bounds, shape[1:]) for bounds in rule["rows"]]).astype(dtype)
    hold = rule.get("hold", (1,) * len(shape))
    coarse = tuple(-(-size // times) for size, times in zip(shape, hold))
    if "range" in rule:
        values = uniform(*rule["range"], coarse)
    else:
        mean, std = rule.get("normal", (0, 1))
        values = mean + std * generator.standard_normal(coarse)
    for axis, times in enumerate(hold):
        values = np.repeat(values, times, axis) if times > 1 else values
    return np.asarray(values)[tuple(slice(size) for size in shape)].astype(dtype)


def draw_page(generator, shape, paper, ink):
    """Lines of strokes, 16 pixels high every 32; each stroke is 3 wide, one in five is a gap."""
    *_, height, width = shape
    image = np.full((height, width), paper, float)
    columns = -(-width // 3)
    for top in range(8, height - 20, 32):
        strokes = generator.integers(0, 2, (4, columns))
        strokes[:, generator.random(columns) < 0.2] = 0
        inked = np.kron(strokes, np.ones((4, 3), int))[:, :width]
        image[top : top + 16][inked == 1] = ink
    return np.broadcast_to(image, shape)


def rule_for(name, dtype):
    """A rule for an input of a model that no list describes."""
    if dtype.startswith("float"):
        return {"normal": [0, 1]}
    if "mask" in name:
        return {"value": 1}
    if "type" in name:
        return {"value": 0}
    return {"range": [0, 1000 if "ids" in name else 2]}


def open_session(model, optimised=False, threads=1):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def leading_symbols(session):
    """The symbolic dimensions that lead an input: the batch, by whatever name."""
    return {value.shape[0] for value in session.get_inputs() if value.shape and isinstance(value.shape[0], str)}


def draw_inputs(session, entry, dims, seed):
    """[(name, array)] in graph order. `dims` overrides the list's sizes; unknown names are an error."""
    described = {one["name"]: one for one in entry.get("inputs", [])}
    sizes = {**entry.get("dims", {}), **dims}
    symbols, inputs = set(), []
    for value in session.get_inputs():
        symbols.update(dim for dim in value.shape if isinstance(dim, str))
        element = value.type.removeprefix("tensor(").removesuffix(")")
        dtype = DTYPES.get(element, element)
        rule = described.get(value.name) or rule_for(value.name, dtype)
        listed = rule.get("shape", [None] * len(value.shape))
        shape = []
        for dim, size in zip(value.shape, listed):
            if isinstance(dim, str):
                size = dims[dim] if dim in dims else size or sizes.get(dim, 1)
            shape.append(dim if isinstance(dim, int) else 1 if size is None else size)
        inputs.append((value.name, draw(value.name, dtype, tuple(shape), rule, seed)))
    for name in dims:
        if name not in symbols:
            project.stop(f"no input has a dimension {name}; there are: {', '.join(sorted(symbols)) or 'none'}")
    return inputs


def make(model, out, entry=None, dims=None, batch=None, seed=0):
    """Writes a model's inputs, reference outputs and reference.json to the folder `out`."""
    entry, dims, out = entry or {}, dict(dims or {}), pathlib.Path(out)
    session = open_session(model)
    if batch is not None:
        dims.update(dict.fromkeys(leading_symbols(session), batch))
    if "stored" in entry and not dims:
        names = [value.name for value in session.get_inputs()]
        inputs = list(zip(names, tensors.read_all(project.ROOT / entry["stored"], "input")))
    else:
        inputs = draw_inputs(session, entry, dims, seed)
    outputs = session.run(None, dict(inputs))
    names = [value.name for value in session.get_outputs()]
    out.mkdir(parents=True, exist_ok=True)
    tensors.write_all(out, "input", inputs)
    tensors.write_all(out, "output", list(zip(names, outputs)))
    about = {"outputs": names, "dims": {**entry.get("dims", {}), **dims}, "seed": seed,
             "tolerance": entry.get("tolerance", DEFAULT_TOLERANCE)}
    (out / "reference.json").write_text(json.dumps(about, indent=1) + "\n")


def judge(want, got, tolerance):
    """(whether `got` passes, the measured error as text)."""
    if want.shape != got.shape or want.dtype != got.dtype:
        return False, f"{got.dtype}{list(got.shape)} where {want.dtype}{list(want.shape)} is expected"
    if want.size == 0:
        return True, "empty"
    if want.dtype.kind != "f":
        wrong = int(np.count_nonzero(want != got))
        return wrong == 0, f"{wrong} of {want.size} differ" if wrong else "equal"
    finite = np.isfinite(want)
    if not np.array_equal(want[~finite], got[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return False, "NaN or infinities stand elsewhere"
    want, got = want.astype(float), got.astype(float)
    difference, scale = np.abs(got[finite] - want[finite]), np.abs(want[finite])
    worst, largest = difference.max(initial=0), scale.max(initial=0)
    text = f"{worst / largest if largest else worst:.1e} of max"
    if "max_rel" in tolerance:
        return bool(worst <= tolerance["max_rel"] * largest), text
    if "rtol" in tolerance:
        allowed = tolerance["atol"] + tolerance["rtol"] * scale
        used = difference / np.where(allowed > 0, allowed, np.finfo(float).tiny)
        return bool((difference <= allowed).all()), f"{text}, {used.max(initial=0):.2g} of tolerance"
    norms = np.linalg.norm(want) * np.linalg.norm(got)
    cosine = float(np.vdot(want, got) / norms) if norms else float(np.array_equal(want, got))
    passed, text = cosine >= tolerance["cosine"], f"{text}, cosine {cosine:.6f}"
    if "argmax" in tolerance and want.ndim:
        same = float(np.mean(want.argmax(-1) == got.argmax(-1)))
        passed, text = passed and same >= tolerance["argmax"], f"{text}, same argmax {same:.0%}"
    return passed, text


def compare(reference, folder):
    """[(output's name, passed, measured error)] of a folder against a reference folder."""
    about = json.loads((pathlib.Path(reference) / "reference.json").read_text())
    wanted, found = tensors.read_all(reference, "output"), tensors.read_all(folder, "output")
    rows = []
    for index, name in enumerate(about["outputs"]):
        if index < len(found):
            rows.append((name, *judge(wanted[index], found[index], about["tolerance"])))
        else:
            rows.append((name, False, "no such output"))
    if len(found) > len(wanted):
        rows.append((f"output {len(wanted)}", False, "one output too many"))
    return rows


def parse_dims(items):
    dims = {}
    for item in items:
        name, _, size = item.rpartition("=")
        if not name or not size.isdigit():
            project.stop(f"--dim {item}: NAME=N is expected")
        dims[name] = int(size)
    return dims


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--entry", metavar="LIST.json#ID")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=N")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compare", nargs=2, metavar=("DIR", "DIR2"))
    args = parser.parse_args()
    if args.compare:
        rows = compare(*args.compare)
        for name, passed, text in rows:
            print(f"{'ok  ' if passed else 'FAIL'} {name[:40]:40} {text}")
        return 0 if all(passed for _, passed, _ in rows) else 1
    if not args.model or not args.out:
        parser.error("MODEL.onnx and --out, or --compare")
    entry = None
    if args.entry:
        path, _, name = args.entry.partition("#")
        entry = project.read_list(path, [name])[name]
    make(args.model, args.out, entry, parse_dims(args.dim), args.batch, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
