from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.passes import shuffle

from ..conftest import run_onnx


class Net:
    """Writes a network of ShuffleNetV2 units, with a depthwise reader at the end."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], outputs: int = 1, **attributes) -> list[str]:
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, names[0], **attributes))
        return names

    def conv(self, x: str, into: int, out: int, group: int = 1, size: int = 1) -> str:
        shape = (out, into // group, size, size)
        weight = self.constant(self.rng.normal(0, 0.5, shape).astype(np.float32))
        bias = self.constant(self.rng.normal(0, 0.5, out).astype(np.float32))
        pads = [size // 2] * 4
        return self.add("Conv", [x, weight, bias], group=group, pads=pads)[0]

    def shuffle(self, x: str, channels: int, groups: int = 2) -> str:
        wide = self.constant(np.array([-1, groups, channels // groups, 4, 4], np.int64))
        flat = self.constant(np.array([-1, channels, 4, 4], np.int64))
        x = self.add("Reshape", [x, wide])[0]
        x = self.add("Transpose", [x], perm=[0, 2, 1, 3, 4])[0]
        return self.add("Reshape", [x, flat])[0]

    def unit(self, x: str, half: int) -> str:
        sizes = self.constant(np.array([half, half], np.int64))
        left, right = self.add("Split", [x, sizes], 2, axis=1)
        right = self.add("Relu", [self.conv(right, half, half)])[0]
        right = self.conv(right, half, half, group=half, size=3)
        right = self.add("Relu", [self.conv(right, half, half)])[0]
        return self.shuffle(self.add("Concat", [left, right], axis=1)[0], 2 * half)

    def model(self, output: str, channels: int) -> onnx.ModelProto:
        self.add("Identity", [output])
        self.nodes[-1].output[0] = "y"
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", channels, 4, 4])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 18)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def stage(half: int, units: int, *, depthwise: bool, seed: int) -> onnx.ModelProto:
    net = Net(seed)
    a = net.add("Relu", [net.conv("x", 3, half)])[0]
    b = net.add("Clip", [net.conv("x", 3, half)])[0]
    x = net.shuffle(net.add("Concat", [a, b], axis=1)[0], 2 * half)
    for _ in range(units):
        x = net.unit(x, half)
    end = net.conv(x, 2 * half, 5)
    if depthwise:
        other = net.conv(x, 2 * half, 2 * half, group=2 * half, size=3)
        end = net.add("Add", [end, net.conv(other, 2 * half, 5)])[0]
    return net.model(end, 5)


X = np.random.default_rng(7).standard_normal((3, 3, 4, 4)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    half=st.integers(2, 9),
    units=st.integers(0, 4),
    depthwise=st.booleans(),
    seed=st.integers(0, 99),
)
def test_shuffles_vanish_and_outputs_stay(half, units, depthwise, seed):
    model = stage(half, units, depthwise=depthwise, seed=seed)
    before = run_onnx(model, X)
    result = shuffle.apply(model)
    onnx.checker.check_model(model, full_check=True)
    assert len(result.changes) == units + 1
    kinds = {node.op_type for node in model.graph.node}
    assert not {"Reshape", "Transpose"} & kinds
    np.testing.assert_allclose(run_onnx(model, X), before, rtol=1e-3, atol=1e-4)


def test_three_groups():
    net = Net(0)
    made = net.conv("x", 3, 12)
    end = net.conv(net.shuffle(made, 12, groups=3), 12, 5)
    model = net.model(end, 5)
    before = run_onnx(model, X)
    assert shuffle.apply(model).changed
    assert [node.op_type for node in model.graph.node][:2] == ["Conv", "Concat"]
    np.testing.assert_allclose(run_onnx(model, X), before, rtol=1e-4, atol=1e-5)


def shuffled_output():
    net = Net(0)
    return net.model(net.shuffle(net.conv("x", 3, 4), 4), 4)


def shuffled_input():
    net = Net(0)
    return net.model(net.conv(net.shuffle("x", 3, groups=3), 3, 4), 4)


def read_beside_the_shuffle():
    net = Net(0)
    made = net.conv("x", 3, 4)
    return net.model(net.add("Add", [made, net.conv(net.shuffle(made, 4), 4, 4)])[0], 4)


def shared_weights():
    net = Net(0)
    made = net.conv("x", 3, 3)
    end = net.conv(net.shuffle(made, 3, groups=3), 3, 3)
    net.nodes[-1].input[1] = net.nodes[0].input[1]
    return net.model(end, 3)


@pytest.mark.parametrize(
    "make", [shuffled_output, shuffled_input, read_beside_the_shuffle, shared_weights]
)
def test_what_cannot_be_reordered_is_left_as_it_was(make):
    model = make()
    before = model.SerializeToString(deterministic=True)
    assert not shuffle.apply(model).changed
    assert model.SerializeToString(deterministic=True) == before
