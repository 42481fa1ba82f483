#!/usr/bin/env python3
"""Speed against other engines on this machine: onnxruntime, OpenVINO (f32, and its own choice of bf16) and tract.

usage: peers.py [--rounds N] [--seconds S] [--threads N ...] [--engines E ...] [--out DIR] [ID ...]

Each model of the zoo is loaded once by every engine, in a process of its own; then the engines take turns, N rounds of S
seconds each, so that what else the machine does hits all. First the outputs are compared: no ratio is printed for an
engine that differs from onnxruntime by more than 1e-4 of the largest value (2e-2 in bf16), or whose rounds spread by more
than 15 % between the quartiles. A ratio is the peer's time divided by Lathe's: above 1 Lathe is faster. `best` is the
faster of onnxruntime and OpenVINO f32. tract runs on one thread always. Writes peers.json, peers.md and peers.svg to DIR.
Needs a release build; installs the peers (benches/requirements.txt) by itself. Exit status 1 if an output differs."""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "scripts"))
import match  # noqa: E402  (these lie in the folder added above)
import numpy as np  # noqa: E402
import project  # noqa: E402
import reference  # noqa: E402
import tensors  # noqa: E402
import zoo  # noqa: E402

ENGINES = ("onnxruntime", "openvino", "openvino-bf16", "tract")
FULL = ("onnxruntime", "openvino")  # in f32, as Lathe
CLOSE = {"openvino-bf16": 2e-2}
SPREAD = 0.15


def environment():
    """The Python that has the peers."""
    folder, wanted = project.CACHE / "peers", HERE / "requirements.txt"
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted.read_text():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r", wanted], check=True)
        installed.write_text(wanted.read_text())
    return python


class Peer:
    """An engine that has loaded a model."""

    def __init__(self, python, engine, path, folder, threads):
        out = folder / f"{engine}-{threads}"
        out.mkdir()
        command = [python, HERE / "peer.py", engine, path, folder / "want", out, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        line = self.process.stdout.readline()
        self.report = json.loads(line) if line else None
        self.outputs = out

    def time(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Lathe:
    """The artifact, timed by `lathe bench`."""

    def __init__(self, artifact, folder, threads):
        self.command = [project.lathe(), "bench", artifact, "--input-dir", folder / "want", "--threads", threads, "--json"]

    def time(self, seconds):
        command = [*self.command, "--seconds", seconds]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def close(self):
        pass


def differs(want, got, close):
    """None, or how far the outputs are apart, relative to the largest value."""
    for index, (a, b) in enumerate(zip(want, got)):
        if a.shape != b.shape:
            return f"output {index} is {list(b.shape)}, {list(a.shape)} is expected"
        if a.size and a.dtype.kind == "f":
            error = float(np.max(np.abs(a.astype(float) - b))) / max(float(np.max(np.abs(a))), 1e-30)
            if not error <= close:
                return f"output {index} differs by {error:.1e} of the largest value"
    return None


def spread(times):
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / statistics.median(times)


def measure(python, path, entry, folder, threads, args):
    """{engine: {"median_ms", "min_ms", "rounds_ms", "trouble"}} for a number of threads."""
    artifact = folder / "model.lathe"
    results, engines = {}, {}
    want = tensors.read_all(folder / "want", "output")
    for name in args.engines:
        peer = Peer(python, name, path, folder, threads)
        if peer.report is None:
            results[name] = {"trouble": "does not run it"}
            continue
        got = [np.load(file) for file in sorted(peer.outputs.iterdir())]
        trouble = differs(want, got, CLOSE.get(name, 1e-4))
        results[name] = {**peer.report, "trouble": trouble}
        engines[name] = peer
    engines["lathe"] = Lathe(artifact, folder, threads)
    results["lathe"] = {"trouble": None}
    rounds = {name: [] for name in engines}
    for _ in range(args.rounds):
        for name, engine in engines.items():
            rounds[name].append(engine.time(args.seconds))
    for name, engine in engines.items():
        engine.close()
        medians = [one["median_ms"] for one in rounds[name]]
        results[name] |= {"median_ms": statistics.median(medians), "min_ms": min(one["min_ms"] for one in rounds[name]),
                          "rounds_ms": medians}
        if results[name]["trouble"] is None and spread(medians) > SPREAD:
            results[name]["trouble"] = f"the rounds spread by {spread(medians):.0%}"
    return results


def ratio(results, name):
    """The peer's time divided by Lathe's, if both are sound."""
    peer, mine = results.get(name, {}), results["lathe"]
    if "median_ms" not in peer or peer["trouble"] or mine["trouble"]:
        return None
    return peer["median_ms"] / mine["median_ms"]


def best(results):
    known = [found for found in (ratio(results, name) for name in FULL) if found]
    return min(known) if len(known) == len(FULL) else None


def table(all_results, engines):
    """Rows of a Markdown table."""
    show = lambda found: f"{found:.2f}" if found else "-"
    lines = ["| model | threads | Lathe ms (min) | " + " | ".join(f"{name} ms: ratio" for name in engines) + " | best |",
             "|---" * (len(engines) + 4) + "|"]
    for (model, threads), results in all_results.items():
        mine = results["lathe"]
        cells = [f"{results[name].get('median_ms', math.nan):.2f}: {show(ratio(results, name))}" for name in engines]
        lines.append(f"| {model} | {threads} | {mine['median_ms']:.2f} ({mine['min_ms']:.2f}) | " + " | ".join(cells) +
                     f" | {show(best(results))} |")
    for threads in sorted({key[1] for key in all_results}):
        found = [best(results) for (_, own), results in all_results.items() if own == threads]
        if found and all(found):
            lines.append(f"\nGeometric mean of `best` with {threads} threads: {statistics.geometric_mean(found):.3f}")
    return lines


def plot(all_results):
    """An SVG with a bar for each model and number of threads: the ratio to the best peer."""
    bars = [(f"{model}, {threads}", best(results)) for (model, threads), results in all_results.items()]
    top, height, unit = 20, 16, 240
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{top + height * len(bars) + 10}" '
             'font-family="sans-serif" font-size="11">',
             '<text x="4" y="13">time of the faster of onnxruntime and OpenVINO f32, divided by Lathe\'s</text>']
    for index, (label, found) in enumerate(bars):
        y = top + index * height
        lines.append(f'<text x="4" y="{y + 12}">{label}</text>')
        if found:
            color = "#3a7" if found >= 1 else "#c63"
            lines.append(f'<rect x="170" y="{y + 2}" width="{min(found, 1.6) * unit:.0f}" height="12" fill="{color}"/>')
            lines.append(f'<text x="{174 + min(found, 1.6) * unit:.0f}" y="{y + 12}">{found:.2f}</text>')
    lines.append(f'<line x1="{170 + unit}" y1="{top}" x2="{170 + unit}" y2="{top + height * len(bars)}" stroke="#000"/></svg>')
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="default: each model of the zoo in one exporter's form")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--out", type=pathlib.Path, default=project.CACHE / "peers-report")
    args = parser.parse_args()
    project.CACHE.mkdir(parents=True, exist_ok=True)
    python = environment()
    every = project.read_list(project.ZOO, args.ids)
    ids = args.ids or [one for one in every if "." not in one]
    all_results, status = {}, 0
    for one in ids:
        entry = every[one]
        with tempfile.TemporaryDirectory(prefix="peers-", dir=project.CACHE) as scratch:
            folder = pathlib.Path(scratch)
            path = match.apart(zoo.fill_entry, entry, folder)
            match.apart(reference.make, path, folder / "want", entry)
            dims = [word for name, size in entry["dims"].items() for word in ("--dim", f"{name}={size}")]
            ran = match.run_lathe(["compile", path, *dims, "-o", folder / "model.lathe"], minutes=10)
            (folder / "got").mkdir()
            ran = ran if ran.trouble() else match.run_lathe(
                ["run", folder / "model.lathe", "--input-dir", folder / "want", "--output-dir", folder / "got"], minutes=10)
            outputs = tensors.read_all(folder / "got", "output") if not ran.trouble() else []
            trouble = ran.trouble() or differs(tensors.read_all(folder / "want", "output"), outputs, 1e-4)
            if trouble:
                print(f"{one}: {trouble}", flush=True)
                status = 1
                continue
            for threads in args.threads:
                results = measure(python, path, entry, folder, threads, args)
                all_results[one, threads] = results
                print(table({(one, threads): results}, args.engines)[2], flush=True)
                for name, result in results.items():
                    if result["trouble"]:
                        print(f"    {name}: {result['trouble']}", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    keyed = {f"{model} {threads}": results for (model, threads), results in all_results.items()}
    (args.out / "peers.json").write_text(json.dumps(keyed, indent=1) + "\n")
    (args.out / "peers.md").write_text("\n".join(table(all_results, args.engines)) + "\n")
    (args.out / "peers.svg").write_text("\n".join(plot(all_results)) + "\n")
    print("\n".join(line for line in table(all_results, args.engines) if line.startswith("\nGeometric")))
    return status


if __name__ == "__main__":
    sys.exit(main())
