#!/usr/bin/env python3
"""Fills models of the zoo: files of well-known architectures that were packed without their weights.

usage: zoo.py [--out DIR] [ID ...]     all of them need 4 GB; default DIR: tests/.cache/zoo
       zoo.py --list

A packed model lists its missing weights in the metadata entry `zoo.weights`: name, dtype, dims, mean, std and whether
the values are never negative. Each is drawn from a generator seeded by its name, so that every machine gets the same bytes."""
import argparse
import json
import lzma
import math
import pathlib
import zlib

import numpy as np
import onnx
import project

WEIGHTS = "zoo.weights"


def draw_weight(name, dtype, dims, mean, std, nonneg):
    """The little-endian bytes of one weight: normal(mean, std) from PCG64 seeded by the name's crc32; f16 and bf16 are
    drawn in f32 and rounded to nearest even. A std of 0 means a constant."""
    wide = np.float64 if dtype == "DOUBLE" else np.float32
    count = math.prod(dims)
    if std == 0:
        values = np.full(count, mean, wide)
    else:
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        # in place, as a weight can have 100 MB
        values = generator.standard_normal(count, wide)
        values *= wide(std)
        values += wide(mean)
    if nonneg:
        np.abs(values, out=values)
    match dtype:
        case "FLOAT" | "DOUBLE":
            return values.tobytes()
        case "FLOAT16":
            return values.astype(np.float16).tobytes()
        case "BFLOAT16":
            bits = values.view(np.uint32)
            return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16).tobytes()
    raise ValueError(f"{name}: no weights of type {dtype} in a packed model")


def fill(packed, target):
    """Writes the packed model with its weights to `target`, whole or not at all."""
    model = onnx.ModelProto.FromString(lzma.decompress(pathlib.Path(packed).read_bytes()))
    recipe = next((entry for entry in model.metadata_props if entry.key == WEIGHTS), None)
    if recipe is None:
        raise ValueError(f"{packed} is no packed model: it has no {WEIGHTS}")
    model.metadata_props.remove(recipe)
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    for weight in json.loads(recipe.value):
        initializers[weight["name"]].raw_data = draw_weight(
            *(weight[key] for key in ("name", "dtype", "dims", "mean", "std", "nonneg"))
        )
    target = pathlib.Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    partial.replace(target)
    return target


def fill_entry(entry, folder):
    return fill(project.ZOO.parent / entry["file"], pathlib.Path(folder) / f"{entry['id']}.onnx")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--out", type=pathlib.Path, default=project.CACHE / "zoo")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    entries = project.read_list(project.ZOO, args.ids)
    if args.list:
        print("\n".join(entries))
        return
    for entry in entries.values():
        path = fill_entry(entry, args.out)
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
