#!/usr/bin/env python3
"""Fetches the trained models of tests/models/models.json from the packages they are published in.

usage: models.py [--out DIR] [--check] [--only] [ID ...]     default DIR: tests/.cache/models

A file whose SHA-256 is right stays; --check downloads nothing. Exit status: 0 all there and verified, 1 not all.
Needs pip, and npm for the packages that come from it."""
import argparse
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

import project

TRIES = 4
SECONDS = 600  # for one try
PIP = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
       "--only-binary", ":all:", "--ignore-requires-python"]
NPM = ["npm", "pack", "--silent"]


def sha256(path):
    """The file's digest in hex, None where there is no such file."""
    if not path.exists():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(registry, package, version, folder):
    """Has the registry's own client fetch the package into the empty `folder`; returns the archive's path."""
    command = PIP + [f"{package}=={version}"] if registry == "pypi" else NPM + [f"{package}@{version}"]
    try:
        subprocess.run(command, cwd=folder, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        raise OSError(f"{command[0]} failed: {error.stderr.strip()[-300:]}") from None
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer in {SECONDS} s") from None
    (archive,) = pathlib.Path(folder).iterdir()
    return archive


def member(archive, name):
    """Opens one file inside of a wheel or a tarball."""
    if archive.suffix in (".whl", ".zip"):
        return zipfile.ZipFile(archive).open(name)
    return tarfile.open(archive).extractfile(name)


def unpack(archive, entry, target):
    """Copies the entry's file out of the archive, whole and verified or not at all."""
    partial = target.with_name(target.name + ".partial")
    with member(archive, entry["file"]) as source, open(partial, "wb") as out:
        shutil.copyfileobj(source, out)
    found = sha256(partial)
    if found != entry["sha256"]:
        partial.unlink()
        raise OSError(f"{entry['id']}: SHA-256 is {found}, expected {entry['sha256']}")
    partial.replace(target)


def fetch(entries, folder):
    """Fetches entries that share one package. Raises the last try's error."""
    for attempt in range(1, TRIES + 1):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                archive = download(*package_of(entries[0]), scratch)
                for entry in entries:
                    unpack(archive, entry, folder / f"{entry['id']}.onnx")
                return
            except (OSError, KeyError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
                print(f"models: {package_of(entries[0])}: try {attempt} of {TRIES}: {error}", file=sys.stderr)
                if attempt == TRIES:
                    raise
        time.sleep(5 * attempt)


def package_of(entry):
    return entry["registry"], entry["package"], entry["version"]


def path_of(entry, folder=project.CACHE / "models"):
    """Where the entry's model lies once it is fetched."""
    return project.ROOT / entry["path"] if "path" in entry else folder / f"{entry['id']}.onnx"


def ensure(entries, folder=project.CACHE / "models", download=True):
    """Fetches what is not there; returns {id: what is wrong}, empty when all is well."""
    folder.mkdir(parents=True, exist_ok=True)
    packages, wrong = {}, {}
    for entry in entries:
        if "path" in entry:
            continue
        if sha256(path_of(entry, folder)) != entry["sha256"]:
            packages.setdefault(package_of(entry), []).append(entry)
    for wanted in packages.values():
        reason = "not there, or not the file of the list"
        if download:
            try:
                fetch(wanted, folder)
                continue
            except Exception as error:  # any: the others are fetched all the same
                reason = str(error)
        wrong.update({entry["id"]: reason for entry in wanted})
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID")
    parser.add_argument("--out", type=pathlib.Path, default=project.CACHE / "models")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    entries = project.read_list(project.TRAINED, args.ids + args.only)
    wrong = ensure(entries.values(), args.out, download=not args.check)
    for name, entry in entries.items():
        origin = "of this project" if "path" in entry else " ".join(package_of(entry))
        print(f"{name:24} opset {entry['opset']:2}  {origin:45} {wrong.get(name, 'ok')}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
