"""Random small networks with random channel groups zeroed keep their outputs and only shrink."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from nnc.exporters.channels import analyse

from .building import CHANNELS, SIDE, Net, compacted, zero_groups

BLOCKS = (
    "plain", "norm", "residual", "projected", "depthwise", "multiplied", "grouped", "excited",
    "concat", "split", "shuffle", "gather", "slice", "pad", "sum of constants", "upsampled",
)  # fmt: skip


def act(net: Net, x: str) -> str:
    kind = net.random.choice(["Relu", "HardSwish", "Sigmoid", "LeakyRelu", "Clip"])
    if kind == "Clip":
        return net.add("Clip", x, net.constant(np.float32(0)), net.constant(np.float32(6)))
    return net.add(str(kind), x)


def excited(net: Net, x: str, width: int) -> str:
    gate = net.conv(net.add("GlobalAveragePool", x), width, max(width // 2, 1))
    gate = net.conv(net.add("Relu", gate), max(width // 2, 1), width)
    return net.add("Mul", x, net.add("HardSigmoid", gate))


def shuffled(net: Net, x: str, width: int) -> str:
    x = net.add("Reshape", x, net.ints(-1, 2, width // 2, SIDE, SIDE))
    x = net.add("Transpose", x, perm=[0, 2, 1, 3, 4])
    return net.add("Reshape", x, net.ints(-1, width, SIDE, SIDE))


def block(net: Net, kind: str, x: str, width: int) -> tuple[str, int]:
    """One building block; returns its output and how many channels that has. Widths are even."""
    bias = bool(net.random.integers(2))
    size = int(net.random.choice([1, 3]))
    if kind == "plain":
        out = 2 * int(net.random.integers(1, 6))
        return act(net, net.conv(x, width, out, size, bias=bias)), out
    if kind == "norm":
        y = net.norm(net.conv(x, width, width, size, bias=bias), width)
        return act(net, y), width
    if kind == "residual":
        y = act(net, net.norm(net.conv(x, width, 6, size, bias=False), 6))
        return net.add("Add", x, net.conv(y, 6, width, size, bias=bias)), width
    if kind == "projected":
        return net.add("Add", net.conv(x, width, 8, size), net.conv(x, width, 8, bias=bias)), 8
    if kind == "depthwise":
        y = net.conv(x, width, width, 3, group=width, bias=bias)
        return act(net, net.norm(y, width)), width
    if kind == "multiplied":
        y = net.conv(x, width, 2 * width, 3, group=width, bias=bias)
        return net.conv(act(net, y), 2 * width, 6, size), 6
    if kind == "grouped":
        return act(net, net.conv(x, width, 4 * 2, 3, group=2, bias=bias)), 8
    if kind == "excited":
        return excited(net, x, width), width
    if kind == "concat":
        parts = [
            x,
            act(net, net.conv(x, width, 4, size)),
            net.add("MaxPool", x, kernel_shape=[1, 1]),
        ]
        return net.add("Concat", *parts, axis=1), 2 * width + 4
    if kind == "split":
        left, right = net.add("Split", x, net.ints(width // 2, width // 2), outputs=2, axis=1)
        right = act(net, net.conv(right, width // 2, width // 2, size, bias=bias))
        return net.add("Concat", left, right, axis=1), width
    if kind == "shuffle":
        return shuffled(net, x, width), width
    if kind == "gather":
        order = net.random.permutation(width)
        return net.add("Gather", x, net.constant(order), axis=1), width
    if kind == "slice":
        y = net.add("Slice", x, net.ints(0), net.ints(2), net.ints(1))
        return net.add("Concat", net.conv(y, 2, 4), x, axis=1), width + 4
    if kind == "pad":
        return net.add("Pad", x, net.ints(0, 1, 0, 0, 0, 1, 0, 0)), width + 2
    if kind == "sum of constants":
        return net.add(
            "Sub", net.add("Mul", x, net.weight(width, 1, 1)), net.weight(width, 1, 1)
        ), width
    y = net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    return net.add("Resize", y, "", scales, mode="nearest"), width


def network(kinds: list[str], head: str, seed: int) -> onnx.ModelProto:
    net = Net(seed)
    x, width = net.conv("x", CHANNELS, 8, 3), 8
    for kind in kinds:
        x, width = block(net, kind, x, width)
    if head == "pool":
        return net.model(net.gemm(net.head(x, width, 7), 7, 5))
    if head == "flatten":
        hidden = net.gemm(net.add("Flatten", x), width * SIDE * SIDE, 6)
        return net.model(net.gemm(net.add("Relu", hidden), 6, 5))
    if head == "matmul":
        y = net.add("ReduceMean", x, net.ints(2, 3), keepdims=0)
        y = net.add("Add", net.add("MatMul", y, net.weight(width, 6)), net.weight(6))
        return net.model(net.add("MatMul", net.add("Tanh", y), net.weight(6, 5)))
    return net.model(net.conv(x, width, 5, 3, pads=[0] * 4))


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(BLOCKS), max_size=5),
    head=st.sampled_from(["pool", "flatten", "matmul", "conv"]),
    share=st.sampled_from([0.2, 0.5, 0.8]),
    seed=st.integers(0, 999),
)
def test_outputs_stay_and_nothing_is_left_to_remove(kinds, head, share, seed):
    model = network(kinds, head, seed)
    zero_groups(model, share, seed)
    compacted(model)


def zero_slices(model: onnx.ModelProto, seed: int) -> None:
    """Zero random filters, inputs and entries of every weight; biases mostly stay."""
    random = np.random.default_rng(seed)
    scales = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input}
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor).copy()
        if value.dtype.kind != "f" or not value.ndim or tensor.name in scales:
            continue
        for axis in range(min(value.ndim, 2)):
            if random.random() < (0.7 if value.ndim > 1 else 0.2):
                gone = random.random(value.shape[axis]) < random.choice([0.3, 0.6, 1.0])
                np.moveaxis(value, axis, 0)[gone] = 0
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(BLOCKS), max_size=5),
    head=st.sampled_from(["pool", "flatten", "matmul", "conv"]),
    seed=st.integers(0, 999),
)
def test_outputs_stay_whatever_is_zero(kinds, head, seed):
    model = network(kinds, head, seed)
    zero_slices(model, seed)
    compacted(model, settled=False)


@pytest.mark.parametrize("kind", BLOCKS)
def test_zeroed_groups_are_gone_behind_every_block(kind):
    model = network(["norm", kind, "norm"], "pool", seed=1)
    before = analyse(model).count
    dead = zero_groups(model, 0.5, seed=1)
    assert dead
    assert analyse(compacted(model).model).count <= before - dead


@settings(max_examples=15, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(BLOCKS), max_size=4),
    multiple=st.sampled_from([2, 3, 8]),
    seed=st.integers(0, 999),
)
def test_layers_keep_a_multiple_or_all_they_have(kinds, multiple, seed):
    model = network(kinds, "pool", seed)
    zero_groups(model, 0.6, seed)
    compaction = compacted(model, round_to=multiple).compaction
    for layer in compaction.layers:
        assert layer.after < layer.before
        assert "depthwise" in kinds or "multiplied" in kinds or layer.after % multiple == 0
