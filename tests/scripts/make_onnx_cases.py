"""Writes the small files under tests/models (onnx, npy, values) that the tests of the ONNX file layer read.

Run it from the root of the project with `onnx` (1.20 or newer) and `numpy` installed; what it writes is committed.
The tests do not need Python. Everything here is deterministic: running it again changes no byte.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

VALUES = pathlib.Path("tests/models/values")
ONNX = pathlib.Path("tests/models/onnx")
NPY = pathlib.Path("tests/models/npy")
F32 = T.FLOAT


def save(name, model):
    (ONNX / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def model(graph, opset=17, **more):
    imports = more.pop("opset_imports", [h.make_opsetid("", opset)])
    return h.make_model(graph, ir_version=10, opset_imports=imports, producer_name="make_onnx_cases", **more)


def value(name, elem=F32, shape=(2, 3)):
    return h.make_tensor_value_info(name, elem, list(shape) if shape is not None else None)


def mlp():
    """Two layers: weights in raw_data, biases in float_data, a symbolic batch size, documentation and metadata."""
    w1 = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3) / 8, "w1")
    w2 = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2) / 4, "w2")
    b1 = h.make_tensor("b1", F32, [3], [0.5, -0.25, 1.0])
    nodes = [
        h.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="fc1", alpha=1.0, transB=0),
        h.make_node("Relu", ["h"], ["r"], name="relu", doc_string="rectify"),
        h.make_node("MatMul", ["r", "w2"], ["y"], name="fc2"),
    ]
    graph = h.make_graph(nodes, "mlp", [value("x", shape=["N", 4])], [value("y", shape=["N", 2])], [w1, w2, b1])
    m = model(graph, doc_string="a small net")
    h.set_model_props(m, {"key": "value"})
    save("mlp", m)


# One tensor of every element type: its numbers as typed fields hold them, and the same as raw_data.
def every_type():
    bits16 = [0x3C00, 0xBC00, 0x7C00, 0x0001, 0]
    bits8 = [0x38, 0xB8, 0x01, 0x7E, 0]
    typed, raw = [], []

    def add(elem, dims, numbers, data):
        name = T.DataType.Name(elem).lower()
        t = T(dims=dims, data_type=elem, name=name)
        field = {
            T.FLOAT: t.float_data, T.COMPLEX64: t.float_data, T.DOUBLE: t.double_data, T.COMPLEX128: t.double_data,
            T.INT64: t.int64_data, T.UINT32: t.uint64_data, T.UINT64: t.uint64_data,
        }.get(elem, t.int32_data)
        field.extend(numbers)
        typed.append(t)
        raw.append(T(dims=dims, data_type=elem, name=name, raw_data=data))

    floats = [1.0, -2.5, 0.0, float("inf"), 3e-40]
    for elem, dtype in [(T.FLOAT, "<f4"), (T.DOUBLE, "<f8")]:
        add(elem, [5], floats, np.array(floats, dtype).tobytes())
        pair = T.COMPLEX64 if elem == T.FLOAT else T.COMPLEX128
        add(pair, [2], floats[:4], np.array(floats[:4], dtype).tobytes())
    ints = [
        (T.INT8, "<i1", [-128, -1, 0, 1, 127]), (T.UINT8, "<u1", [0, 1, 127, 128, 255]),
        (T.INT16, "<i2", [-32768, -1, 0, 1, 32767]), (T.UINT16, "<u2", [0, 1, 32767, 32768, 65535]),
        (T.INT32, "<i4", [-(2**31), -1, 0, 1, 2**31 - 1]), (T.UINT32, "<u4", [0, 1, 2**31, 2**32 - 1, 7]),
        (T.INT64, "<i8", [-(2**63), -1, 0, 1, 2**63 - 1]), (T.UINT64, "<u8", [0, 1, 2**63, 2**64 - 1, 7]),
        (T.BOOL, "<u1", [0, 1, 1, 0, 1]), (T.FLOAT16, "<u2", bits16), (T.BFLOAT16, "<u2", bits16),
        (T.FLOAT8E4M3FN, "<u1", bits8), (T.FLOAT8E4M3FNUZ, "<u1", bits8), (T.FLOAT8E5M2, "<u1", bits8),
        (T.FLOAT8E5M2FNUZ, "<u1", bits8), (T.FLOAT8E8M0, "<u1", bits8),
    ]
    for elem, dtype, numbers in ints:
        add(elem, [5], numbers, np.array(numbers, dtype).tobytes())
    # Narrow types: an int32 holds a packed byte; five elements leave the last byte half empty.
    for elem in (T.UINT4, T.INT4, T.FLOAT4E2M1):
        add(elem, [5], [0x21, 0xF8, 0x07], bytes([0x21, 0xF8, 0x07]))
    for elem in (T.UINT2, T.INT2):
        add(elem, [5], [0b11100100, 0b01], bytes([0b11100100, 0b01]))
    # Six bits: an int32 holds one element, raw data holds four in three bytes, low bits first.
    six = [0b000001, 0b100011, 0b111111, 0b010101, 0b101010]
    stream = sum(v << (6 * i) for i, v in enumerate(six))
    for elem in (T.FLOAT6E2M3, T.FLOAT6E3M2):
        add(elem, [5], six, stream.to_bytes(4, "little"))
    add(T.FLOAT, [0, 3], [], b"")
    typed[-1].name = raw[-1].name = "empty"
    add(T.INT64, [], [42], np.array(42, "<i8").tobytes())
    typed[-1].name = raw[-1].name = "scalar"
    strings = h.make_tensor("string", T.STRING, [2], [b"a", "\u00e4\u00f6".encode()])
    for name, tensors in [("every_type_typed", typed), ("every_type_raw", raw)]:
        node = h.make_node("Identity", ["float"], ["y"])
        save(name, model(h.make_graph([node], name, [], [value("y", shape=[5])], tensors + [strings]), opset=25))


def control_flow():
    """A loop around an `If` whose branches take values from both graphs around them."""
    then = h.make_graph([h.make_node("Add", ["v", "x"], ["t"])], "then", [], [value("t", shape=None)])
    other = h.make_graph([h.make_node("Mul", ["v", "two"], ["e"])], "else", [], [value("e", shape=None)])
    body = h.make_graph(
        [
            h.make_node("If", ["c"], ["w"], name="choose", then_branch=then, else_branch=other),
            h.make_node("Not", ["c"], ["d"]),
        ],
        "body",
        [value("i", T.INT64, []), value("c", T.BOOL, []), value("v", shape=None)],
        [value("d", T.BOOL, []), value("w", shape=None)],
    )
    two = h.make_tensor("two", F32, [], [2.0])
    count = h.make_tensor("n", T.INT64, [], [3])
    yes = h.make_tensor("yes", T.BOOL, [], [True])
    loop = h.make_node("Loop", ["n", "yes", "x"], ["y"], name="loop", body=body)
    save("control_flow", model(h.make_graph([loop], "g", [value("x")], [value("y")], [two, count, yes])))


def functions():
    """Functions with attributes, defaults, overloads, one calling another."""
    double = h.make_function(
        "local", "Double", ["x"], ["y"],
        [h.make_node("Add", ["x", "x"], ["y"])], [h.make_opsetid("", 17)], overload="a",
    )
    scale = h.make_node("Scale", ["d"], ["y"], domain="local")
    ref = onnx.AttributeProto(name="value_float", type=onnx.AttributeProto.FLOAT, ref_attr_name="factor")
    const = h.make_node("Constant", [], ["k"])
    const.attribute.append(ref)
    scale_def = h.make_function(
        "local", "Scale", ["x"], ["y"],
        [h.make_node("Double", ["x"], ["d"], domain="local", overload="a"), const, h.make_node("Mul", ["d", "k"], ["y"])],
        [h.make_opsetid("", 17), h.make_opsetid("local", 1)],
        attributes=["unused"], attribute_protos=[h.make_attribute("factor", 3.0)],
    )
    graph = h.make_graph([h.make_node("Relu", ["x"], ["d"]), scale], "g", [value("x")], [value("y")])
    imports = [h.make_opsetid("", 17), h.make_opsetid("local", 1)]
    save("functions", model(graph, functions=[scale_def, double], opset_imports=imports))


def attributes():
    """One attribute of every kind, on a node of a domain nobody knows."""
    tensor = h.make_tensor("t", F32, [2], [1, 2])
    sparse = h.make_sparse_tensor(h.make_tensor("v", F32, [1], [5]), h.make_tensor("i", T.INT64, [1], [3]), [4])
    kind = h.make_tensor_type_proto(F32, ["N", None, 3])
    inner = h.make_graph([h.make_node("Identity", ["x"], ["z"])], "inner", [], [value("z")])
    node = h.make_node(
        "Everything", ["x", "", "x"], ["y", ""], domain="test", name="node \"quoted\"",
        f=1.5, i=-7, s="text", t=tensor, g=inner, sparse=sparse, tp=kind, fs=[1.0, 2.0], is_=[1, -2, 2**62],
        ss=["a", "b"], ts=[tensor, tensor], gs=[inner], sparses=[sparse], tps=[kind, h.make_sequence_type_proto(kind)],
    )
    node.attribute.append(h.make_attribute("empty", [], attr_type=onnx.AttributeProto.INTS))
    node.attribute.append(h.make_attribute("zero", 0))
    imports = [h.make_opsetid("", 17), h.make_opsetid("test", 1)]
    save("attributes", model(h.make_graph([node], "g", [value("x")], [value("y")]), opset_imports=imports))


def types():
    """Inputs of every type, sparse initializers, metadata, and parts of the file that are skipped."""
    tensor = h.make_tensor_type_proto(F32, ["N", 3])
    kinds = [
        tensor, h.make_sequence_type_proto(tensor), h.make_optional_type_proto(h.make_sequence_type_proto(tensor)),
        h.make_map_type_proto(T.STRING, tensor), h.make_sparse_tensor_type_proto(F32, [2, 2]),
    ]
    inputs = [h.make_value_info(f"x{i}", kind) for i, kind in enumerate(kinds)]
    inputs[0].type.denotation = "TENSOR"
    inputs[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    entry = inputs[1].metadata_props.add()
    entry.key, entry.value = "k", "v"
    node = h.make_node("Identity", ["x0"], ["y"])
    entry = node.metadata_props.add()
    entry.key, entry.value = "namespace", "a/b"
    device = node.device_configurations.add()
    device.configuration_id = "c"
    graph = h.make_graph([node], "g", inputs, [value("y", shape=None)], value_info=[value("y", shape=[-1, 3])])
    sparse = h.make_sparse_tensor(h.make_tensor("s", F32, [1], [5]), h.make_tensor("", T.INT64, [1], [3]), [4])
    graph.sparse_initializer.append(sparse)
    graph.quantization_annotation.add().tensor_name = "y"
    m = model(graph)
    m.ir_version = 99
    m.training_info.add().algorithm.name = "skipped"
    m.configuration.add().name = "c"
    save("types", m)


def order():
    """Nodes listed backwards, the last one taking a value from inside a branch."""
    branch = h.make_graph([h.make_node("Neg", ["b"], ["n"])], "branch", [], [value("n")])
    nodes = [
        h.make_node("If", ["flag"], ["y"], name="last", then_branch=branch, else_branch=branch),
        h.make_node("Relu", ["a"], ["b"], name="second"),
        h.make_node("Abs", ["x"], ["a"], name="first"),
    ]
    save("unsorted", model(h.make_graph(nodes, "g", [value("x"), value("flag", T.BOOL, [])], [value("y")])))


def external():
    """Two weights in a file of their own, one behind the other."""
    data = np.arange(10, dtype="<f4").tobytes()
    (ONNX / "external.data").write_bytes(data)

    def part(name, shape, offset, length=None):
        t = T(dims=shape, data_type=F32, name=name, data_location=T.EXTERNAL)
        for key, text in [("location", "external.data"), ("offset", offset), ("length", length)]:
            if text is not None:
                entry = t.external_data.add()
                entry.key, entry.value = key, str(text)
        return t

    weights = [part("w", [2, 3], 0, 24), part("v", [4], 24)]
    nodes = [h.make_node("Add", ["x", "w"], ["y"])]
    save("external", model(h.make_graph(nodes, "g", [value("x")], [value("y")], weights)))


def old():
    """A file of IR version 2: no opset import, an initializer that is an input too, an attribute without a kind."""
    node = h.make_node("Add", ["x", "w"], ["y"], axis=0)
    node.attribute[0].ClearField("type")
    w = h.make_tensor("w", F32, [2, 3], range(6))
    m = model(h.make_graph([node], "g", [value("x"), value("w")], [value("y")], [w]))
    m.ir_version = 2
    del m.opset_import[:]
    save("old", m)


def arrays():
    """Arrays as numpy writes them, each beside the same array as a TensorProto."""
    rng = np.random.default_rng(7)
    base = rng.integers(-100, 100, (2, 3, 4))
    kinds = ["?", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8", "c8", "c16"]
    cases = {np.dtype(kind).name: base.astype(kind) for kind in kinds}
    cases["big_endian"] = base.astype(">i4")
    cases["big_endian_complex"] = (base + 1j).astype(">c8")
    cases["fortran"] = np.asfortranarray(base.astype("f4"))
    cases["fortran_big_endian"] = np.asfortranarray(base.astype(">f8"))
    cases["scalar"] = np.array(2.5, "f4")
    cases["vector"] = np.arange(3, dtype="i8")
    cases["empty"] = np.zeros((2, 0, 3), "f4")
    for name, array in cases.items():
        with open(NPY / f"{name}.npy", "wb") as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
        native = native.reshape(array.shape)
        (NPY / f"{name}.pb").write_bytes(numpy_helper.from_array(native).SerializeToString(deterministic=True))
    with open(NPY / "version2.npy", "wb") as file:
        np.lib.format.write_array(file, cases["vector"], version=(2, 0))
    (NPY / "version2.pb").write_bytes((NPY / "vector.pb").read_bytes())


def values():
    """Sequences and optional values as ONNX's own tests store them."""
    a, b = np.arange(3, dtype="f4"), np.arange(4, dtype="i8").reshape(2, 2)
    cases = {
        "sequence": numpy_helper.from_list([a, b], "s"),
        "sequence_empty": numpy_helper.from_list([], "s", dtype=1),
        "sequence_nested": numpy_helper.from_list([[a], [b, a]], "s"),
        "optional_tensor": numpy_helper.from_optional(a, "o"),
        "optional_sequence": numpy_helper.from_optional([a, b], "o"),
        "optional_none": numpy_helper.from_optional(None, "o", dtype=1),
    }
    for name, proto in cases.items():
        (VALUES / f"{name}.pb").write_bytes(proto.SerializeToString(deterministic=True))


if __name__ == "__main__":
    ONNX.mkdir(parents=True, exist_ok=True)
    NPY.mkdir(parents=True, exist_ok=True)
    VALUES.mkdir(parents=True, exist_ok=True)
    for make in (mlp, every_type, control_flow, functions, attributes, types, order, external, old, arrays, values):
        make()
