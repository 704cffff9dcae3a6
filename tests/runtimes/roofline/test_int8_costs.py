"""What an int8 layer moves is bytes, whatever Q/DQ stand around it."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from nnc.exporters.executed.explain import explain
from nnc.exporters.executed.graph import executed_graph
from nnc.runtimes.onnx_model.files import load_model
from nnc.runtimes.roofline.costs import layer_costs

from ...exporters.conftest import tiny_model
from ...exporters.qdq.test_insert import X, both, joined, network, normal
from ..onnx_model.test_graph import quantised
from .test_costs import figures, model, node


def test_a_whole_network_in_nnc_s_int8():
    _, made = both(tiny_model(), X)
    found = layer_costs(made, (1, 8, 8), 1)
    border, *layers = figures(found)
    # The images come as floats and are rounded once.
    assert border == ("input_int8", "QuantizeLinear", 0, 0, 64 * (4 + 1))
    assert layers == [
        # Weights one byte, biases int32; one byte for each value in and out.
        ("a", "Conv", 64 * 16 * 9, 16 * 9 + 4 * 16, 64 + 1024),
        ("pool", "MaxPool", 0, 0, 1024 + 256),
        ("d", "Conv", 16 * 16 * 16 * 9, 16 * 16 * 9 + 4 * 16, 256 + 256),
        ("add", "Add", 0, 0, 3 * 256),
        ("mean", "GlobalAveragePool", 0, 0, 256 + 16),
        # The scores leave it as floats.
        ("fc", "Gemm", 160, 160 + 4 * 10, 16 + 4 * 10),
    ]
    assert [cost.int8 for cost in found] == [False, *[True] * 6]


def test_a_float_layer_between_int8_layers_pays_for_its_borders():
    _, made = both(tiny_model(), X, float_nodes=["d"])
    found = {cost.name: cost for cost in layer_costs(made, (1, 8, 8), 1)}
    conv = found["d"]
    assert not conv.int8
    assert (conv.weight_bytes, conv.activation_bytes) == (4 * (16 * 16 * 9 + 16), 4 * 512)
    borders = [cost for cost in found.values() if "Linear" in cost.op]
    assert [(cost.op, cost.bytes) for cost in borders] == [
        ("QuantizeLinear", 64 * 5),
        ("DequantizeLinear", 256 * 5),
        ("QuantizeLinear", 256 * 5),
    ]


@pytest.mark.parametrize("scale", [1.5, 40.0])
def test_int8_is_what_onnx_runtime_computes_in_int8(scale):
    batch = normal(4, 3, 8, 8, seed=3)
    _, made = both(joined(scale), batch)
    found = {c.name: c.int8 for c in layer_costs(made, (3, 8, 8), 1) if "Linear" not in c.op}
    told = {n.name: n.int8 for n in explain(made, executed_graph(made)).nodes}
    assert found
    # A node without a name is called by what it makes.
    assert all(told.get(name, True) == int8 for name, int8 in found.items())
    assert all(found.values())


@pytest.mark.parametrize("kind", ["QDQ", "QOperator"])
def test_onnx_runtime_s_own_int8_formats_cost_the_same(tiny, tmp_path, kind):
    made = load_model(quantised(tiny, tmp_path, kind))
    found = [cost for cost in layer_costs(made, (1, 8, 8), 1) if "eLinear" not in cost.op]
    conv, pool, fc = found
    assert all(cost.int8 for cost in found)
    assert (conv.macs, conv.weight_bytes, conv.activation_bytes) == (2304, 36 + 4 * 4, 64 + 256)
    assert (pool.macs, pool.bytes) == (0, 256 + 4)
    assert (fc.macs, fc.weight_bytes, fc.activation_bytes) == (12, 12 + 4 * 3, 4 + 3)


def dequantised(name, of, *, axis=0):
    return node("DequantizeLinear", [of, "step", "zero"], [name], name, axis=axis)


def rounded(name, of):
    return node("QuantizeLinear", [of, "step", "zero"], [name], name)


CONSTANTS = {
    "w": np.ones((8, 8, 1, 1), np.int8),
    "wstep": np.float32(0.1),
    "wzero": np.int8(0),
    "step": np.float32(0.1),
    "zero": np.uint8(128),
}


@pytest.mark.parametrize(("op", "int8"), [("Relu", False), ("LeakyRelu", False), ("", True)])
def test_an_activation_that_saturation_does_not_do_leaves_the_layer_in_float(op, int8):
    """Zero is in the middle of the integers here, so that a Relu bounds them."""
    nodes = [
        rounded("xq", "x"),
        dequantised("xf", "xq"),
        node("DequantizeLinear", ["w", "wstep", "wzero"], ["wf"], "wf"),
        node("Conv", ["xf", "wf"], ["a"], "c"),
        *([node(op, ["a"], ["b"], "act")] if op else []),
        rounded("q", "b" if op else "a"),
        dequantised("y", "q"),
    ]
    made = model(nodes, CONSTANTS)
    found = {cost.name: cost for cost in layer_costs(made, (8, 4, 4), 1)}
    assert found["c"].int8 is int8
    # Float weights are made of the integers at every inference.
    assert found["c"].activation_bytes == (256 if int8 else 4 * (256 + 64))
    assert ("wf" in found) is not int8
    if not int8:
        assert (found["wf"].op, found["wf"].bytes) == ("DequantizeLinear", 64 + 4 * 64)
    assert found["y"].bytes == 128 + 4 * 128


def test_a_relu_that_the_integers_do_is_part_of_the_layer():
    nodes = [
        rounded("xq", "x"),
        dequantised("xf", "xq"),
        node("DequantizeLinear", ["w", "wstep", "wzero"], ["wf"], "wf"),
        node("Conv", ["xf", "wf"], ["a"], "c"),
        node("Clip", ["a", "low", "high"], ["b"], "act"),
        node("QuantizeLinear", ["b", "step", "bottom"], ["q"], "q"),
        node("DequantizeLinear", ["q", "step", "bottom"], ["y"], "y"),
    ]
    more = {"low": np.float32(0), "high": np.float32(25.5), "bottom": np.uint8(0)}
    found = layer_costs(model(nodes, {**CONSTANTS, **more}), (8, 4, 4), 1)
    assert [(cost.name, cost.int8) for cost in found] == [("xq", False), ("c", True), ("y", False)]
    narrow = layer_costs(model(nodes, {**CONSTANTS, **more, "high": np.float32(20)}), (8, 4, 4), 1)
    assert not next(cost for cost in narrow if cost.name == "c").int8


def test_matrix_products_of_integers():
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("DynamicQuantizeLinear", ["f"], ["q", "s", "z"], "round"),
        node("MatMulInteger", ["q", "w", "z"], ["i"], "product"),
        node("Cast", ["i"], ["y"], "cast", to=TensorProto.FLOAT),
    ]
    found = layer_costs(model(nodes, {"w": np.ones((128, 6), np.int8)}), (8, 4, 4), 1)
    first, product = found
    assert (first.int8, first.bytes) == (False, 4 * 128 + 128 + 4 + 1)
    assert (product.int8, product.macs) == (True, 128 * 6)
    assert (product.weight_bytes, product.activation_bytes) == (128 * 6, 128 + 4 * 6)


def test_hard_swish_in_int8_is_what_it_is_written_as():
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "one"),
        helper.make_node("HardSwish", ["p"], ["h"], "swish"),
        helper.make_node("Conv", ["h", "b"], ["y"], "two"),
    ]
    constants = {"a": normal(16, 3, 1, 1) * 8, "b": normal(8, 16, 1, 1, seed=1)}
    _, made = both(network(nodes, constants), normal(4, 3, 8, 8, seed=3) * 4)
    found = layer_costs(made, (3, 8, 8), 1)
    assert all(cost.int8 for cost in found if "eLinear" not in cost.op)
    assert [cost.op for cost in found if cost.macs] == ["Conv", "Conv"]
