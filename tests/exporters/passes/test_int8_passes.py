"""Each pass for int8 leaves the outputs as they were, and does what it is for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.passes import (
    computed_constants,
    flatten,
    folded_rows,
    four_channels,
    full_lanes,
    norm_conv,
    scale_shift,
    spelling,
    tiled_gates,
    wide_groups,
)

from ..conftest import run_onnx

node = helper.make_node


def network(nodes, constants, *, channels=3, size=8, rank=4, opset=18):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.4, shape).astype(np.float32)


def applied(graph_pass, model, *, changed=True, channels=3, size=8):
    """Run the pass; the outputs must be what they were."""
    x = normal(2, channels, size, size, seed=9)
    before = run_onnx(model, x)
    result = graph_pass.apply(model)
    onnx.checker.check_model(model, full_check=True)
    assert result.changed == changed
    np.testing.assert_allclose(run_onnx(model, x), before, rtol=1e-4, atol=1e-5)
    return Counter(n.op_type for n in model.graph.node)


def stored(model, name):
    return numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))


@pytest.mark.parametrize(
    ("nodes", "kinds"),
    [
        ([node("HardSwish", ["x"], ["y"])], {"HardSigmoid": 1, "Mul": 1}),
        ([node("Sum", ["x", "x", "x"], ["y"], "sum")], {"Add": 2}),
    ],
)
def test_spelling(nodes, kinds):
    assert applied(spelling, network(nodes, {})) == kinds


def norm_nodes():
    return [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], epsilon=0.1)]


NORM = {"s": normal(3), "b": normal(3, seed=1), "m": normal(3, seed=2), "v": normal(3, seed=3) ** 2}


def test_a_normalisation_alone_becomes_a_depthwise_convolution():
    assert applied(norm_conv, network(norm_nodes(), NORM)) == {"Conv": 1}


def test_a_normalisation_with_computed_parameters_is_left():
    nodes = [node("Identity", ["s0"], ["s"]), *norm_nodes()]
    constants = {**NORM, "s0": NORM["s"]}
    del constants["s"]
    assert applied(norm_conv, network(nodes, constants), changed=False)["BatchNormalization"] == 1


@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 1, 1), (1,), ()])
@pytest.mark.parametrize("bias", [True, False])
def test_scales_and_shifts_go_into_the_convolution(shape, bias):
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    nodes = [
        node("Conv", inputs, ["p"]),
        node("Mul", ["s", "p"], ["q"]),
        node("Add", ["q", "t"], ["y"]),
    ]
    constants = {"w": normal(6, 3, 3, 3), "b": normal(6), "s": normal(*shape), "t": normal(*shape)}
    assert applied(scale_shift, network(nodes, constants)) == {"Conv": 1}


@pytest.mark.parametrize("shape", [(6,), (1, 1, 6), (6, 6, 6), (1, 1, 1, 6, 1, 1)])
def test_what_is_no_number_a_channel_stays(shape):
    nodes = [node("Conv", ["x", "w"], ["p"]), node("Mul", ["p", "s"], ["y"])]
    constants = {"w": normal(6, 3, 3, 3), "s": normal(*shape)}
    model = network(nodes, constants, rank=max(4, len(shape)))
    assert applied(scale_shift, model, changed=False)["Mul"] == 1


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(1, 24), width=st.integers(1, 20), per_group=st.integers(1, 3))
def test_groups_are_joined_exactly(groups, width, per_group):
    channels = groups * width
    weight = normal(groups * per_group, width, 3, 3)
    model = network(
        [node("Conv", ["x", "w"], ["y"], group=groups)], {"w": weight}, channels=channels
    )
    joined = next((k for k in range(2, groups + 1) if groups % k == 0 and k * width >= 16), 0)
    expected = 1 < width < 16 and groups > 1 and 0 < joined * width <= 48
    applied(wide_groups, model, changed=expected, channels=channels)
    assert stored(model, "w").shape[1] == (joined * width if expected else width)


def branch(channels, middle):
    """Pointwise, depthwise with squeeze-and-excitation, pointwise."""
    nodes = [
        node("Conv", ["x", "a", "a0"], ["p"]),
        node("Relu", ["p"], ["q"]),
        node("Conv", ["q", "d", "d0"], ["r"], group=middle, pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Conv", ["g", "e"], ["h"]),
        node("Conv", ["h", "f"], ["i"]),
        node("Sigmoid", ["i"], ["j"]),
        node("Mul", ["r", "j"], ["k"]),
        node("Conv", ["k", "b"], ["y"]),
    ]
    constants = {
        "a": normal(middle, channels, 1, 1),
        "a0": normal(middle, seed=1),
        "d": normal(middle, 1, 3, 3, seed=2),
        "d0": normal(middle, seed=3),
        "e": normal(4, middle, 1, 1, seed=4),
        "f": normal(middle, 4, 1, 1, seed=5),
        "b": normal(5, middle, 1, 1, seed=6),
    }
    return network(nodes, constants)


@pytest.mark.parametrize(("middle", "full"), [(12, 16), (24, 32), (58, 64), (32, 32), (17, 17)])
def test_lanes_are_filled_through_a_whole_branch(middle, full):
    model = branch(3, middle)
    applied(full_lanes, model, changed=middle != full)
    assert stored(model, "d").shape[0] == full
    assert stored(model, "a").shape[0] == stored(model, "b").shape[1] == full
    assert stored(model, "f").shape[0] == stored(model, "e").shape[1] == full


def test_channels_that_others_see_are_not_added_to():
    model = branch(3, 58)
    model.graph.output.append(helper.make_tensor_value_info("q", TensorProto.FLOAT, [None] * 4))
    assert not full_lanes.apply(model).changed
    concat = branch(3, 58)
    concat.graph.node[-1].input[0] = "c"
    concat.graph.node.insert(8, node("Concat", ["k", "k"], ["c"], axis=1))
    concat.graph.initializer[-1].CopyFrom(numpy_helper.from_array(normal(5, 116, 1, 1), "b"))
    applied(full_lanes, concat, changed=False)


@pytest.mark.parametrize(
    ("channels", "kernel", "changed"), [(3, 3, True), (3, 7, False), (3, 1, False), (1, 3, False)]
)
def test_a_fourth_channel_for_small_first_filters(channels, kernel, changed):
    weight = normal(5, channels, kernel, kernel)
    model = network([node("Conv", ["x", "w"], ["y"])], {"w": weight}, channels=channels)
    kinds = applied(four_channels, model, changed=changed, channels=channels)
    assert kinds["Pad"] == changed
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == channels


@pytest.mark.parametrize(("size", "changed"), [(16, True), (8, False)])
@pytest.mark.parametrize("order", [("x", "g"), ("g", "x")])
def test_gates_are_repeated_along_rows(size, changed, order):
    nodes = [node("GlobalAveragePool", ["x"], ["g"]), node("Mul", list(order), ["y"], "gated")]
    kinds = applied(tiled_gates, network(nodes, {}, size=size), changed=changed, size=size)
    assert kinds["Tile"] == changed


def test_constants_are_computed():
    nodes = [
        node("ConstantOfShape", ["size"], ["w"], value=numpy_helper.from_array(np.float32([0.5]))),
        node("Unsqueeze", ["s", "axes"], ["t"]),
        node("Reshape", ["t", "as"], ["u"]),
        node("Transpose", ["u"], ["v"], perm=[0, 2, 1, 3]),
        node("Conv", ["x", "w"], ["p"]),
        node("Mul", ["p", "v"], ["y"]),
    ]
    constants = {
        "size": np.array([4, 3, 1, 1]),
        "s": normal(4),
        "axes": np.array([0]),
        "as": np.array([0, 1, -1, 1]),
    }
    assert applied(computed_constants, network(nodes, constants)) == {"Conv": 1, "Mul": 1}


def test_a_reshape_to_a_computed_shape_is_a_flatten():
    nodes = [
        node("Shape", ["x"], ["shape"], end=1),
        node("Concat", ["shape", "features"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    model = network(nodes, {"features": np.array([192])}, rank=2)
    assert applied(flatten, model)["Flatten"] == 1


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 40),
    st.integers(4, 6),
    st.integers(3, 12),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(1, 4),
)
def test_rows_of_a_large_step_become_channels(size, step, kernel, above, under, channels):
    model = network(
        [node("Conv", ["x", "w"], ["y"], strides=[step, 3], pads=[above, 1, under, 2])],
        {"w": normal(5, channels, kernel, 4)},
        channels=channels,
        size=size,
    )
    x = normal(2, channels, size, size, seed=9)
    before = run_onnx(model, x)
    result = folded_rows.apply(model)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(run_onnx(model, x), before, rtol=1e-4, atol=1e-5)
    if result.changed:
        assert stored(model, "w").shape[1] == channels * step
    if kernel % step == 0 and (size + above + under - kernel) % step == 0:
        assert result.changed


@pytest.mark.parametrize("what", ["stride", "group", "dilation", "growth", "two readers", "size"])
def test_rows_stay_where_nothing_is_gained(what):
    told = {"strides": [2 if what == "stride" else 4, 4]}
    told |= {"group": 4} if what == "group" else {}
    told |= {"dilations": [2, 1]} if what == "dilation" else {}
    weight = normal(4, 1 if what == "group" else 4, 5 if what == "growth" else 8, 8)
    nodes = [node("Conv", ["x", "w"], ["c"], **told), node("Relu", ["c"], ["y"])]
    if what == "two readers":
        nodes.append(node("Relu", ["x"], ["z"]))
    model = network(nodes, {"w": weight}, channels=4, size=32)
    if what == "size":
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "h"
    assert not folded_rows.apply(model).changed
