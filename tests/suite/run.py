#!/usr/bin/env python3
"""Runs ONNX's own backend suite through `lathe run`.

usage: run.py [--filter REGEX] [--kind KIND] [--json FILE] [--jobs N] [--seconds N] [-v] [--const-inputs] [--dynamic]
              [--bless]

--const-inputs makes small inputs initializers. --dynamic makes every dimension of every input a symbol of its own (also
the length of a list of axes or sizes, which a model file would state), drops all other sizes that the model states, and
forbids lathe to specialise.

Verdicts: passed; wrong (ran, and a value, shape or type differs by the suite's own comparison); unsupported (lathe says
so); invalid (lathe takes the model for an invalid one); bug (lathe says so); crash (a signal); timeout; error (the rest).

tests/suite/passing.txt lists the cases that pass, and passing-dynamic.txt those that pass with --dynamic, one a line: a
listed case that no longer does fails the run, and --bless brings the list up to date. With --const-inputs as many cases
have to pass as passing.txt lists, all of those. tests/suite/differs.txt lists the cases whose wrong values are right, each
with its reason: any other wrong value fails the run. Exit status: 0 as listed, 1 not."""
import argparse
import collections
import concurrent.futures
import json
import math
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

import cases
import onnx
from onnx.backend.test.runner import Runner

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
import project  # noqa: E402  (it lies in the folder added above)

PASSING = pathlib.Path(__file__).with_name("passing.txt")
PASSING_DYNAMIC = PASSING.with_name("passing-dynamic.txt")
DIFFERS = PASSING.with_name("differs.txt")
MEMORY = 8 << 30
VERDICTS = {3: "unsupported", 4: "invalid", 70: "bug"}


def make_dynamic(model):
    """The same model without a stated size."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for number, value in enumerate(model.graph.input):
        if value.name in stored or value.type.WhichOneof("value") != "tensor_type":
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"size_{number}_{axis}"
    for value in model.graph.output:
        if value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    return model


def pin_inputs(place, model, target):
    """A copy of the model and of a data set, small inputs turned into initializers; gives the model's path."""
    pinned = onnx.ModelProto.FromString(model.SerializeToString())
    del pinned.graph.input[:]
    pinned.ir_version = max(pinned.ir_version, 4)  # from then on initializers need not be inputs
    stored = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in stored]
    for index, value in enumerate(given):
        message = (place / f"input_{index}.pb").read_bytes()
        if value.type.WhichOneof("value") == "tensor_type":
            tensor = onnx.TensorProto.FromString(message)
            if len(tensor.dims) <= 1 and math.prod(tensor.dims) <= 64 and tensor.data_type != onnx.TensorProto.STRING:
                tensor.name = value.name
                pinned.graph.initializer.append(tensor)
                continue
        (target / f"input_{len(pinned.graph.input)}.pb").write_bytes(message)
        pinned.graph.input.append(value)
    onnx.save(pinned, target / "model.onnx")
    return target / "model.onnx"


def read_differs(args):
    """Names of the cases whose wrong values are right in this mode; a mode may stand behind the name."""
    lines = (line.split(":", 1)[0] for line in DIFFERS.read_text().splitlines() if line and not line.startswith("#"))
    names = (line.split() for line in lines)
    return {name for name, *mode in names if not mode or mode == ["--dynamic"] and args.dynamic}


def run_set(folder, place, model, about, args):
    """(verdict, reason) of one data set."""
    seconds = args.seconds
    with tempfile.TemporaryDirectory() as out:
        path, inputs = folder / "model.onnx", place
        if args.const_inputs:
            inputs = pathlib.Path(out, "pinned")
            inputs.mkdir()
            path = pin_inputs(place, model, inputs)
        flags = ["--threads", "1"]
        if args.dynamic:
            dynamic = make_dynamic(onnx.load(path))
            path = pathlib.Path(out, "model.onnx")
            onnx.save(dynamic, path)
            flags.append("--dynamic")
        command = [project.lathe(), "run", path, "--input-dir", inputs, "--output-dir", out, *flags]
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return "timeout", f"more than {seconds:g} s"
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[:3])[:400]
        if done.returncode < 0:
            return "crash", f"signal {-done.returncode}: {said}"
        if done.returncode:
            return VERDICTS.get(done.returncode, "error"), said
        try:
            wanted = cases.read_values(place, "output", model.graph.output)
            found = cases.read_values(pathlib.Path(out), "output", model.graph.output)
            Runner.assert_similar_outputs(wanted, found, rtol=about["rtol"], atol=about["atol"])
        except Exception as error:  # numpy's comparison raises more than assertions
            return "wrong", " ".join(f"{type(error).__name__}: {error}".split())[:400]
    return "passed", ""


def run_case(folder, args):
    """The case's row: the verdict of its first data set that does not pass."""
    about = json.loads((folder / "case.json").read_text())
    model = onnx.load(folder / "model.onnx")
    verdict, reason = "passed", ""
    for place in sorted(folder.glob("set_*")):
        verdict, reason = run_set(folder, place, model, about, args)
        if verdict != "passed":
            break
    return {"case": f"{folder.parent.name}/{folder.name}", "class": about["class"], "opset": about["opset"],
            "verdict": verdict, "reason": reason}


def print_counts(rows, key, title):
    """A line for each value of `key`: how many cases have which verdict."""
    groups = collections.defaultdict(collections.Counter)
    for row in rows:
        groups[key(row)][row["verdict"]] += 1
    print(f"\n{title}")
    for name, counts in sorted(groups.items(), key=lambda group: -group[1].total()):
        rest = ", ".join(f"{verdict} {count}" for verdict, count in counts.most_common() if verdict != "passed")
        share = counts["passed"] / counts.total()
        print(f"  {name:26} {counts['passed']:5} of {counts.total():5} passed {share:6.1%}   {rest}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", metavar="REGEX")
    parser.add_argument("--kind", choices=cases.KINDS)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=60, help="limit for one run")
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--const-inputs", action="store_true")
    parser.add_argument("--bless", action="store_true")
    parser.add_argument("-v", action="store_true", help="print each case that does not pass")
    args = parser.parse_args()
    if not project.lathe().exists():
        project.stop(f"{project.lathe()} is not there: cargo build --release")
    if args.bless and (args.filter or args.kind or args.const_inputs):
        project.stop("--bless needs a run of all cases, as they are or with --dynamic")
    if args.const_inputs and args.dynamic:
        project.stop("--const-inputs and --dynamic are two modes")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))  # what is started inherits it
    folders = [
        folder
        for folder in cases.write_all(project.CACHE / "suite")
        if re.search(args.filter, folder.name) and args.kind in (None, folder.parent.name)
    ]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for row in pool.map(lambda folder: run_case(folder, args), folders):
            rows.append(row)
            if args.v and row["verdict"] != "passed":
                print(f"{row['verdict']:12} {row['case']}: {row['reason'][:200]}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=0) + "\n")

    print_counts(rows, lambda row: row["class"], "by class")
    print_counts(rows, lambda row: row["case"].split("/")[0], "by kind")
    passed = {row["case"] for row in rows if row["verdict"] == "passed"}
    passing = PASSING_DYNAMIC if args.dynamic else PASSING
    listed = set(passing.read_text().split()) if passing.exists() else set()
    lost = [row for row in rows if row["case"] in listed - passed]
    gone = listed - {row["case"] for row in rows} if not (args.filter or args.kind) else set()
    differs = read_differs(args)
    wrong = [row for row in rows if row["verdict"] == "wrong" and row["case"] not in differs]
    if args.bless:
        passing.write_text("".join(f"{case}\n" for case in sorted(passed)))
        print(f"\n{passing.name}: {len(passed - listed)} added, {len(listed - passed)} taken out")
        lost, gone = [], set()
    for row in lost:
        print(f"\nno longer passes: {row['case']}: {row['verdict']}: {row['reason']}")
    for row in wrong:
        print(f"\nwrong value: {row['case']}: {row['reason']}")
    for case in sorted(differs & passed):
        print(f"\npasses, but tests/suite/differs.txt lists it: {case}")
    for case in sorted(gone):
        print(f"\nlisted, but the suite has no such case: {case}")
    if passed - listed and not args.bless:
        print(f"\n{len(passed - listed)} more pass than tests/suite/{passing.name} lists; --bless adds them")
    print(f"\n{len(passed)} of {len(rows)} cases pass; {len(listed & passed)} listed ones do, {len(lost) + len(gone)} do not")
    return 1 if lost or gone or wrong or differs & passed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
