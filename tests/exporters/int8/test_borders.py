"""What stays float sheds what int8 alone needed, and the outputs are what they were."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from nnc.exporters.guard.units import stem
from nnc.exporters.int8.borders import fit_borders
from nnc.exporters.int8.input import prepare
from nnc.exporters.qdq.weights import QuantisedWeight

from ..conftest import run_onnx

node = helper.make_node


def network(filters: int, *, activation: str = "Relu", bias: bool = True) -> ModelProto:
    """Conv, activation, MaxPool, depthwise Conv, Conv on [n, 3, 16, 16], prepared for int8."""
    draw = np.random.default_rng(filters)
    sizes = {"a": (filters, 3, 3, 3), "d": (filters, 1, 3, 3), "e": (4, filters, 1, 1)}
    constants = {name: draw.normal(0, 0.4, size) for name, size in sizes.items()}
    constants |= {"low": np.float32(0), "high": np.float32(1.5)}
    if bias:
        constants["b"] = draw.normal(0, 0.4, filters)
    bounds = ["low", "high"] if activation == "Clip" else []
    nodes = [
        node("Conv", ["x", "a", *(["b"] if bias else [])], ["c"], "conv", pads=[1] * 4),
        node(activation, ["c", *bounds], ["r"], "act"),
        node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        node("Conv", ["p", "d"], ["q"], "depthwise", group=filters, pads=[1] * 4),
        node("Conv", ["q", "e"], ["y"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, 8, 8])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return prepare(model, "net")


def stored(model: ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name))


def same(before: ModelProto, after: ModelProto) -> None:
    onnx.checker.check_model(after, full_check=True)
    x = np.random.default_rng(9).normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(run_onnx(after, x), run_onnx(before, x), rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([8, 12, 24, 30, 32, 40]), st.booleans(), st.sampled_from(["Relu", "Clip"]))
def test_a_float_stem_sheds_its_empty_channels(filters: int, bias: bool, activation: str) -> None:
    model = network(filters, activation=activation, bias=bias)
    found = stem(model)
    assert found == ("x/four_channels", "conv", "act", "pool")
    fitted, _ = fit_borders(model, found, {})
    same(model, fitted)
    names = [each.name for each in fitted.graph.node]
    assert names == ["conv", "pool", "act", "depthwise", "last"]
    assert stored(fitted, "a").shape == (-(-filters // 8) * 8 if filters % 16 else filters, 3, 3, 3)
    used = {name for each in fitted.graph.node for name in each.input}
    assert {tensor.name for tensor in fitted.graph.initializer} <= used


def test_what_stays_int8_keeps_its_channels() -> None:
    model = network(24)
    assert stored(model, "d").shape[0] == 32
    fitted, _ = fit_borders(model, ["last"], {})
    assert fitted == model


def test_activation_stays_where_all_behind_the_pooling_is_float() -> None:
    model = network(32)
    names = [each.name for each in model.graph.node]
    fitted, _ = fit_borders(model, names, {})
    assert [each.name for each in fitted.graph.node] == names[1:]
    same(model, fitted)


def test_weights_rounded_before_are_cut_with_the_layers() -> None:
    model = network(24)
    values = np.arange(4 * 32, dtype=np.int8).reshape(4, 32, 1, 1)
    own = QuantisedWeight(values, np.ones(4, np.float32), 0)
    deep = QuantisedWeight(np.ones((32, 1, 3, 3), np.int8), np.ones(32, np.float32), 0)
    _, weights = fit_borders(model, stem(model), {"e": own, "d": deep})
    np.testing.assert_array_equal(weights["e"].values, values[:, :24])
    assert weights["d"].scales.shape == (24,)


@pytest.mark.parametrize("what", ["output", "branch", "no pooling"])
def test_other_beginnings_are_no_stem(what: str) -> None:
    model = network(32)
    graph = model.graph
    if what == "output":
        graph.output.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, None))
        fitted, _ = fit_borders(model, ["conv", "act", "pool"], {})
        assert [each.name for each in fitted.graph.node][1:4] == ["act", "pool", "depthwise"]
        return
    if what == "branch":
        graph.node.append(node("Relu", ["c"], ["z"], "other"))
    else:
        graph.node[3].op_type = "AveragePool"
    assert stem(model) == ()
