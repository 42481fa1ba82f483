#!/usr/bin/env python3
"""Speed and compile time against onnxruntime on this machine, with the floors that the project holds itself to.

usage: floor.py [--rounds N] [--seconds S] [--threads N ...] [--compile | --speed] [ID ...]

Speed: each model of the zoo is compiled once; then Lathe and onnxruntime (all its optimisations on) take turns, a few
rounds of S seconds each, so that what else the machine does hits both. The figure is the median over rounds of each
round's median; the floor is 1.3 times onnxruntime's. Inputs are those of tests/zoo/zoo.json: batch 1, 128 tokens.
Compile: bert from file to first output on one core: under 5 s, and peak memory under 2.5 times the file's size.
Needs tests/setup.sh and a release build; exit status 1 if a floor is not held."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "scripts"))
import match  # noqa: E402  (these lie in the folder added above)
import project  # noqa: E402
import reference  # noqa: E402
import tensors  # noqa: E402
import zoo  # noqa: E402

MODELS = ("bert", "vit", "resnet50", "mobilenet_v2", "llama_135m")
SLOWER = 1.3  # times onnxruntime's time
COMPILED, COMPILE_SECONDS, COMPILE_MEMORY = "bert", 5.0, 2.5


def time_onnxruntime(path, folder, threads, seconds):
    """The median of a run in ms, after two runs to warm up."""
    session = reference.open_session(path, optimised=True, threads=threads)
    names = [value.name for value in session.get_inputs()]
    feed = dict(zip(names, tensors.read_all(folder, "input")))
    for _ in range(2):
        session.run(None, feed)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        session.run(None, feed)
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def time_lathe(artifact, folder, threads):
    """The whole report of `lathe bench`."""
    command = [project.lathe(), "bench", artifact, "--input-dir", folder, "--threads", threads, "--json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        project.stop(f"lathe bench: exit status {done.returncode}: {done.stderr.strip()[:400]}")
    return json.loads(done.stdout)


def speed(path, entry, folder, args):
    """Prints a line per number of threads; returns whether the floor is held."""
    match.apart(reference.make, path, folder / "want", entry)
    artifact = folder / "model.lathe"
    dims = [word for name, size in entry["dims"].items() for word in ("--dim", f"{name}={size}")]
    ran = match.run_lathe(["compile", path, *dims, "-o", artifact], minutes=10)
    if ran.trouble():
        print(f"FAIL {entry['id']:16} compile: {ran.trouble()}", flush=True)
        return False
    held = True
    for threads in args.threads:
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(time_lathe(artifact, folder / "want", threads)["median_ms"])
            theirs.append(match.apart(time_onnxruntime, path, folder / "want", threads, args.seconds))
        mine, other = statistics.median(ours), statistics.median(theirs)
        good = mine <= SLOWER * other
        held = held and good
        print(f"{'ok  ' if good else 'FAIL'} {entry['id']:16} {threads} threads  lathe {mine:8.2f} ms"
              f"  onnxruntime {other:8.2f} ms  ratio {mine / other:.2f}"
              f"  (rounds {' '.join(f'{a / b:.2f}' for a, b in zip(ours, theirs))})", flush=True)
    return held


def compile_time(path, entry, folder, _args):
    """The time and memory of one whole `lathe run` on one core."""
    match.apart(reference.make, path, folder / "want", entry)
    (folder / "got").mkdir()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # commands inherit it
    ran = match.run_lathe(["run", path, "--input-dir", folder / "want", "--output-dir", folder / "got", "--threads", 1], 10)
    os.sched_setaffinity(0, cores)
    share = ran.mib * 2**20 / path.stat().st_size
    good = not ran.trouble() and ran.seconds < COMPILE_SECONDS and share < COMPILE_MEMORY
    print(f"{'ok  ' if good else 'FAIL'} {entry['id']:16} file to first output {ran.seconds:.2f} s on one core, "
          f"peak memory {ran.mib:.0f} MiB = {share:.2f} of the file  {ran.trouble() or ''}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--compile", action="store_true", help="only the compile time")
    parser.add_argument("--speed", action="store_true", help="only the speed")
    args = parser.parse_args()
    project.CACHE.mkdir(parents=True, exist_ok=True)
    work = [] if args.compile else [(one, speed) for one in args.ids or MODELS]
    work += [] if args.speed else [(COMPILED, compile_time)]
    held = True
    for name, measure in work:
        entry = project.read_list(project.ZOO, [name])[name]
        with tempfile.TemporaryDirectory(prefix="floor-", dir=project.CACHE) as scratch:
            folder = pathlib.Path(scratch)
            path = match.apart(zoo.fill_entry, entry, folder)
            good = measure(path, entry, folder, args)
            held = held and good
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
