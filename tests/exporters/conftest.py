"""Small networks and real images for the exporters' tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.int8.settings import Int8Settings
from nnc.exporters.onnx_export import ExportResult, export
from nnc.model_card import InputSpec, ModelCard, Stage

AVX2 = Int8Settings(target="avx2", samples=96)
LABELS = tuple(f"class {i}" for i in range(10))


@dataclass(frozen=True)
class Exported:
    """A checkpoint of a whole network with random weights, and the ONNX file made of it."""

    checkpoint: Path
    onnx: Path
    card: ModelCard
    result: ExportResult


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    """Real FashionMNIST images, uint8 [192, 28, 28, 1]."""
    from nnc.toolchain.data import open_data

    return open_data("fashion-mnist-mini").training.take(np.arange(192), 28, 28)


@pytest.fixture(scope="session")
def card() -> ModelCard:
    spec = InputSpec(channels=1, height=28, width=28, mean=(0.286,), std=(0.353,))
    return ModelCard(spec, LABELS, history=(Stage("train", {"data": "fashion-mnist-mini"}),))


def randomised(name: str, seed: int = 0):
    """A network whose batch-norm parameters and statistics are all away from their defaults."""
    torch = pytest.importorskip("torch")

    from nnc.models import build

    torch.manual_seed(seed)
    network = build(name, 10, 1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.normal_(module.bias, 0.0, 0.2)
        elif isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.bias, 0.0, 0.1)
    network.train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(32, 1, 28, 28))
    return network.eval()


@pytest.fixture(scope="session")
def exported(tmp_path_factory, pixels, card):
    """Export a network by name, once a session."""
    done: dict[str, Exported] = {}

    def get(name: str) -> Exported:
        if name not in done:
            from dataclasses import replace

            from nnc.models import save

            folder = tmp_path_factory.mktemp(name)
            checkpoint, path = folder / f"{name}.safetensors", folder / f"{name}.onnx"
            own = replace(card, architecture=name)
            save(checkpoint, randomised(name), own)
            result = export(checkpoint, path, images=pixels[:24])
            done[name] = Exported(checkpoint, path, own, result)
        return done[name]

    return get


def tiny_model(
    *,
    opset: int = 20,
    batch: int | str = "batch",
    channels: int = 1,
    size: int = 8,
    seed: int = 0,
) -> onnx.ModelProto:
    """Conv, Relu, MaxPool, Conv, Clip, Add, GlobalAveragePool, Flatten, Gemm."""
    rng = np.random.default_rng(seed)

    def constant(name: str, *shape: int):
        return numpy_helper.from_array(rng.normal(0, 0.4, shape).astype(np.float32), name)

    node = helper.make_node
    nodes = [
        node("Conv", ["input", "a.weight", "a.bias"], ["a"], "a", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "relu"),
        node("MaxPool", ["b"], ["c"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["c", "d.weight", "d.bias"], ["d"], "d", pads=[1, 1, 1, 1]),
        node("Clip", ["d", "zero", "six"], ["e"], "clip"),
        node("Add", ["c", "e"], ["f"], "add"),
        node("GlobalAveragePool", ["f"], ["g"], "mean"),
        node("Flatten", ["g"], ["h"], "flat"),
        node("Gemm", ["h", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, channels, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 10])],
        [
            constant("a.weight", 16, channels, 3, 3),
            constant("a.bias", 16),
            constant("d.weight", 16, 16, 3, 3),
            constant("d.bias", 16),
            constant("fc.weight", 10, 16),
            constant("fc.bias", 10),
            numpy_helper.from_array(np.float32(0), "zero"),
            numpy_helper.from_array(np.float32(6), "six"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture
def tiny(tmp_path) -> Path:
    path = tmp_path / "tiny.onnx"
    onnx.save(tiny_model(), path)
    return path


def noise(count=64, channels=1, size=8, batch=32, seed=0):
    """Calibration batches for the tiny network."""

    def images():
        rng = np.random.default_rng(seed)
        for _ in range(count // batch):
            yield rng.standard_normal((batch, channels, size, size)).astype(np.float32)

    return images


def run_onnx(model: onnx.ModelProto | Path, *inputs: np.ndarray) -> np.ndarray:
    """First output of a model in ONNX Runtime."""
    import onnxruntime as ort

    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    feeds = dict(zip([i.name for i in session.get_inputs()], inputs, strict=True))
    return session.run(None, feeds)[0]


def sqnr(reference: np.ndarray, found: np.ndarray) -> float:
    """Signal to quantisation noise, in dB."""
    noise = ((reference - found) ** 2).sum()
    return float(10 * np.log10((reference**2).sum() / noise))
