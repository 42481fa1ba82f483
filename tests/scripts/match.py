#!/usr/bin/env python3
"""Runs models through `lathe` and holds their outputs to onnxruntime's.

usage: match.py [ID ...]              trained models, fetched where missing (default: all of tests/models/models.json)
       match.py --zoo [ID ...]        models of tests/zoo, filled one at a time and deleted after
       match.py --file MODEL.onnx     any model; sizes by --dim NAME=N

Options: --sizes also compiles each zoo model, and each trained one that lists an "artifact", once with bounded dimensions
and runs that artifact at other sizes (text at 7 and 333 tokens, images at batch 3, or the shapes listed); --seeds N draws N inputs; --threads N; --minutes N, the limit for one command.
One line per case: the measured error, the seconds and the peak memory of the command. Exit status 1 if any differs."""
import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import models
import project
import reference
import zoo

TOKENS = (7, 333)  # of a text model, compiled for 1..512
IMAGES = 3  # of a vision model, compiled for 1..4
KINDS = {2: "usage", 3: "unsupported", 4: "invalid model", 5: "mismatch", 70: "bug in lathe"}


def apart(work, *arguments, **named):
    """Calls `work` in a process of its own. Linux counts the peak memory of whoever starts a command as the command's
    own, so this process stays small."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, *arguments, **named).result()


@dataclasses.dataclass
class Ran:
    """How one command ended."""
    status: int
    seconds: float
    mib: float
    message: str

    def trouble(self):
        """None, or what went wrong in a few words."""
        if self.status == 0:
            return None
        kind = f"signal {-self.status}" if self.status < 0 else KINDS.get(self.status, f"exit status {self.status}")
        return f"{kind}: {self.message}"


def run_lathe(arguments, minutes):
    """Runs the compiler's binary with a time limit; its peak memory is the kernel's figure."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen([project.lathe(), *map(str, arguments)], stdout=said, stderr=said)
        timer = threading.Timer(minutes * 60, child.kill)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    seconds = time.monotonic() - begin
    message = "time is up" if seconds > minutes * 60 else " | ".join(lines[:2])
    return Ran(child.returncode, seconds, usage.ru_maxrss / 1024, message)


class Table:
    """Prints a line per case and counts them."""

    def __init__(self):
        self.passed = self.failed = 0

    def row(self, model, case, good, text, ran=None):
        self.passed += good
        self.failed += not good
        cost = f"{ran.seconds:6.2f} s {ran.mib:6.0f} MiB" if ran else " " * 19
        print(f"{'ok  ' if good else 'FAIL'} {model:24} {case:22} {cost}  {text}", flush=True)

    def outputs(self, model, case, expected, got, ran):
        """A line for one run: the worst of its outputs speaks."""
        if trouble := ran.trouble():
            return self.row(model, case, False, trouble, ran)
        rows = apart(reference.compare, expected, got)
        bad = [f"{name}: {text}" for name, good, text in rows if not good]
        self.row(model, case, not bad, "; ".join(bad[:3]) or "; ".join(text for _, _, text in rows[:3]), ran)


def check(table, model, path, entry, args, folder, dims=None, artifact=None, seed=0, sizes=None):
    """One case: reference, run, compare. `folder` is emptied by the caller; `sizes` says what is special about it."""
    sizes = sizes or " ".join(f"{name}={size}" for name, size in (dims or {}).items()) or "as listed"
    case = f"{sizes}{f' seed {seed}' if seed else ''}{' .lathe' if artifact else ''}"
    expected, got = folder / "want", folder / "got"
    for old in (*expected.glob("*"), *got.glob("*")):
        old.unlink()
    got.mkdir(exist_ok=True)
    apart(reference.make, path, expected, entry, dims, seed=seed)
    command = ["run", artifact or path, "--input-dir", expected, "--output-dir", got]
    ran = run_lathe([*command, *args.options], args.minutes)
    table.outputs(model, case, expected, got, ran)


def check_sizes(table, model, path, entry, args, folder):
    """One artifact for a range of sizes, run at several of them."""
    batch, seq, listed = entry.get("batch", []), entry.get("seq", []), entry.get("artifact")
    if listed:
        bounds, cases = listed["bounds"], []
    elif seq:
        bounds = {**dict.fromkeys(entry["dims"], "1"), **dict.fromkeys(seq, "1..512")}
        cases = [dict.fromkeys(seq, tokens) for tokens in TOKENS]
    elif batch:
        bounds = dict.fromkeys(batch, "1..4")
        cases = [dict.fromkeys(batch, IMAGES)]
    else:
        return
    artifact = folder / "model.lathe"
    options = [word for name, bound in bounds.items() for word in ("--dim", f"{name}={bound}")]
    ran = run_lathe(["compile", path, *options, "-o", artifact], args.minutes)
    case = "compile " + " ".join(f"{name}={bound}" for name, bound in bounds.items() if ".." in bound)
    table.row(model, case, ran.status == 0, ran.trouble() or f"{artifact.stat().st_size / 2**20:.0f} MiB file", ran)
    if ran.status == 0:
        for dims in cases:
            check(table, model, path, entry, args, folder, dims, artifact)
        for shapes in listed["shapes"] if listed else ():
            inputs = [{**one, "shape": shapes[one["name"]]} for one in entry["inputs"]]
            sizes = " ".join("x".join(map(str, shape)) for shape in shapes.values())
            check(table, model, path, {**entry, "inputs": inputs}, args, folder, None, artifact, sizes=sizes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--zoo", action="store_true")
    parser.add_argument("--file", type=pathlib.Path)
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=N")
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    args.options = ["--threads", args.threads] if args.threads else []
    if not project.lathe().exists():
        project.stop(f"{project.lathe()} is not there: cargo build --release")
    dims = reference.parse_dims(args.dim)
    table = Table()
    if args.file:
        entries, missing = {args.file.stem: {}}, {}
    else:
        entries = project.read_list(project.ZOO if args.zoo else project.TRAINED, args.ids)
        missing = {} if args.zoo else models.ensure(entries.values())
    for name, entry in entries.items():
        if name in missing:
            table.row(name, "", False, f"not fetched: {missing[name]}")
            continue
        # beside the cache, not in a memory-backed /tmp: a filled model has up to 540 MB
        project.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="match-", dir=project.CACHE) as scratch:
            folder = pathlib.Path(scratch)
            path = args.file or (apart(zoo.fill_entry, entry, folder) if args.zoo else models.path_of(entry))
            for seed in range(args.seeds):
                check(table, name, path, entry, args, folder, dims, seed=seed)
            if args.sizes:
                check_sizes(table, name, path, entry, args, folder)
    print(f"{table.passed} passed, {table.failed} failed")
    return 1 if table.failed or not table.passed else 0


if __name__ == "__main__":
    sys.exit(main())
