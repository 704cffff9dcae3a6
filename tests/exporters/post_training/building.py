"""Small networks written node by node, and images for them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ..conftest import run_onnx

__all__ = ["Net", "counted", "images", "relative", "tensor"]


class Net:
    """A chain of nodes; each one reads what the one before it made, unless told otherwise."""

    def __init__(self, channels: int = 3, size: int = 8, opset: int = 17, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.shape = ["batch", channels, size, size]
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.last = "input"

    def constant(self, name: str, value) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def random(self, name: str, *shape: int, spread: float = 0.5) -> str:
        return self.constant(name, self.generator.normal(0, spread, shape).astype(np.float32))

    def add(self, op: str, *more: str, name: str = "", **attributes) -> Net:
        name = name or f"{op.lower()}{len(self.nodes)}"
        node = helper.make_node(op, [self.last, *more], [name], name, **attributes)
        self.nodes.append(node)
        self.last = name
        return self

    def conv(self, name, outputs, inputs, kernel=3, groups=1, bias=True, **attributes) -> Net:
        """``inputs`` are those of one group."""
        attributes.setdefault("pads", [kernel // 2] * 4)
        weights = [self.random(f"{name}.weight", outputs, inputs, kernel, kernel)]
        if bias:
            weights.append(self.random(f"{name}.bias", outputs))
        return self.add("Conv", *weights, name=name, group=groups, **attributes)

    def gemm(self, name, outputs, inputs, transposed=True, bias=(None,), **attributes) -> Net:
        """``bias`` is its shape, None in it for ``outputs``; an empty one means none at all."""
        shape = (outputs, inputs) if transposed else (inputs, outputs)
        weights = [self.random(f"{name}.weight", *shape)]
        if bias is not False:
            dims = [outputs if size is None else size for size in bias]
            weights.append(self.random(f"{name}.bias", *dims))
        return self.add("Gemm", *weights, name=name, transB=int(transposed), **attributes)

    def clip(self, low: float | None = 0.0, high: float | None = 6.0, name: str = "") -> Net:
        limits = [
            "" if value is None else self.constant(f"limit {value}", np.float32(value))
            for value in (low, high)
        ]
        return self.add("Clip", *limits, name=name)

    def build(self, *outputs: str) -> ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, self.shape)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                for name in outputs or (self.last,)
            ],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        kinds = {
            value.name: value.type for value in (*inferred.graph.value_info, *inferred.graph.output)
        }
        for value in model.graph.output:
            value.type.CopyFrom(kinds[value.name])
        onnx.checker.check_model(model, full_check=True)
        return model


def images(
    channels: int = 3, size: int = 8, count: int = 64, batch: int = 16, seed: int = 0
) -> Callable[[], Iterator[np.ndarray]]:
    """Smooth noise: neighbouring pixels and channels agree, as in a photograph."""
    generator = np.random.default_rng(seed)
    shared = generator.standard_normal((count, 1, size, size))
    own = generator.standard_normal((count, channels, size, size))
    pixels = np.cumsum(shared + 0.5 * own, axis=3) * 0.5
    pixels = pixels.astype(np.float32)

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, count, batch):
            yield pixels[start : start + batch].copy()

    return batches


def counted(source, alive: list[int]):
    """``source`` noting how many of the batches it gave are still held when it gives the next."""

    def batches():
        given: list[weakref.ref] = []
        for batch in source():
            given.append(weakref.ref(batch))
            yield batch
            del batch
            alive.append(sum(reference() is not None for reference in given))

    return batches


def tensor(model: ModelProto, name: str) -> np.ndarray:
    """The value of an initialiser."""
    return numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))


def relative(before: ModelProto, after: ModelProto, given: np.ndarray) -> float:
    """The greatest difference of the first outputs, relative to the greatest output."""
    expected, found = run_onnx(before, given), run_onnx(after, given)
    return float(np.abs(expected - found).max() / np.abs(expected).max())
