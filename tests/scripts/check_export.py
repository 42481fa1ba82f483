#!/usr/bin/env python3
"""Runs models that Lathe wrote as ONNX through onnxruntime.

usage: check_export.py [ID ...]          trained models, fetched where missing (default: all of tests/models/models.json)
       check_export.py --zoo [ID ...]    models of tests/zoo, filled one at a time and deleted after
       check_export.py --file MODEL      any model; sizes by --dim NAME=N
       check_export.py --cases DIR       folders of model.onnx and test_data_set_0, such as the test `write_cases` of
                                         compiler/tests/export.rs writes

Models go through `lathe opt -o out.onnx`, with --passes A,B for those passes only (`--passes ""` for none), and
onnxruntime runs what comes out beside the original. Cases say what their outputs are. Every model is also held to
onnx.checker. One line per model, for cases one per trouble and a count. Exit status 1 if any differs, is refused by the
checker, or by onnxruntime for another reason than the limits listed here; what Lathe does not support yet is skipped."""
import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile

import models
import onnx
import project
import reference
import tensors
import zoo

# What onnxruntime 1.32 refuses and ONNX allows, by words of its message.
LIMITS = (
    "Could not find an implementation",  # an element type without a kernel
    "data type is not supported with",
    "pool_attributes.h",  # pads of a dilated window that are longer than its number of taps
    "output_padding",  # of a transposed convolution, from the larger of stride and dilation on
    "Pad reflect",  # by more than an axis has
    "mode only support",  # resizing axes other than the last two
)
# Of one op: f16 within its last bit, f32 within a few.
CASE = {"float16": {"rtol": 2e-3, "atol": 1e-3}, "float32": {"rtol": 1e-5, "atol": 1e-5}}


def run(model, inputs):
    """Outputs of onnxruntime, with its optimisations off, for inputs in graph order."""
    session = reference.open_session(model)
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs)))


def check_case(folder, bf16):
    """(kind of trouble, text), or None if all is well."""
    if (folder / "refused.txt").exists():
        return "refused", (folder / "refused.txt").read_text().splitlines()[0]
    try:
        onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    except Exception as error:
        # Of pools with ceil_mode it counts windows that start in the padding, which ONNX's text and engines do not.
        if "Inferred shape and existing shape differ" not in str(error):
            return "invalid", " ".join(str(error).split())[:300]
    data = folder / "test_data_set_0"
    try:
        got = run(folder / "model.onnx", tensors.read_all(data, "input"))
    except Exception as error:
        text = " ".join(str(error).split())
        return "beyond onnxruntime" if any(words in text for words in LIMITS) else "not run", text[:400]
    wanted = tensors.read_all(data, "output")
    if len(got) != len(wanted):
        return "differs", f"{len(got)} outputs instead of {len(wanted)}"
    for index, (want, have) in enumerate(zip(wanted, got)):
        tolerance = CASE.get(str(want.dtype), CASE["float32"])
        passed, text = reference.judge(want, have, {"rtol": 1.6e-2, "atol": 1e-2} if bf16 else tolerance)
        if not passed:
            return "differs", f"output {index}: {text}"
    return None


def check_cases(folder):
    counts = collections.Counter()
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        trouble = check_case(case, "bf16" in (case / "model.ir").read_text())
        counts[trouble[0] if trouble else "equal"] += 1
        if trouble:
            print(f"{trouble[0]:18} {case.name:24} {trouble[1]}", flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return not any(counts[kind] for kind in ("differs", "invalid", "not run"))


def check_model(name, path, args, folder, entry=None, dims=None):
    written = folder / "out.onnx"
    command = [project.lathe(), "opt", path, "-o", written]
    if args.passes is not None:
        command += ["--passes", args.passes]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ran.returncode:
        unsupported = ran.returncode == 3
        said = " | ".join(ran.stderr.strip().splitlines()[:2])
        print(f"{'skip' if unsupported else 'FAIL'} {name:24} {said}", flush=True)
        return unsupported
    try:
        reference.make(path, folder / "want", entry, dims)
        onnx.checker.check_model(str(written), full_check=True)
        outputs = run(written, tensors.read_all(folder / "want", "input"))
    except Exception as error:
        print(f"FAIL {name:24} {' '.join(str(error).split())[:300]}", flush=True)
        return False
    (folder / "got").mkdir(exist_ok=True)
    tensors.write_all(folder / "got", "output", [("", output) for output in outputs])
    rows = reference.compare(folder / "want", folder / "got")
    good = all(passed for _, passed, _ in rows)
    text = "; ".join(text for _, passed, text in rows if passed == good)
    nodes = [len(onnx.load(str(one), load_external_data=False).graph.node) for one in (path, written)]
    print(f"{'ok  ' if good else 'FAIL'} {name:24} {nodes[0]} -> {nodes[1]} nodes  {text[:200]}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--zoo", action="store_true")
    parser.add_argument("--cases", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--file", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=N")
    parser.add_argument("--passes", metavar="A,B")
    args = parser.parse_args()
    if args.cases:
        return 0 if check_cases(args.cases) else 1
    dims = reference.parse_dims(args.dim)
    if args.file:
        entries, missing = {args.file.stem: {}}, {}
    else:
        entries = project.read_list(project.ZOO if args.zoo else project.TRAINED, args.ids)
        missing = {} if args.zoo else models.ensure(entries.values())
    good = True
    for name, entry in entries.items():
        if name in missing:
            print(f"FAIL {name:24} not fetched: {missing[name]}", flush=True)
            good = False
            continue
        # beside the cache, not in a memory-backed /tmp: a filled model has up to 540 MB
        project.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="export-", dir=project.CACHE) as scratch:
            folder = pathlib.Path(scratch)
            path = args.file or (zoo.fill_entry(entry, folder) if args.zoo else models.path_of(entry))
            good &= check_model(name, path, args, folder, entry, dims)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
