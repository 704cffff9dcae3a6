"""A command line to call, small real data, and small files of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.model_card import InputSpec, ModelCard, Stage
from nnc.runtimes.onnx_model.files import save_model, write_properties
from nnc.toolchain.cli.main import run_command_line
from nnc.toolchain.data import open_data

CLASSES = 10
SIZE = 28


@dataclass(frozen=True)
class Outcome:
    """What one command came to."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]


UNGUARDED = ("--no-max-drop", "--no-never-slower", "--calibration", "minmax")
"""For quantising networks so small that int8 has nothing to win there."""


@pytest.fixture
def nnc(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process."""

    def call(*arguments: object) -> Outcome:
        code = run_command_line([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


def tiny_model() -> onnx.ModelProto:
    """Conv, Relu, Conv, Relu, GlobalAveragePool, Flatten, Gemm on [N, 1, 28, 28], dynamic N."""
    random = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(random.normal(0, 0.3, shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["input", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [
            weights("w1", 8, 1, 3, 3),
            weights("b1", 8),
            weights("w2", 16, 8, 3, 3),
            weights("b2", 16),
            weights("w3", 16, CLASSES),
            weights("b3", CLASSES),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def tiny_card() -> ModelCard:
    """The card of the tiny networks: trained, as it says, on the bundled data."""
    return ModelCard(
        input=InputSpec(1, SIZE, SIZE, (0.5,), (0.5,)),
        labels=open_data("fashion-mnist-mini").classes,
        architecture="mobilenet",
        history=(Stage("train", {"data": "fashion-mnist-mini", "epochs": 1}),),
    )


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ONNX file with nnc's metadata."""
    model = tiny_model()
    write_properties(model, tiny_card().to_properties())
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    save_model(model, path)
    return path


@pytest.fixture(scope="session")
def foreign_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, from another tool."""
    path = tmp_path_factory.mktemp("foreign") / "foreign.onnx"
    save_model(tiny_model(), path)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained MobileNetV2 as a checkpoint."""
    torch = pytest.importorskip("torch")

    from nnc import models

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "network.safetensors"
    models.save(path, models.build("mobilenet", CLASSES, 1), tiny_card())
    return path
