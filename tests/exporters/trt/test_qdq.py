"""The Q/DQ model for TensorRT, by its structure and by what ONNX Runtime makes of it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nnc.exporters.int8.input import prepare
from nnc.exporters.profiles import TENSORRT
from nnc.exporters.qdq.insert import complete_ranges, tensors_to_observe
from nnc.exporters.qdq.weights import QuantisedWeight
from nnc.exporters.trt.explicit import prepare_explicit, why_float
from nnc.exporters.trt.qdq import _fp16_scale, insert_qdq
from nnc.exporters.trt.rules import CHOSEN

from ..conftest import run_onnx, sqnr, tiny_model
from ..qdq.test_insert import network, normal, observed

PASSES = ("spelling", "scale_shift", "dead_code")
X = normal(4, 1, 8, 8, seed=5) * 2
IMAGES = normal(4, 3, 8, 8, seed=3)


def both(model, batch, **options):
    prepared = prepare(model, "model.onnx", PASSES)
    ranges = complete_ranges(prepared, observed(prepared, batch))
    return prepared, insert_qdq(prepared, ranges, **options)


def nodes_of(model):
    return {node.name: node for node in model.graph.node}


def makers_of(model):
    return {name: node for node in model.graph.node for name in node.output}


def stored(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def reads_integers(model, name, index=0):
    maker = makers_of(model).get(nodes_of(model)[name].input[index])
    return maker is not None and maker.op_type == "DequantizeLinear"


def test_inputs_of_layers_are_int8_and_outputs_and_biases_are_not() -> None:
    prepared, model = both(tiny_model(), X)
    onnx.checker.check_model(model, full_check=True)
    prepare_explicit(model, "model")
    assert reads_integers(model, "a")
    assert reads_integers(model, "d")
    assert not reads_integers(model, "a", 2)
    quantised = {n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    # The image, and what the pool hands to both the convolution and the sum.
    assert quantised == {"input", "c"}
    assert sqnr(run_onnx(prepared, X), ReferenceEvaluator(model).run(None, {"input": X})[0]) > 25


def test_all_integers_are_symmetric_int8() -> None:
    _, model = both(tiny_model(), X)
    values = stored(model)
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            point = values[node.input[2]]
            assert point.dtype == np.int8
            assert not point.any()
    weights = values["d.weight_quantized"]
    assert weights.dtype == np.int8
    assert np.abs(weights).reshape(16, -1).max(1).min() >= 126
    assert values["d.weight_scale"].shape == (16,)
    assert not {t.data_type for t in model.graph.initializer} & {
        TensorProto.UINT8,
        TensorProto.INT32,
    }


def test_of_a_sum_only_the_term_is_rounded_that_no_layer_hands_over() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        helper.make_node("Relu", ["p"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "b"], ["q"], "second"),
        helper.make_node("Add", ["q", "r"], ["s"], "sum"),
        helper.make_node("Conv", ["s", "c"], ["y"], "third"),
    ]
    constants = {
        "a": normal(16, 3, 1, 1),
        "b": normal(16, 16, 1, 1, seed=1),
        "c": normal(8, 16, 1, 1, seed=2),
    }
    prepared, model = both(network(nodes, constants), IMAGES)
    assert not reads_integers(model, "sum", 0)
    assert reads_integers(model, "sum", 1)
    assert sqnr(run_onnx(prepared, IMAGES), run_onnx(model, IMAGES)) > 20


def test_of_two_layers_that_meet_the_later_one_takes_the_sum() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "short"),
        helper.make_node("Conv", ["x", "b"], ["q"], "long"),
        helper.make_node("Add", ["p", "q"], ["y"], "sum"),
    ]
    constants = {"a": normal(8, 3, 1, 1), "b": normal(8, 3, 1, 1, seed=1)}
    _, model = both(network(nodes, constants), IMAGES)
    assert reads_integers(model, "sum", 0)
    assert not reads_integers(model, "sum", 1)


def joined(second):
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "p"),
        helper.make_node("Conv", ["x", "b"], ["q"], "q"),
        helper.make_node("Concat", ["p", "q"], ["c"], "join", axis=1),
        helper.make_node("MaxPool", ["c"], ["m"], "pool", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Conv", ["m", "d"], ["y"], "last"),
    ]
    constants = {
        "a": normal(16, 3, 1, 1),
        "b": normal(16, 3, 1, 1, seed=1) * np.float32(second),
        "d": normal(8, 32, 1, 1, seed=2),
    }
    return network(nodes, constants)


@pytest.mark.parametrize(("second", "shared"), [(1.5, True), (40.0, False)])
def test_what_is_joined_shares_a_scale_unless_a_part_would_lose_by_it(second, shared) -> None:
    prepared, model = both(joined(second), IMAGES)
    assert reads_integers(model, "join", 0) is shared
    assert reads_integers(model, "join", 1) is shared
    assert reads_integers(model, "last")
    scales = {
        n.input[1]
        for n in model.graph.node
        if n.op_type == "QuantizeLinear" and n.input[0] in ("p", "q", "m")
    }
    assert len(scales) == 1
    assert sqnr(run_onnx(prepared, IMAGES), run_onnx(model, IMAGES)) > 20


@pytest.mark.parametrize(("inner", "outer", "why"), [(16, 10, "faster in fp16"), (16, 16, "")])
@pytest.mark.parametrize("transposed", [0, 1])
def test_small_products_stay_as_they_are(inner, outer, why, transposed) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "conv"),
        helper.make_node("GlobalAveragePool", ["p"], ["g"], "mean"),
        helper.make_node("Flatten", ["g"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], "fc", transB=transposed),
    ]
    weight = normal(outer, inner) if transposed else normal(inner, outer)
    constants = {"a": normal(inner, 3, 1, 1), "w": weight, "b": normal(outer)}
    source = network(nodes, constants)
    source.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outer])
    )
    prepared, model = both(source, IMAGES)
    assert why in why_float(model).get("fc", "")
    assert reads_integers(model, "fc") == (not why)
    if not why:
        fc = nodes_of(model)["fc"]
        maker = makers_of(model)[fc.input[1]]
        assert helper.get_attribute_value(maker.attribute[0]) == 0
        assert {i.name: i.i for i in fc.attribute}["transB"] == 1
    assert sqnr(run_onnx(prepared, IMAGES), run_onnx(model, IMAGES)) > 25


@pytest.mark.parametrize(("channels", "int8"), [(16, True), (12, False)])
def test_grouped_convolutions_take_multiples_of_eight(channels, int8) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        helper.make_node("Conv", ["p", "b"], ["q"], "depthwise", group=channels),
        helper.make_node("Conv", ["q", "c"], ["y"], "last"),
    ]
    constants = {
        "a": normal(channels, 3, 1, 1),
        "b": normal(channels, 1, 1, 1, seed=1),
        "c": normal(8, channels, 1, 1, seed=2),
    }
    _, model = both(network(nodes, constants), IMAGES)
    assert reads_integers(model, "depthwise") is int8
    assert ("multiples of 8" in why_float(model).get("depthwise", "")) == (not int8)


def test_named_layers_stay_float() -> None:
    prepared, model = both(tiny_model(), X, float_nodes=["d"])
    assert why_float(model)["d"] == CHOSEN
    assert reads_integers(model, "a")
    names = [node.name for node in prepared.graph.node]
    _, alone = both(tiny_model(), X, float_nodes=names)
    assert [n.op_type for n in alone.graph.node] == [n.op_type for n in prepared.graph.node]


def test_weights_of_ones_own_are_taken_as_they_are() -> None:
    prepared = prepare(tiny_model(), "model.onnx", PASSES)
    plain = stored(prepared)["d.weight"]
    own = QuantisedWeight(
        np.floor(plain / 0.05).clip(-127, 127).astype(np.int8), np.full(16, 0.05, np.float32), 0
    )
    _, model = both(tiny_model(), X, weights={"d.weight": own})
    np.testing.assert_array_equal(stored(model)["d.weight_quantized"], own.values)
    np.testing.assert_allclose(stored(model)["d.weight_scale"], own.scales, rtol=1e-3)


def test_every_tensor_keeps_its_name_and_the_source_is_not_changed() -> None:
    prepared = prepare(tiny_model(), "model.onnx", PASSES)
    ranges = complete_ranges(prepared, observed(prepared, X))
    before = prepared.SerializeToString()
    model = insert_qdq(prepared, ranges)
    assert prepared.SerializeToString() == before
    made = set(makers_of(model))
    assert {name for node in prepared.graph.node for name in node.output} <= made


def test_ranges_of_activations_are_those_of_the_profile() -> None:
    assert TENSORRT.grid.symmetric
    prepared = prepare(tiny_model(), "model.onnx", PASSES)
    assert set(tensors_to_observe(prepared)) >= {"input", "b"}


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-30, 6e4))
def test_scales_are_the_next_number_that_fp16_holds(value) -> None:
    value = np.float32(value)
    scale = _fp16_scale(value)
    assert scale > 0
    assert scale == np.float32(np.float16(scale))
    assert scale >= value
    below = np.nextafter(np.float16(scale), np.float16(0)).astype(np.float32)
    assert below < value


def test_a_scale_beyond_fp16_is_its_greatest() -> None:
    assert _fp16_scale(np.float32(1e6)) == np.finfo(np.float16).max
