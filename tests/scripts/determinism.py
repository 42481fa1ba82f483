#!/usr/bin/env python3
"""Whether models compile to the same bytes and run to the same bits.

usage: determinism.py [ID ...]            trained models, fetched where missing (default: all of the list)
       determinism.py --zoo [ID ...]      models of tests/zoo, filled one at a time and deleted after
Options: --runs N (20), --threads N ... (1 2 3)

Each model is compiled twice in processes of their own; the two .lathe files are compared byte by byte. One of them is run
N times with each number of threads on the same inputs; all outputs have to be equal bit by bit. Exit status 1 if any
differs."""
import argparse
import hashlib
import json
import pathlib
import sys
import tempfile

import match
import models
import project
import reference
import zoo


def digest(paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()


def check(table, name, path, entry, args, folder):
    want = folder / "want"
    match.apart(reference.make, path, want, entry, {}, seed=0)
    dims = reference_dims(want)
    options = [word for dim, size in dims.items() for word in ("--dim", f"{dim}={size}")]
    artifacts = [folder / "one.lathe", folder / "two.lathe"]
    for artifact in artifacts:
        ran = match.run_lathe(["compile", path, *options, "-o", artifact], args.minutes)
        if ran.status:
            return table.row(name, "compile", False, ran.trouble(), ran)
    same = artifacts[0].read_bytes() == artifacts[1].read_bytes()
    table.row(name, "two compiles", same, "equal bytes" if same else "the files differ", ran)
    artifacts[1].unlink()
    seen = {}
    for threads in args.threads:
        for _ in range(args.runs):
            got = folder / "got"
            got.mkdir(exist_ok=True)
            command = ["run", artifacts[0], "--input-dir", want, "--output-dir", got, "--threads", threads]
            ran = match.run_lathe(command, args.minutes)
            if ran.status:
                return table.row(name, f"{threads} threads", False, ran.trouble(), ran)
            seen.setdefault(digest(got.glob("output_*.pb")), []).append(threads)
    text = "equal bits" if len(seen) == 1 else f"{len(seen)} different outputs"
    threads = ", ".join(map(str, args.threads))
    table.row(name, f"{args.runs} x {threads} threads", len(seen) == 1, text, ran)


def reference_dims(folder):
    return json.loads((folder / "reference.json").read_text())["dims"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--zoo", action="store_true")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    if not project.lathe().exists():
        project.stop(f"{project.lathe()} is not there: cargo build --release")
    table = match.Table()
    entries = project.read_list(project.ZOO if args.zoo else project.TRAINED, args.ids)
    missing = {} if args.zoo else models.ensure(entries.values())
    project.CACHE.mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        if name in missing:
            table.row(name, "", False, f"not fetched: {missing[name]}")
            continue
        with tempfile.TemporaryDirectory(prefix="determinism-", dir=project.CACHE) as scratch:
            folder = pathlib.Path(scratch)
            path = match.apart(zoo.fill_entry, entry, folder) if args.zoo else models.path_of(entry)
            check(table, name, path, entry, args, folder)
    print(f"{table.passed} passed, {table.failed} failed")
    return 1 if table.failed or not table.passed else 0


if __name__ == "__main__":
    sys.exit(main())
