"""Small ONNX graphs with random weights, and what must hold when they are made compact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.channels import Compaction, analyse, compact

CHANNELS, SIDE = 3, 6


class Net:
    """Writes a graph node by node; weights are named ``w0``, ``w1``, ... unless told."""

    def __init__(self, seed: int = 0, *, opset: int = 18, dtype: Any = np.float32) -> None:
        self.random = np.random.default_rng(seed)
        self.opset = opset
        self.dtype = np.dtype(dtype)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: Any, name: str = "") -> str:
        """An initialiser."""
        name = name or f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def weight(self, *shape: int, name: str = "", dead: Any = (), axis: int = 0) -> str:
        """Random real numbers, zero at ``dead`` along ``axis``."""
        value = self.random.normal(0.1, 0.5, shape)
        np.moveaxis(value, axis, 0)[list(dead)] = 0
        return self.constant(value.astype(self.dtype), name)

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node; returns its output's name, or a list of several."""
        self._count += 1
        names = [f"t{self._count}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, f"n{self._count}", **attributes))
        return names if outputs > 1 else names[0]

    def conv(
        self,
        x: str,
        into: int,
        out: int,
        size: int = 1,
        *,
        group: int = 1,
        bias: bool = True,
        dead: Any = (),
        name: str = "",
        **attributes: Any,
    ) -> str:
        """A convolution whose ``dead`` filters are zero, biases too."""
        attributes.setdefault("pads", [size // 2] * 4)
        stem = name or f"w{self._count}"
        inputs = [x, self.weight(out, into // group, size, size, name=stem, dead=dead)]
        if bias:
            inputs.append(self.weight(out, name=f"{stem}.bias", dead=dead))
        return str(self.add("Conv", *inputs, group=group, **attributes))

    def norm(self, x: str, channels: int, dead: Any = ()) -> str:
        """A batch-norm; of ``dead`` channels it makes zero."""
        names = [self.weight(channels, dead=dead), self.weight(channels, dead=dead)]
        names += [self.weight(channels, dead=dead)]
        variance = self.random.uniform(0.5, 2, channels).astype(self.dtype)
        return str(self.add("BatchNormalization", x, *names, self.constant(variance)))

    def gemm(self, x: str, into: int, out: int, *, dead: Any = (), name: str = "") -> str:
        """A fully-connected layer as PyTorch writes it."""
        stem = name or f"w{self._count}"
        weight = self.weight(out, into, name=stem, dead=dead)
        return str(
            self.add("Gemm", x, weight, self.weight(out, name=f"{stem}.bias", dead=dead), transB=1)
        )

    def head(self, x: str, channels: int, classes: int = 5) -> str:
        """Global pooling, Flatten and a fully-connected layer."""
        return self.gemm(
            self.add("Flatten", self.add("GlobalAveragePool", x)), channels, classes, name="head"
        )

    def model(
        self, *outputs: str, shape: Any = ("n", CHANNELS, SIDE, SIDE), domains: Any = ()
    ) -> onnx.ModelProto:
        """The graph from ``x`` to ``outputs``."""
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", kind, list(shape))],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            self.tensors,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        # The checker wants to know the rank of every output.
        for value, output in zip(model.graph.output, run(model), strict=True):
            rank = helper.make_tensor_value_info(
                value.name, helper.np_dtype_to_tensor_dtype(output.dtype), [None] * output.ndim
            )
            value.CopyFrom(rank)
        return model


def first(net: Net, dead: Any = (0, 2, 5)) -> str:
    """A convolution of 8 filters called ``first``."""
    return net.conv("x", CHANNELS, 8, 3, dead=dead, name="first")


def run(model: onnx.ModelProto, *shape: int, seed: int = 9) -> list[np.ndarray]:
    """All outputs for random images of ``shape``, or of the shape that the model declares."""
    spec = model.graph.input[0]
    declared = [
        size.dim_value or (SIDE if axis else 1)
        for axis, size in enumerate(spec.type.tensor_type.shape.dim)
    ]
    dtype = helper.tensor_dtype_to_np_dtype(spec.type.tensor_type.elem_type)
    random = np.random.default_rng(seed)
    images = random.normal(size=shape or declared).astype(dtype)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {spec.name: images})


def assert_close(found: list[np.ndarray], expected: list[np.ndarray], limit: float) -> None:
    """Every output within ``limit`` of the largest expected value."""
    for after, before in zip(found, expected, strict=True):
        assert after.shape == before.shape
        assert after.dtype == before.dtype
        scale = float(np.abs(before).max()) or 1.0
        assert float(np.abs(after.astype(np.float64) - before).max()) <= limit * scale


@dataclass(frozen=True)
class Compacted:
    """A model after compaction, in which everything that must hold has been checked."""

    model: onnx.ModelProto
    compaction: Compaction

    def shape(self, name: str) -> tuple[int, ...]:
        """Of an initialiser."""
        return next(tuple(t.dims) for t in self.model.graph.initializer if t.name == name)

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.model.graph.node]

    @property
    def pinned(self) -> dict[str, int]:
        """Operator -> channels that pass through it."""
        return {one.operator: one.channels for one in self.compaction.unprunable}


def parameters(model: onnx.ModelProto) -> int:
    """Floating-point numbers in the file."""
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    return sum(int(np.prod(t.dims)) for t in model.graph.initializer if t.data_type in floats)


def compacted(
    model: onnx.ModelProto,
    *,
    round_to: int = 1,
    limit: float = 1e-4,
    check: bool = True,
    settled: bool = True,
    shapes: Any = (),
) -> Compacted:
    """Compact ``model``: same outputs, valid, no larger, and with nothing left to find.

    ``shapes`` are those of the images that are tried; without them the declared one, with batches
    of one and three where the batch is open. Where a whole region is dead, what is left of it may
    become simpler in a way that lets more go; it is not ``settled``.
    """
    if not shapes:
        sizes = [s.dim_value for s in model.graph.input[0].type.tensor_type.shape.dim]
        sizes = [size or (0 if axis == 0 else SIDE) for axis, size in enumerate(sizes)]
        shapes = [(batch, *sizes[1:]) for batch in ((sizes[0],) if sizes[0] else (1, 3))]
    if check:
        onnx.checker.check_model(model)
    before, size = [run(model, *shape) for shape in shapes], parameters(model)
    compaction = compact(model, round_to=round_to)
    if check:
        onnx.checker.check_model(model, full_check=True)
    for shape, expected in zip(shapes, before, strict=True):
        assert_close(run(model, *shape), expected, limit)
    assert parameters(model) <= size
    if settled and round_to == 1:
        again = onnx.ModelProto()
        again.CopyFrom(model)
        assert compact(again).layers == ()
        assert parameters(again) == parameters(model)
    return Compacted(model, compaction)


def zero_groups(model: onnx.ModelProto, share: float, seed: int = 0) -> int:
    """Zero a random ``share`` of every block's channel groups, all but one at most; how many."""
    groups = analyse(model)
    random = np.random.default_rng(seed)
    dead = np.zeros(groups.count + 1, bool)
    for block in range(groups.blocks.max(initial=-1) + 1):
        members = random.permutation(np.flatnonzero(groups.blocks == block))
        dead[members[: min(int(len(members) * share), len(members) - 1)]] = True
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for axis in groups.axes:
        if axis.role in ("makes", "scales"):
            value = numpy_helper.to_array(tensors[axis.parameter]).copy()
            gone = (axis.groups >= 0) & dead[axis.groups]
            np.moveaxis(value, axis.axis, 0)[gone] = 0
            tensors[axis.parameter].CopyFrom(numpy_helper.from_array(value, axis.parameter))
    return int(dead.sum())
