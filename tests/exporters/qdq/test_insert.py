from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nnc.exporters.executed.graph import executed_graph
from nnc.exporters.int8.input import prepare
from nnc.exporters.profiles import PROFILES
from nnc.exporters.qdq.insert import complete_ranges, insert_qdq, tensors_to_observe
from nnc.exporters.qdq.scales import activation_scale, quantise_bias, quantise_weight
from nnc.exporters.qdq.weights import QuantisedWeight

from ..conftest import run_onnx, sqnr, tiny_model

AVX2 = PROFILES["avx2"]


def network(nodes, constants, *, channels=3, size=8, opset=18):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, size, size])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.4, shape).astype(np.float32)


def observed(model, batch):
    names = tensors_to_observe(model)
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    made = {name for node in model.graph.node for name in node.output}
    kept = [name for name in names if name in made]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in kept)
    values = dict(zip(kept, ReferenceEvaluator(probe).run(None, {names[0]: batch}), strict=True))
    values[names[0]] = batch
    return {name: (float(values[name].min()), float(values[name].max())) for name in names}


def both(model, batch, profile=AVX2, **options):
    """The prepared model and its int8 form."""
    prepared = prepare(model, "model.onnx")
    ranges = complete_ranges(prepared, observed(prepared, batch))
    return prepared, insert_qdq(prepared, ranges, profile, **options)


X = normal(4, 1, 8, 8, seed=5) * 2


def test_a_named_layer_stays_float_between_int8_layers():
    """ONNX Runtime rounds float weights by itself where integers come and go."""
    prepared, model = both(tiny_model(), X, float_nodes=["d"])
    before = onnx.ModelProto()
    before.CopyFrom(prepared)
    executed = executed_graph(model)
    assert {"Conv", "FusedConv"} & set(executed.float_nodes)
    assert executed.operators["QLinearConv"] == 1
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    assert stored["d.weight"].data_type == TensorProto.FLOAT
    assert prepared.SerializeToString() == before.SerializeToString()
    assert sqnr(run_onnx(prepared, X), run_onnx(model, X)) > 25


def test_all_layers_float_is_the_float_model():
    prepared = prepare(tiny_model(), "model.onnx")
    names = [node.name for node in prepared.graph.node]
    prepared, model = both(tiny_model(), X, float_nodes=names)
    assert not {"QuantizeLinear", "DequantizeLinear"} & {n.op_type for n in model.graph.node}
    np.testing.assert_allclose(run_onnx(model, X), run_onnx(prepared, X), rtol=1e-5, atol=1e-6)


def test_weights_of_ones_own_are_taken_as_they_are():
    prepared = prepare(tiny_model(), "model.onnx")
    plain = numpy_helper.to_array(
        next(t for t in prepared.graph.initializer if t.name == "d.weight")
    )
    scales = np.full(16, 0.05, np.float32)
    own = QuantisedWeight(np.floor(plain / 0.05).clip(-64, 64).astype(np.int8), scales, 0)
    _, model = both(tiny_model(), X, weights={"d.weight": own})
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    np.testing.assert_array_equal(stored["d.weight_quantized"], own.values)
    np.testing.assert_array_equal(stored["d.weight_scale"], scales)
    steps = stored["d.bias_scale"]
    bias = numpy_helper.to_array(next(t for t in prepared.graph.initializer if t.name == "d.bias"))
    np.testing.assert_allclose(stored["d.bias_quantized"] * steps, bias, atol=float(steps.max()))


@pytest.mark.parametrize("name", ["avx2", "vnni", "arm64"])
def test_the_file_means_the_same_to_the_standard(name):
    prepared, model = both(tiny_model(), X, PROFILES[name])
    onnx.checker.check_model(model, full_check=True)
    simulated = ReferenceEvaluator(model).run(None, {"input": X})[0]
    assert sqnr(run_onnx(prepared, X), simulated) > 25


def joined(scale):
    """Two branches, one ``scale`` times the other, concatenated, split, pooled, padded."""
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"]),
        helper.make_node("Conv", ["x", "b"], ["q"]),
        helper.make_node("Concat", ["p", "q"], ["c"], axis=1),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Split", ["r", "sizes"], ["s", "t"], axis=1),
        helper.make_node("MaxPool", ["s"], ["m"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Pad", ["t", "pads"], ["w"]),
        helper.make_node("Slice", ["w", "from", "to", "axes"], ["z"]),
        helper.make_node("Add", ["m", "z"], ["u"]),
        helper.make_node("Conv", ["u", "d"], ["y"]),
    ]
    constants = {
        "a": normal(16, 3, 1, 1),
        "b": normal(16, 3, 1, 1, seed=1) * np.float32(scale),
        "d": normal(8, 16, 1, 1, seed=2),
        "sizes": np.array([16, 16]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "from": np.array([1, 1]),
        "to": np.array([9, 9]),
        "axes": np.array([2, 3]),
    }
    return network(nodes, constants)


@pytest.mark.parametrize(("scale", "shared"), [(1.5, True), (40.0, False)])
def test_moving_operators_work_on_integers(scale, shared):
    batch = normal(4, 3, 8, 8, seed=3)
    prepared, model = both(joined(scale), batch)
    onnx.checker.check_model(model, full_check=True)
    assert sqnr(run_onnx(prepared, batch), run_onnx(model, batch)) > 20
    executed = executed_graph(model)
    assert not executed.float_nodes
    # A branch that is far narrower than the other keeps a scale of its own.
    assert ("QLinearConcat" in executed.operators) is not shared


def test_hard_swish_runs_in_int8():
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"]),
        helper.make_node("HardSwish", ["p"], ["h"]),
        helper.make_node("Conv", ["h", "b"], ["y"]),
    ]
    constants = {"a": normal(16, 3, 1, 1) * 8, "b": normal(8, 16, 1, 1, seed=1)}
    batch = normal(4, 3, 8, 8, seed=3) * 4
    prepared, model = both(network(nodes, constants), batch)
    executed = executed_graph(model)
    assert not executed.float_nodes
    assert executed.operators["QLinearMul"] == executed.operators["QLinearAdd"] == 1
    assert sqnr(run_onnx(prepared, batch), run_onnx(model, batch)) > 25
    # Below -3 hard-swish is zero: no integers are spent there.
    ranges = complete_ranges(prepared, observed(prepared, batch))
    assert ranges["p"][0] == pytest.approx(-3.0)


def test_an_operator_without_int8_form_keeps_its_floats():
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"]),
        helper.make_node("Erf", ["p"], ["e"]),
        helper.make_node("Conv", ["e", "b"], ["y"]),
    ]
    constants = {"a": normal(16, 3, 1, 1), "b": normal(8, 16, 1, 1, seed=1)}
    batch = normal(4, 3, 8, 8, seed=3)
    prepared, model = both(network(nodes, constants), batch)
    assert executed_graph(model).float_nodes == {"Erf": 1}
    assert sqnr(run_onnx(prepared, batch), run_onnx(model, batch)) > 25


def test_a_layer_that_reads_nothing_but_zeros_keeps_its_biases():
    """They are stored in steps of the scale of what it reads."""
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"]),
        helper.make_node("Relu", ["p"], ["r"]),
        helper.make_node("Conv", ["r", "b", "c"], ["y"]),
    ]
    offsets = np.linspace(0, 0.009, 8).astype(np.float32)
    constants = {"a": normal(16, 3, 1, 1) * 0, "b": normal(8, 16, 1, 1), "c": offsets}
    batch = normal(4, 3, 8, 8, seed=3)
    _, model = both(network(nodes, constants), batch)
    found = run_onnx(model, batch)
    np.testing.assert_allclose(found[0, :, 0, 0], offsets, atol=0.009 / 255)


def test_a_tensor_without_a_range_stays_float():
    prepared = prepare(tiny_model(), "model.onnx")
    ranges = complete_ranges(prepared, observed(prepared, X))
    del ranges["g"]
    model = insert_qdq(prepared, ranges, AVX2)
    assert "GlobalAveragePool" in executed_graph(model).float_nodes


@settings(max_examples=60, deadline=None)
@given(
    low=st.floats(-1e4, 1e4),
    high=st.floats(-1e4, 1e4),
    name=st.sampled_from(["avx2", "arm64"]),
)
def test_scales_represent_zero_and_reach_both_ends(low, high, name):
    span = (min(low, high), max(low, high))
    scale = activation_scale(span, PROFILES[name])
    lowest, highest = (-128, 127) if scale.signed else (0, 255)
    assert lowest <= scale.zero_point <= highest
    assert scale.scale > 0
    reach = [(end - scale.zero_point) * scale.scale for end in (lowest, highest)]
    assert reach[0] <= span[0] + scale.scale
    assert reach[1] >= span[1] - scale.scale


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 99),
    size=st.floats(1e-6, 1e3),
    bias=st.floats(-1e6, 1e6),
    axis=st.integers(0, 1),
)
def test_weights_lose_half_a_step_at_most_and_biases_fit(seed, size, bias, axis):
    weight = normal(6, 5, seed=seed) * np.float32(size)
    weight[0 if axis == 0 else slice(None), 0 if axis == 1 else slice(None)] = 0
    offsets = np.full(weight.shape[axis], bias, np.float32)
    made = quantise_weight(weight, axis, AVX2.weight_limit, bias=offsets, input_scale=0.01)
    assert np.abs(made.values).max(initial=0) <= 64
    shape = [-1, 1] if axis == 0 else [1, -1]
    assert np.all(
        np.abs(made.values * made.scales.reshape(shape) - weight)
        <= 0.501 * made.scales.reshape(shape)
    )
    values, steps = quantise_bias(offsets, 0.01, made.scales)
    np.testing.assert_allclose(values * steps.astype(np.float64), offsets, atol=float(steps.max()))
