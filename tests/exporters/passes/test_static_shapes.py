"""Sizes that a graph computes are stored where they are settled, for any batch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from nnc.exporters.passes import dead_code, shuffle, static_shapes

from ..conftest import run_onnx
from .test_int8_passes import network, node, normal, stored


class Sizes:
    """Nodes that compute with the shape of ``x``, as TorchScript's exporter writes them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def ints(self, value) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(value, np.int64)
        return name

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(kind, list(inputs), [name], **attributes))
        return name

    def size(self, x: str, axis: int) -> str:
        return self.add("Gather", self.add("Shape", x), self.ints(axis), axis=0)

    def reshaped(self, x: str, *sizes: str | int) -> str:
        parts = [
            self.ints([size])
            if isinstance(size, int)
            else self.add("Unsqueeze", size, self.ints([0]))
            for size in sizes
        ]
        return self.add("Reshape", x, self.add("Concat", *parts, axis=0))

    def left(self, y: str, *, rank: int = 4, batches=(1, 3), dims=("n", 3, 8, 8)) -> list[str]:
        """The operators left by the pass, which must not change a bit of the outputs."""
        self.nodes[-1].output[0] = "y"
        assert y == f"t{len(self.nodes) - 1}"
        model = network(self.nodes, self.constants, rank=rank)
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, dims))
        images = [normal(batch, 3, 8, 8) for batch in batches]
        before = [run_onnx(model, x) for x in images]
        static_shapes.apply(model)
        dead_code.apply(model)
        onnx.checker.check_model(model, full_check=True)
        for x, expected in zip(images, before, strict=True):
            np.testing.assert_array_equal(run_onnx(model, x), expected)
        self.model = model
        return [n.op_type for n in model.graph.node]


def shuffled(net: Sizes, x: str, channels: int, groups: int) -> str:
    """A shuffle whose every size is computed."""
    n, c, h, w = (net.size(x, axis) for axis in range(4))
    each = net.add("Cast", net.add("Div", c, net.ints(groups)), to=TensorProto.INT64)
    x = net.add("Transpose", net.reshaped(x, n, groups, each, h, w), perm=[0, 2, 1, 3, 4])
    return net.reshaped(x, n, channels, h, w)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 3), st.sampled_from(["n", 3]))
def test_shuffles_of_computed_sizes_have_constant_targets(groups, rounds, batch):
    net = Sizes()
    net.constants["w"] = normal(12, 3, 1, 1)
    x = net.add("Conv", "x", "w")
    for _ in range(rounds):
        x = shuffled(net, x, 12, groups)
    batches = (1, 3) if batch == "n" else (3,)
    left = net.left(x, batches=batches, dims=(batch, 3, 8, 8))
    assert left == ["Conv", *["Reshape", "Transpose", "Reshape"] * rounds]


def chunk(net: Sizes, x: str, index: int) -> str:
    """Half of the channels, between bounds that are computed."""
    step = net.add("Add", net.size(x, 1), net.ints([1]))
    step = net.add("Div", step, net.ints([2]))
    start, end = (net.add("Mul", step, net.ints([index + more])) for more in (0, 1))
    return net.add("Slice", x, start, end, net.ints([1]))


def test_a_shuffle_net_of_computed_sizes_has_no_shuffles():
    net = Sizes()
    for index in range(6):
        net.constants[f"w{index}"] = normal(4 if index else 8, 4 if index else 3, 1, 1, seed=index)
    x = shuffled(net, net.add("Conv", "x", "w0"), 8, 2)
    for index in (1, 2):
        right = net.add("Relu", net.add("Conv", chunk(net, x, 1), f"w{index}"))
        x = shuffled(net, net.add("Concat", chunk(net, x, 0), right, axis=1), 8, 2)
    net.constants["last"] = normal(5, 8, 1, 1, seed=9)
    left = net.left(net.add("Conv", x, "last"))
    assert "Shape" not in left
    image = normal(2, 3, 8, 8)
    before = run_onnx(net.model, image)
    assert shuffle.apply(net.model).changed
    onnx.checker.check_model(net.model, full_check=True)
    kinds = {n.op_type for n in net.model.graph.node}
    assert not kinds & {"Reshape", "Transpose", "Slice"}
    np.testing.assert_allclose(run_onnx(net.model, image), before, rtol=1e-5, atol=1e-5)


def test_the_batch_and_a_size_left_over():
    net = Sizes()
    assert net.left(net.reshaped("x", net.size("x", 0), -1), rank=2) == ["Reshape"]
    assert stored(net.model, net.model.graph.node[0].input[1]).tolist() == [0, -1]


COMPUTED = ["Shape", "Gather", "Unsqueeze", "Concat", "Reshape"]


def test_two_open_sizes_stay_computed():
    net = Sizes()
    n, h = net.size("x", 0), net.size("x", 2)
    left = net.left(net.reshaped("x", h, 3, n, 8), dims=("n", 3, "h", 8))
    assert left == [*COMPUTED[:2] * 2, "Unsqueeze", *COMPUTED[2:]]


def test_the_open_size_of_another_axis_is_no_zero():
    net = Sizes()
    n = net.size("x", 0)
    x = net.add("Transpose", "x", perm=[1, 0, 2, 3])
    assert net.left(net.reshaped(x, n, -1), rank=2)[-1] == "Reshape"
    assert "Shape" in {one.op_type for one in net.model.graph.node}


@pytest.mark.parametrize("start", [0, 1, -2])
@pytest.mark.parametrize("end", [2, 4, -1])
def test_parts_of_a_shape(start, end):
    net = Sizes()
    part = net.add("Slice", net.add("Shape", "x"), net.ints([start]), net.ints([end]))
    total = net.add("Cast", net.add("ReduceProd", part, keepdims=0), to=TensorProto.FLOAT)
    left = net.left(net.add("Mul", "x", total))
    batch = 0 in range(4)[start:end]
    assert left == (["Shape", "Slice", "ReduceProd", "Cast", "Mul"] if batch else ["Mul"])


def test_a_part_that_the_node_itself_picks_and_the_number_of_elements():
    net = Sizes()
    part = net.add("ReduceProd", net.add("Shape", "x", start=1), keepdims=0)
    every = net.add("Add", part, net.add("Size", "x"))
    total = net.add("Cast", every, to=TensorProto.FLOAT)
    left = net.left(net.add("Mul", "x", total), dims=(2, 3, 8, 8), batches=(2,))
    assert left == ["Mul"]


def test_a_shape_that_is_an_output_stays():
    model = network([node("Shape", ["x"], ["y"], start=1)], {}, rank=1)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    assert not static_shapes.apply(model).changed


@pytest.mark.parametrize("pick", ["Gather", "Slice"])
def test_sizes_keep_the_width_that_they_were_cast_to(pick):
    """Arithmetic on shapes in int32, as TensorFlow's converters write it."""
    net = Sizes()
    sizes = net.add("Cast", net.add("Shape", "x"), to=TensorProto.INT32)
    if pick == "Gather":
        part = net.add("Gather", sizes, net.ints([1]), axis=0)
    else:
        part = net.add("Slice", sizes, net.ints([1]), net.ints([2]))
    net.constants["two"] = np.array([2], np.int32)
    total = net.add("Cast", net.add("Mul", part, "two"), to=TensorProto.FLOAT)
    assert net.left(net.add("Mul", "x", total)) == ["Mul"]
