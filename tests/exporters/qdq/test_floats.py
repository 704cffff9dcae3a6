"""What is to stay float between integers does, though ONNX Runtime has an int8 kernel for it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from nnc.exporters.executed.explain import explain
from nnc.exporters.executed.graph import executed_graph

from ..conftest import run_onnx, sqnr
from .test_insert import both, network, normal

BATCH = normal(4, 3, 8, 8, seed=3) * 2
CONSTANTS = {
    "a": normal(16, 3, 1, 1),
    "b": normal(16, 3, 1, 1, seed=1),
    "d": normal(8, 16, 1, 1, seed=2),
    "e": normal(8, 32, 1, 1, seed=2),
    "half": np.float32(0.5),
    "shape": np.array([0, 16, 8, 8]),
}


def between(*nodes, weight="d", opset=19):
    """``nodes`` from p and q to r, with a layer on either side."""
    around = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        helper.make_node("Conv", ["x", "b"], ["q"], "other"),
        *nodes,
        helper.make_node("Conv", ["r", weight], ["y"], "last"),
    ]
    used = {name for node in around for name in node.input}
    return network(around, {k: v for k, v in CONSTANTS.items() if k in used}, opset=opset)


CASES = {
    "Add": between(helper.make_node("Add", ["p", "q"], ["r"], "named")),
    "Mul": between(helper.make_node("Mul", ["p", "q"], ["r"], "named")),
    "square": between(helper.make_node("Mul", ["p", "p"], ["r"], "named")),
    "LeakyRelu": between(helper.make_node("LeakyRelu", ["p"], ["r"], "named", alpha=0.2)),
    "Sigmoid": between(helper.make_node("Sigmoid", ["p"], ["r"], "named")),
    "AveragePool": between(
        helper.make_node("AveragePool", ["p"], ["r"], "named", kernel_shape=[3, 3])
    ),
    "GlobalAveragePool": between(helper.make_node("GlobalAveragePool", ["p"], ["r"], "named")),
    "Concat": between(helper.make_node("Concat", ["p", "q"], ["r"], "named", axis=1), weight="e"),
    "Add, Relu": between(
        helper.make_node("Add", ["p", "q"], ["s"], "named"),
        helper.make_node("Relu", ["s"], ["r"], "named too"),
    ),
    "Reshape, Sigmoid, Reshape": between(
        helper.make_node("Reshape", ["p", "shape"], ["s"], "named too"),
        helper.make_node("Sigmoid", ["s"], ["t"], "named"),
        helper.make_node("Transpose", ["t"], ["r"], "named as well", perm=[0, 1, 3, 2]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_named_node_without_weights_stays_float(name):
    named = ["named", "named too", "named as well"]
    prepared, made = both(CASES[name], BATCH, float_nodes=named)
    onnx.checker.check_model(made)
    executed = executed_graph(made)
    explained = {node.name: node for node in explain(made, executed, float_nodes=named).nodes}
    assert not explained["named"].int8
    assert explained["named"].why == "chosen to stay float"
    assert executed.operators["QLinearConv"] == (3 if "q" in str(CASES[name].graph.node[2]) else 2)
    assert sqnr(run_onnx(prepared, BATCH), run_onnx(made, BATCH)) > 28
    held = [node for node in explained.values() if node.op == "Sum"]
    assert [node.why for node in held] == ["keeps what is before it in float"]


def test_a_pool_that_no_int8_kernel_knows():
    """ONNX Runtime makes an int8 pool of it and then refuses to load that."""
    pool = {"kernel_shape": [3, 3], "dilations": [2, 2]}
    model = between(helper.make_node("AveragePool", ["p"], ["r"], "pool", **pool))
    prepared, made = both(model, BATCH)
    executed = executed_graph(made)
    assert {"AveragePool", "Sum"} <= set(executed.float_nodes)
    assert sqnr(run_onnx(prepared, BATCH), run_onnx(made, BATCH)) > 28


def test_nothing_is_held_where_nothing_would_be_int8():
    """A sigmoid of what a float node makes is no int8 kernel's."""
    model = between(
        helper.make_node("Erf", ["p"], ["s"], "erf"), helper.make_node("Sigmoid", ["s"], ["r"])
    )
    assert executed_graph(both(model, BATCH)[1]).float_nodes == {"Erf": 1, "Sigmoid": 1}


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3]])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_padding_of_some_axes(axes, mode):
    """ONNX Runtime takes no such Pad of integers."""
    pad = helper.make_node("Pad", ["p", "sizes", "", "axes"], ["r"], "pad", mode=mode)
    model = between(pad)
    sizes = np.arange(1, 1 + 2 * len(axes))
    for name, value in (("sizes", sizes), ("axes", np.array(axes))):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.int64), name))
    reference = run_onnx(model, BATCH)
    prepared, made = both(model, BATCH)
    np.testing.assert_allclose(run_onnx(prepared, BATCH), reference, rtol=1e-5, atol=1e-6)
    assert not executed_graph(made).float_nodes
    assert sqnr(reference, run_onnx(made, BATCH)) > 28


def test_new_names_are_none_of_a_nested_graph():
    """ONNX Runtime refuses a nested tensor that has the name of one around it."""

    def branch(kind, name):
        value = helper.make_tensor_value_info(name, 1, None)
        return helper.make_graph([helper.make_node(kind, ["p"], [name])], kind, [], [value])

    model = between(
        helper.make_node("ReduceMax", ["q"], ["top"], "top", keepdims=0),
        helper.make_node("Greater", ["top", "half"], ["so"], "so"),
        helper.make_node(
            "If",
            ["so"],
            ["r"],
            "if",
            then_branch=branch("Relu", "scale"),
            else_branch=branch("Neg", "zero_point"),
        ),
    )
    prepared, made = both(model, BATCH)
    assert sqnr(run_onnx(prepared, BATCH), run_onnx(made, BATCH)) > 28


@pytest.mark.parametrize("value", [-1.5, 9.0])
def test_what_pads_with_another_value_keeps_it(value):
    """The padding lies outside what the input takes, and the range of the result holds it."""
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    model = network(
        [
            helper.make_node("Conv", ["x", "a"], ["p"], "first"),
            helper.make_node("Relu", ["p"], ["q"], "positive"),
            helper.make_node("Pad", ["q", "pads", "value"], ["r"], "padded"),
            helper.make_node("Conv", ["r", "k"], ["y"], "last"),
        ],
        {
            "a": CONSTANTS["a"],
            "k": normal(8, 16, 3, 3, seed=4),
            "pads": pads,
            "value": np.array(value, np.float32),
        },
    )
    prepared, quantised = both(model, BATCH)
    assert sqnr(run_onnx(prepared, BATCH), run_onnx(quantised, BATCH)) > 25


def test_a_float_layer_with_a_transposed_input_runs_between_integers():
    model = network(
        [
            helper.make_node("Conv", ["x", "a"], ["p"], "first"),
            helper.make_node("Reshape", ["p", "flat"], ["q"], "flat"),
            helper.make_node("Transpose", ["q"], ["r"], "turned", perm=[1, 0]),
            helper.make_node("Gemm", ["r", "w"], ["s"], "dense", transA=1),
            helper.make_node("Reshape", ["s", "image"], ["t"], "image"),
            helper.make_node("Conv", ["t", "d8"], ["y"], "last"),
        ],
        {
            "a": CONSTANTS["a"],
            "flat": np.array([0, -1]),
            "w": normal(1024, 512, seed=6),
            "image": np.array([0, 8, 8, 8]),
            "d8": normal(8, 8, 1, 1, seed=7),
        },
    )
    prepared, quantised = both(model, BATCH)
    assert sqnr(run_onnx(prepared, BATCH), run_onnx(quantised, BATCH)) > 20
