"""Folders of tensors in ONNX's own test layout: input_0.pb, input_1.pb, ..., output_0.pb, ... (TensorProto)."""
import pathlib

import numpy as np
import onnx
from onnx import numpy_helper


def write(path, array, name):
    array = np.asarray(array)
    # ascontiguousarray alone turns a scalar into a vector
    tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
    pathlib.Path(path).write_bytes(tensor.SerializeToString())


def read(path):
    return numpy_helper.to_array(onnx.TensorProto.FromString(pathlib.Path(path).read_bytes()))


def write_all(folder, role, named):
    """Writes `named`, a list of (name, array), as role_0.pb, role_1.pb, ..."""
    for index, (name, array) in enumerate(named):
        write(pathlib.Path(folder) / f"{role}_{index}.pb", array, name)


def read_all(folder, role):
    """role_0.pb, role_1.pb, ... up to the first that is not there."""
    found = []
    while (path := pathlib.Path(folder) / f"{role}_{len(found)}.pb").exists():
        found.append(read(path))
    return found
