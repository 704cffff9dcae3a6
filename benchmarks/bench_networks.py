"""Networks of a known amount of work, and a load to measure them under: what bench_*.py share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

CHANNELS, SIZE, CLASSES = 16, 28, 10

LOAD = """
import random, sys, time
import numpy as np
source = random.Random(int(sys.argv[1]))
block = np.ones(4_000_000)
while True:
    end = time.perf_counter() + source.expovariate(1 / 0.3)
    kind = source.randrange(3)
    while time.perf_counter() < end:
        if kind == 0:
            sum(range(20_000))
        elif kind == 1:
            block[:] = block * 1.0000001
        else:
            time.sleep(0.01)
"""
"""Bursts of 0.3 s on average: arithmetic, memory traffic, rest."""


def stack(path: Path, blocks: int, seed: int = 0) -> Path:
    """Write a network of ``blocks`` equal convolutions (16 to 16 channels at 28x28, ReLU).

    Weights are random, so that it answers nonsense; the time is that of its 1.8 million MACs a
    block.
    """
    from onnx import TensorProto, helper, numpy_helper

    from nnc.model_card import InputSpec, ModelCard
    from nnc.runtimes.onnx_model.files import write_properties

    source = np.random.default_rng(seed)
    nodes, weights, before = [], [], "x"
    for index in range(blocks):
        inner = CHANNELS if index else 1
        values = source.normal(0, (2 / (9 * inner)) ** 0.5, (CHANNELS, inner, 3, 3))
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{index}"))
        names = [before, f"w{index}"]
        nodes.append(helper.make_node("Conv", names, [f"c{index}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        before = f"r{index}"
    last = source.normal(0, 0.25, (CHANNELS, CLASSES)).astype(np.float32)
    weights.append(numpy_helper.from_array(last, "last"))
    nodes += [
        helper.make_node("GlobalAveragePool", [before], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "last"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    card = ModelCard(InputSpec(1, SIZE, SIZE, (0.5,), (0.5,)), tuple("0123456789"))
    write_properties(model, card.to_properties())
    path.write_bytes(model.SerializeToString())
    return path


def reader(path: Path, row: int) -> Path:
    """Write a network that answers what stands in one of the two rows of a 2x10 image, one-hot.

    So the images say what it gets right and wrong.
    """
    from onnx import TensorProto, helper, numpy_helper

    from nnc.model_card import InputSpec, ModelCard
    from nnc.runtimes.onnx_model.files import write_properties

    weights = np.zeros((2 * CLASSES, CLASSES), np.float32)
    weights[row * CLASSES : (row + 1) * CLASSES] = np.eye(CLASSES)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["y"]),
        ],
        "reader",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 2, CLASSES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    card = ModelCard(InputSpec(1, 2, CLASSES, (0.0,), (1.0,)), tuple("0123456789"))
    write_properties(model, card.to_properties())
    path.write_bytes(model.SerializeToString())
    return path


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep so many other processes at work, each two thirds of the time."""
    started = [
        subprocess.Popen([sys.executable, "-c", LOAD, str(number)]) for number in range(processes)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
