#!/usr/bin/env python3
"""How long a release build of the workspace takes from nothing, and how large what it makes is.

usage: size.py [--no-build] [MODEL ...]

Builds into a folder of its own, with the dependencies' sources fetched before the clock starts, and prints the time, the
bytes of the binary, and the code of the runtime's micro-kernels by family and CPU tier. For each MODEL, the bytes of
generated code by op. The build is held to 6 minutes on 2 cores; exit status 1 if it takes longer."""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "scripts"))
import project  # noqa: E402  (it lies in the folder added above)

MINUTES = 6


def build():
    """Seconds of a release build from nothing, and the binary's size."""
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=project.CACHE) as folder:
        begin = time.monotonic()
        subprocess.run(["cargo", "build", "--release", "--quiet", "--target-dir", folder], cwd=ROOT, check=True)
        seconds = time.monotonic() - begin
        size = (pathlib.Path(folder) / "release" / "lathe").stat().st_size
    return seconds, size


def kernel_families(binary):
    """Bytes of code by source file of the micro-kernels and by tier, from the binary's symbols."""
    families = collections.defaultdict(collections.Counter)
    listed = subprocess.run(["nm", "--size-sort", "--demangle", "--radix=d", binary], capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        found = re.match(r"(\d+) [tT] .*?lathe_runtime::core::kernels::(\w+)::(.*)", line)
        if found:
            # Bodies that several kernels share belong to the vector type they are compiled for.
            marks = {"avx512": "avx512", "avx2": "avx2", "scalar": "scalar", "F32x16": "avx512", "F32x8": "avx2", "F32x1": "scalar"}
            tier = next((tier for mark, tier in marks.items() if mark in found[3]), "any")
            family = "shared bodies" if found[2].startswith("simd") else found[2]
            families[family][tier] += int(found[1])
    return families


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--no-build", action="store_true", help="take the binary that is there")
    args = parser.parse_args()
    project.CACHE.mkdir(parents=True, exist_ok=True)
    held = True
    if not args.no_build:
        seconds, size = build()
        held = seconds < MINUTES * 60
        print(f"{'ok  ' if held else 'FAIL'} release build from nothing {seconds:.0f} s on {os.cpu_count()} cores, "
              f"binary {size / 2**20:.1f} MiB", flush=True)
    lathe = project.lathe()
    for family, tiers in sorted(kernel_families(lathe).items(), key=lambda pair: -pair[1].total()):
        parts = ", ".join(f"{tier} {size / 1024:.1f}" for tier, size in sorted(tiers.items()))
        print(f"{tiers.total() / 1024:8.1f} KiB  {family:12} {parts}")
    for model in args.models:
        shown = subprocess.run([lathe, "inspect", "--show", "kernels", model], capture_output=True, text=True)
        if shown.returncode:
            project.stop(f"{model}: {shown.stderr.strip()[:400]}")
        print(f"\n{model}\n{shown.stdout.split(chr(10) * 2, 1)[1].rstrip()}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
