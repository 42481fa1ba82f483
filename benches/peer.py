#!/usr/bin/env python3
"""One engine with one model, for peers.py: reads commands from stdin, answers in lines of JSON.

usage: peer.py ENGINE MODEL.onnx INPUT_DIR OUTPUT_DIR THREADS

ENGINE is onnxruntime, openvino, openvino-bf16 or tract. After loading it runs once, writes output_N.npy and answers
{"load_ms", "rss_bytes"}; each line `SECONDS` on stdin is answered with {"median_ms", "min_ms", "runs"}."""
import json
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import numpy_helper


def onnxruntime(path, feed, threads):
    import onnxruntime as engine

    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = engine.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = engine.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)


def openvino(path, feed, threads, precision="f32"):
    import openvino as engine

    core = engine.Core()
    model = core.read_model(path)
    model.reshape({name: list(value.shape) for name, value in feed.items()})
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": 1, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "ENABLE_CPU_PINNING": False}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    count = len(model.outputs)

    def run():
        request.infer(feed, share_inputs=True, share_outputs=True)
        return [request.get_output_tensor(index).data for index in range(count)]

    return run


def tract(path, feed, threads):
    import tract as engine

    # It holds a model to the symbolic shapes that its file states, and so would refuse sizes.
    stripped = onnx.load(path)
    del stripped.graph.value_info[:]
    for value in stripped.graph.output:
        value.type.tensor_type.ClearField("shape")
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(stripped, f"{folder}/model.onnx")
        model = engine.onnx().load(f"{folder}/model.onnx")
    short = {"float32": "f32", "int64": "i64", "int32": "i32", "bool": "bool"}
    for index, value in enumerate(feed.values()):
        model.set_input_fact(index, ",".join([*map(str, value.shape), short[value.dtype.name]]))
    runnable = model.into_model().into_runnable()
    return lambda: [value.to_numpy() for value in runnable.run(list(feed.values()))]


ENGINES = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "openvino-bf16": lambda *args: openvino(*args, precision="bf16"),
    "tract": tract,
}


def answer(**values):
    print(json.dumps(values), flush=True)


def main():
    engine, path, inputs, outputs, threads = sys.argv[1:]
    graph = onnx.load(path, load_external_data=False).graph
    weights = {weight.name for weight in graph.initializer}
    names = [value.name for value in graph.input if value.name not in weights]
    read = lambda index: numpy_helper.to_array(
        onnx.TensorProto.FromString((pathlib.Path(inputs) / f"input_{index}.pb").read_bytes()))
    feed = {name: read(index) for index, name in enumerate(names)}
    begin = time.perf_counter()
    run = ENGINES[engine](path, feed, int(threads))
    results = run()
    load = (time.perf_counter() - begin) * 1e3
    for index, value in enumerate(results):
        np.save(pathlib.Path(outputs) / f"output_{index}.npy", np.asarray(value))
    status = pathlib.Path("/proc/self/status").read_text().split()
    answer(load_ms=load, rss_bytes=int(status[status.index("VmHWM:") + 1]) * 1024)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while time.perf_counter() < end or len(times) < 3:
            begin = time.perf_counter()
            run()
            times.append((time.perf_counter() - begin) * 1e3)
        answer(median_ms=statistics.median(times), min_ms=min(times), runs=len(times))


if __name__ == "__main__":
    main()
