"""Where the project's pieces lie, and the two lists of test models.

An entry of a list names the model's inputs and how their values are drawn (reference.py says how), the sizes of its
symbolic dimensions and the tolerance its outputs are held to. What else it has depends on where the model comes from:

    registry, package, version, file, sha256   a file inside of a published package (models.py fetches it)
    file (in the zoo's list)                   a packed model beside the list (zoo.py fills it)
    path                                       a file of this project; `stored` is a folder with its input_N.pb
"""
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "tests" / ".cache"
TRAINED = ROOT / "tests" / "models" / "models.json"
ZOO = ROOT / "tests" / "zoo" / "zoo.json"


def stop(text):
    """Ends the script with status 2: it could not do its work."""
    print(f"{pathlib.Path(sys.argv[0]).stem}: {text}", file=sys.stderr)
    sys.exit(2)


def read_list(path, only=()):
    """The entries of a list by id, in its order; `only` picks some."""
    with open(path, encoding="utf-8") as file:
        entries = {entry["id"]: entry for entry in json.load(file)["models"]}
    unknown = [name for name in only if name not in entries]
    if unknown:
        stop(f"{path} has no {', '.join(unknown)}; it has {', '.join(entries)}")
    return {name: entries[name] for name in only} if only else entries


def lathe():
    """The compiler's binary: $LATHE, or the release build of this project."""
    if "LATHE" in os.environ:
        return pathlib.Path(os.environ["LATHE"])
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "lathe"
