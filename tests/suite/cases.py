"""The cases of ONNX's own backend suite, as the installed `onnx` package gives them, written to a folder:

    KIND/NAME/model.onnx
    KIND/NAME/case.json              class, opset, tolerances
    KIND/NAME/set_K/input_N.pb       and output_N.pb: TensorProto, SequenceProto or OptionalProto

Node cases are built by the package in memory; the others lie in it as files."""
import json
import pathlib
import shutil
import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import DATA_DIR, load_model_tests
from onnx.backend.test.runner import Runner

KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted", "light")
# the element types a case of class `core` may have
CORE = {
    getattr(TensorProto, name)
    for name in "FLOAT DOUBLE FLOAT16 INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 BOOL UNDEFINED".split()
}
LOSSES = {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"}
MESSAGES = {"tensor_type": onnx.TensorProto, "sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}


def class_of(model):
    """What a case needs beyond the numbers a compiler always has; `core` is nothing."""
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    if any(value.type.WhichOneof("value") != "tensor_type" for value in values):
        return "sequences and optionals"
    elements = {value.type.tensor_type.elem_type for value in values}
    if TensorProto.STRING in elements:
        return "strings"
    if elements - CORE:
        return "bfloat16" if elements - CORE == {TensorProto.BFLOAT16} else "narrow and complex types"
    if any(opset.domain not in ("", "ai.onnx") for opset in model.opset_import):
        return "other domains"
    return "losses" if any(node.op_type in LOSSES for node in model.graph.node) else "core"


def to_message(value, name):
    """A case's value as the protobuf message that stands for it."""
    if hasattr(value, "SerializeToString"):
        return value
    if value is None:
        return numpy_helper.from_optional(None, name)
    if isinstance(value, (list, tuple)):
        return numpy_helper.from_list(list(value), name)
    return numpy_helper.from_array(np.asarray(value), name)


def read_values(folder, role, declared):
    """role_0.pb, role_1.pb, ... as arrays, lists or None, by the types that the graph declares."""
    values = []
    for index, value in enumerate(declared):
        kind = value.type.WhichOneof("value")
        message = MESSAGES[kind].FromString((folder / f"{role}_{index}.pb").read_bytes())
        convert = {"tensor_type": numpy_helper.to_array, "sequence_type": numpy_helper.to_list}
        values.append(convert.get(kind, numpy_helper.to_optional)(message))
    return values


def write_case(folder, model, sets, rtol, atol):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for index, (inputs, outputs) in enumerate(sets):
        place = folder / f"set_{index}"
        place.mkdir()
        for role, values in (("input", inputs), ("output", outputs)):
            for number, value in enumerate(values):
                message = to_message(value, f"{role}_{number}")
                (place / f"{role}_{number}.pb").write_bytes(message.SerializeToString())
    opset = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)
    about = {"class": class_of(model), "opset": opset, "rtol": rtol, "atol": atol}
    (folder / "case.json").write_text(json.dumps(about) + "\n")


def light_sets(path, model):
    """Models with made-up weights: inputs by the package's rule, outputs beside the model."""
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [Runner.generate_dummy_data(one, name=one.name) for one in model.graph.input if one.name not in stored]
    outputs = [
        TensorProto.FromString(path.with_name(f"{path.stem}_output_{index}.pb").read_bytes())
        for index in range(len(model.graph.output))
    ]
    return [(inputs, outputs)]


def write_all(target):
    """Writes every case once; a folder that is there is whole. Returns the cases' folders in order."""
    target = pathlib.Path(target) / onnx.__version__
    if not target.exists():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # the cases overflow and divide by zero on purpose
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for kind in KINDS[:-1]:
            for case in load_model_tests(kind=kind):
                folder = partial / kind / case.name
                if case.model is not None:
                    write_case(folder, case.model, case.data_sets, case.rtol, case.atol)
                    continue
                model = onnx.load(pathlib.Path(case.model_dir) / "model.onnx")
                write_case(folder, model, [], case.rtol, case.atol)
                for index, place in enumerate(sorted(pathlib.Path(case.model_dir).glob("test_data_set_*"))):
                    shutil.copytree(place, folder / f"set_{index}")
        for path in sorted(pathlib.Path(DATA_DIR, "light").glob("*.onnx")):
            model = onnx.load(path)
            write_case(partial / "light" / f"test_{path.stem}", model, light_sets(path, model), 1e-3, 1e-7)
        partial.rename(target)
    return [folder for kind in KINDS for folder in sorted((target / kind).iterdir())]
