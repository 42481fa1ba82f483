#!/usr/bin/env python3
"""Trains the small vision transformer of this example and writes digits.onnx, ten test images and their labels.

usage: train.py [--epochs N]     needs numpy, scikit-learn and onnx; two minutes on one core

The data are scikit-learn's 1,797 handwritten digits of 8x8 pixels; a fifth of them is kept for the test. The network
is written once, in the function `model`, in ONNX's operators. Called with a `Tape` it computes and can be
differentiated; called with an `Export` it becomes the graph, spelled as the exporters of the large frameworks spell it:
LayerNorm and GELU in small operators, shapes computed from the input's."""
import argparse
import json
import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.special import erf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).resolve().parent
SEED = 1
TOKENS, PATCH = 16, 2  # 8x8 pixels in patches of 2x2
WIDTH, HEADS, HIDDEN, BLOCKS, CLASSES = 64, 4, 128, 2, 10
BATCH = -1  # in a shape: whatever the input has


# ---------------------------------------------------------------- the network


def model(op, weights, images):
    """Logits [batch, 10] of images [batch, 1, 8, 8] with values in 0..1."""
    rows = 8 // PATCH
    x = op.at("patches").reshape(images, (BATCH, rows, PATCH, rows, PATCH))
    x = op.at("patches")("Transpose", x, perm=(0, 1, 3, 2, 4))
    x = op.at("patches").reshape(x, (BATCH, TOKENS, PATCH * PATCH))
    x = op.at("embed")("Add", linear(op.at("embed"), weights, x), weights["positions"])
    for index in range(BLOCKS):
        block = op.at(f"blocks.{index}")
        x = block("Add", x, attention(block.at("attention"), weights, layer_norm(block.at("norm1"), weights, x)))
        x = block("Add", x, mlp(block.at("mlp"), weights, layer_norm(block.at("norm2"), weights, x)))
    x = layer_norm(op.at("norm"), weights, x)
    return linear(op.at("head"), weights, op.at("pool")("ReduceMean", x, axes=(1,), keepdims=0))


def attention(op, weights, x):
    def heads(name, perm):
        y = op.at(name).reshape(linear(op.at(name), weights, x), (BATCH, TOKENS, HEADS, WIDTH // HEADS))
        return op.at(name)("Transpose", y, perm=perm)

    query, key, value = heads("query", (0, 2, 1, 3)), heads("key", (0, 2, 3, 1)), heads("value", (0, 2, 1, 3))
    scores = op("Div", op("MatMul", query, key), math.sqrt(WIDTH // HEADS))
    y = op("Transpose", op("MatMul", op("Softmax", scores, axis=-1), value), perm=(0, 2, 1, 3))
    return linear(op.at("out"), weights, op.reshape(y, (BATCH, TOKENS, WIDTH)))


def mlp(op, weights, x):
    return linear(op.at("fc2"), weights, gelu(op.at("act"), linear(op.at("fc1"), weights, x)))


def linear(op, weights, x):
    return op("Add", op("MatMul", x, weights[f"{op.name}.weight"]), weights[f"{op.name}.bias"])


def layer_norm(op, weights, x):
    centred = op("Sub", x, op("ReduceMean", x, axes=(-1,), keepdims=1))
    variance = op("ReduceMean", op("Pow", centred, 2.0), axes=(-1,), keepdims=1)
    normal = op("Div", centred, op("Sqrt", op("Add", variance, 1e-5)))
    return op("Add", op("Mul", normal, weights[f"{op.name}.weight"]), weights[f"{op.name}.bias"])


def gelu(op, x):
    both = op("Add", op("Erf", op("Div", x, math.sqrt(2))), 1.0)
    return op("Mul", op("Mul", x, both), 0.5)


def fresh_weights(generator):
    weights = {"positions": 0.1 * generator.standard_normal((TOKENS, WIDTH))}

    def add_linear(name, rows, columns):
        weights[f"{name}.weight"] = generator.standard_normal((rows, columns)) / math.sqrt(rows)
        weights[f"{name}.bias"] = np.zeros(columns)

    def add_norm(name):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = np.ones(WIDTH), np.zeros(WIDTH)

    add_linear("embed", PATCH * PATCH, WIDTH)
    for index in range(BLOCKS):
        for name in ("query", "key", "value", "out"):
            add_linear(f"blocks.{index}.attention.{name}", WIDTH, WIDTH)
        add_linear(f"blocks.{index}.mlp.fc1", WIDTH, HIDDEN)
        add_linear(f"blocks.{index}.mlp.fc2", HIDDEN, WIDTH)
        add_norm(f"blocks.{index}.norm1")
        add_norm(f"blocks.{index}.norm2")
    add_norm("norm")
    add_linear("head", WIDTH, CLASSES)
    return {name: value.astype(np.float32) for name, value in weights.items()}


# ---------------------------------------------------------------- computing and differentiating

# operator: (result of inputs and attributes, gradients of the inputs from the result's gradient `g` and the result `y`)
DERIVED = {
    "Add": (lambda a, b: a + b, lambda g, y, a, b: (g, g)),
    "Sub": (lambda a, b: a - b, lambda g, y, a, b: (g, -g)),
    "Mul": (lambda a, b: a * b, lambda g, y, a, b: (g * b, g * a)),
    "Div": (lambda a, b: a / b, lambda g, y, a, b: (g / b, -g * y / b)),
    "Pow": (lambda a, b: a**b, lambda g, y, a, b: (g * b * a ** (b - 1), np.zeros_like(b))),
    "Sqrt": (np.sqrt, lambda g, y, a: (g / (2 * y),)),
    "Erf": (erf, lambda g, y, a: (g * np.float32(2 / math.sqrt(math.pi)) * np.exp(-a * a),)),
    "MatMul": (np.matmul, lambda g, y, a, b: (g @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ g)),
    "Softmax": (lambda a, axis: softmax(a), lambda g, y, a, axis: (y * (g - (g * y).sum(-1, keepdims=True)),)),
    "Transpose": (lambda a, perm: a.transpose(perm), lambda g, y, a, perm: (g.transpose(np.argsort(perm)),)),
    "Reshape": (lambda a, shape: a.reshape(shape), lambda g, y, a, shape: (g.reshape(a.shape),)),
    "ReduceMean": (
        lambda a, axes, keepdims: a.mean(axes, keepdims=bool(keepdims)),
        lambda g, y, a, axes, keepdims: (
            np.broadcast_to((g if keepdims else np.expand_dims(g, axes)) / np.float32(a.shape[axes[0]]), a.shape),
        ),
    ),
}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Tape:
    """Computes at once and remembers every step."""

    def __init__(self, name="", steps=None):
        self.name, self.steps = name, [] if steps is None else steps

    def at(self, name):
        """The same tape under a longer name; names only matter for finding weights."""
        return Tape(f"{self.name}.{name}".lstrip("."), self.steps)

    def __call__(self, operator, *inputs, **attributes):
        inputs = [np.float32(one) if isinstance(one, float) else one for one in inputs]
        result = DERIVED[operator][0](*inputs, **attributes)
        self.steps.append((operator, inputs, attributes, result))
        return result

    def reshape(self, x, shape):
        return self("Reshape", x, shape=shape)

    def gradients(self, result, gradient):
        """The gradients by id() of every array that led to `result`."""
        found = {id(result): gradient}
        for operator, inputs, attributes, y in reversed(self.steps):
            if (g := found.pop(id(y), None)) is None:
                continue
            for one, change in zip(inputs, DERIVED[operator][1](g, y, *inputs, **attributes)):
                change = sum_to(change, one.shape)
                found[id(one)] = found[id(one)] + change if id(one) in found else change
        return found


def sum_to(gradient, shape):
    """Adds up what broadcasting had spread."""
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    return gradient.sum(tuple(i for i, n in enumerate(shape) if n == 1 != gradient.shape[i]), keepdims=True).reshape(shape)


# ---------------------------------------------------------------- writing the graph


class Export:
    """Turns the calls into ONNX nodes; values are names."""

    def __init__(self, name="", graph=None):
        self.name, self.graph = name, graph or {"nodes": [], "constants": {}}

    def at(self, name):
        return Export(f"{self.name}.{name}".lstrip("."), self.graph)

    def constant(self, value):
        """A number or a vector of integers, stored once."""
        array = np.asarray(value, np.float32 if isinstance(value, float) else np.int64)
        name = "constant_" + "_".join(f"{one:g}" for one in array.reshape(-1))
        self.graph["constants"].setdefault(f"{name}_{array.dtype.kind}{array.ndim}", array)
        return f"{name}_{array.dtype.kind}{array.ndim}"

    def __call__(self, operator, *inputs, **attributes):
        inputs = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        path = f"/{self.name.replace('.', '/')}/{operator}"
        count = sum(node.name.split("#")[0] == path for node in self.graph["nodes"])
        path += f"#{count}" if count else ""
        node = helper.make_node(operator, inputs, [f"{path}_output"], name=path, **attributes)
        self.graph["nodes"].append(node)
        return node.output[0]

    def reshape(self, x, shape):
        """The batch is read off the value's shape, as a tracing exporter does."""
        batch = self("Unsqueeze", self("Gather", self("Shape", x), 0, axis=0), (0,))
        rest = [self.constant((size,)) for size in shape[1:]]
        return self("Reshape", x, self("Concat", batch, *rest, axis=0))

    def model(self, weights, result):
        stored = {**weights, **self.graph["constants"]}
        self.graph["nodes"][-1].output[0] = result
        graph = helper.make_graph(
            self.graph["nodes"],
            "digits",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["batch", CLASSES])],
            [numpy_helper.from_array(value, name) for name, value in stored.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made, full_check=True)
        return made


# ---------------------------------------------------------------- training


def moved(generator, images):
    """The images moved by up to one pixel each way and with a little noise."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    result = np.empty_like(images)
    for index, (top, left) in enumerate(generator.integers(0, 3, (len(images), 2))):
        result[index] = padded[index, :, top : top + 8, left : left + 8]
    return result + np.float32(0.05) * generator.standard_normal(result.shape, dtype=np.float32)


def train(generator, images, labels, epochs, size=64, rate=2e-3, decay=0.02):
    """Adam with decay; the result is the running mean of the weights. Returns weights by name."""
    weights = fresh_weights(generator)
    mean = {name: value.copy() for name, value in weights.items()}
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    per_epoch = len(images) // size
    for step in range(epochs * per_epoch):
        if step % per_epoch == 0:
            order = generator.permutation(len(images))
        picked = order[step % per_epoch * size :][:size]
        tape = Tape()
        logits = model(tape, weights, moved(generator, images[picked]))
        chances = softmax(logits)
        loss = -np.log(chances[np.arange(size), labels[picked]]).mean()
        wanted = np.full((size, CLASSES), 0.05 / CLASSES, np.float32)
        wanted[np.arange(size), labels[picked]] += 0.95
        gradients = tape.gradients(logits, (chances - wanted) / np.float32(size))
        done = step / (epochs * per_epoch)
        now = rate * min(1, step / 200) * (0.5 + 0.5 * math.cos(math.pi * done))
        for name, value in weights.items():
            g = gradients[id(value)]
            first[name] += np.float32(0.1) * (g - first[name])
            second[name] += np.float32(0.01) * (g * g - second[name])
            scale = now * math.sqrt(1 - 0.99 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            value -= np.float32(scale) * first[name] / (np.sqrt(second[name]) + np.float32(1e-8))
            if value.ndim == 2:
                value -= np.float32(now * decay) * value
            mean[name] += np.float32(0.01) * (value - mean[name])
        if step % (per_epoch * 20) == 0:
            print(f"epoch {step // per_epoch:4} loss {loss:.4f}", flush=True)
    return mean


def accuracy(weights, images, labels):
    return float((model(Tape(), weights, images).argmax(-1) == labels).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=200)
    args = parser.parse_args()
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    images, test_images, labels, test_labels = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    weights = train(np.random.default_rng(SEED), images, labels, args.epochs)
    print(f"accuracy: {accuracy(weights, images, labels):.2%} of {len(labels)} training images, "
          f"{accuracy(weights, test_images, test_labels):.2%} of {len(test_labels)} test images")

    graph = Export()
    names = {name: name for name in weights}
    model(graph, names, "images")
    (HERE / "digits.onnx").write_bytes(graph.model(weights, "logits").SerializeToString())
    # the first test image of each digit
    shown = [int(np.flatnonzero(test_labels == digit)[0]) for digit in range(CLASSES)]
    (HERE / "input").mkdir(exist_ok=True)
    tensor = numpy_helper.from_array(test_images[shown], "images")
    (HERE / "input" / "input_0.pb").write_bytes(tensor.SerializeToString())
    (HERE / "labels.json").write_text(json.dumps([int(test_labels[one]) for one in shown]) + "\n")


if __name__ == "__main__":
    main()
