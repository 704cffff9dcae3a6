"""Linear layers run in int8 whoever reads them, whatever their rank and their batch."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.executed.explain import explain
from nnc.exporters.executed.graph import executed_graph
from nnc.exporters.profiles import PROFILES

from ..conftest import run_onnx, sqnr
from .test_insert import both, normal

node = helper.make_node
BATCH = normal(4, 3, 8, 8, seed=3) * 2
LEADING = {2: (), 3: (12,), 4: (3, 4)}
"""Rank -> the sizes between the batch and the features."""

READERS = {
    "output": [],
    "Gelu": [node("Gelu", ["s"], ["y"], "reader")],
    "LayerNormalization": [node("LayerNormalization", ["s", "scale"], ["y"], "reader")],
    "residual Add": [
        node("Gelu", ["f"], ["g"], "gelu"),
        node("Add", ["s", "g"], ["y"], "reader"),
    ],
    "another layer": [node("MatMul", ["s", "v"], ["y"], "reader")],
    "Relu, another layer": [
        node("Relu", ["s"], ["r"], "relu"),
        node("MatMul", ["r", "v"], ["m2"], "reader"),
        node("Add", ["m2", "b"], ["y"], "sum2"),
    ],
}


def linear(rank, reader, *, fixed):
    """The pixels as features, a linear layer with as many outputs, and what reads it."""
    width = 192 if rank == 2 else 16
    batch = len(BATCH) if fixed else "n"
    after = READERS[reader]
    nodes = [
        node("Reshape", ["x", "shape"], ["f"], "features"),
        node("MatMul", ["f", "w"], ["m"], "layer"),
        node("Add", ["m", "b"], ["s" if after else "y"], "sum"),
        *after,
    ]
    constants = {
        "shape": np.array([len(BATCH) if fixed else -1, *LEADING[rank], width]),
        "w": normal(width, width, seed=1),
        "v": normal(width, width, seed=2),
        "b": normal(width, seed=4),
        "scale": normal(width, seed=5),
    }
    used = {name for each in nodes for name in each.input}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, name) for name, v in constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def simulated(model, x):
    """The model's first output with every int8 product computed as float, as the file says."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("rank", LEADING)
@pytest.mark.parametrize("reader", READERS)
def test_all_of_a_linear_layer_is_executed_in_int8(reader, rank, fixed):
    source = linear(rank, reader, fixed=fixed)
    expected = run_onnx(source, BATCH)
    _, model = both(source, BATCH)
    found = explain(model, executed_graph(model))
    assert found.int8_mac_share == 1.0
    assert sum(report.macs > 0 for report in found.nodes) == 1 + ("layer" in reader)
    answers = run_onnx(model, BATCH)
    assert answers.shape == expected.shape
    assert sqnr(expected, answers) > 25
    assert sqnr(simulated(model, BATCH), answers) > 35


@pytest.mark.parametrize("rank", LEADING)
def test_its_relu_is_the_saturation_of_its_integers(rank):
    _, model = both(linear(rank, "Relu, another layer", fixed=True), BATCH)
    executed = executed_graph(model).operators
    assert executed["QGemm"] == 2
    assert not {"Clip", "Relu", "QLinearAdd"} & set(executed)


@pytest.mark.parametrize("target", ["vnni", "arm64"])
def test_for_other_cpus_it_is_written_alike(target):
    source = linear(3, "Gelu", fixed=True)
    expected = run_onnx(source, BATCH)
    _, model = both(source, BATCH, PROFILES[target])
    found = explain(model, executed_graph(model), native=False)
    assert found.int8_mac_share == 1.0
    assert sqnr(expected, simulated(model, BATCH)) > 30


def test_left_in_float_it_is_as_it_was():
    source = linear(3, "Gelu", fixed=True)
    executed, expected = executed_graph(source).operators, run_onnx(source, BATCH)
    _, model = both(source, BATCH, float_nodes=["layer"])
    assert executed_graph(model).operators == executed
    np.testing.assert_allclose(run_onnx(model, BATCH), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        (
            ["e", "g"],
            "both of its operands are activations; an int8 layer has constant weights",
        ),
        (
            ["c", "e"],
            "its constant is the first operand; an int8 layer has its weights as the second",
        ),
    ],
)
def test_why_a_product_is_no_layer(inputs, why):
    source = linear(3, "output", fixed=True)
    source.graph.node.extend(
        [
            node("Gelu", ["f"], ["e"], "gelu"),
            node("Transpose", ["e"], ["g"], "turned", perm=[0, 2, 1]),
            node("MatMul", inputs, ["z"], "product"),
        ]
    )
    source.graph.initializer.append(numpy_helper.from_array(normal(12, 12), "c"))
    source.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    _, model = both(source, BATCH)
    found = explain(model, executed_graph(model))
    reports = {report.name: report for report in found.nodes}
    assert not reports["product"].int8
    assert reports["product"].why == why
    assert reports["layer"].int8


@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "dynamic"])
def test_sums_that_are_normalised_in_float_are_float(fixed):
    """A transformer's residual sums: what a layer adds to them would drown in their range."""
    source = linear(3, "output", fixed=fixed)
    del source.graph.output[:]
    source.graph.node.extend(
        [
            node("Slice", ["y", "from", "to", "axis"], ["l"], "left"),
            node("Slice", ["y", "to", "end", "axis"], ["r"], "right"),
            node("Add", ["l", "r"], ["t"], "residual"),
            node("LayerNormalization", ["t", "half"], ["z"], "norm"),
        ]
    )
    for name, value in (("from", 0), ("to", 8), ("end", 16), ("axis", 2)):
        source.graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    source.graph.initializer.append(numpy_helper.from_array(normal(8, seed=6), "half"))
    source.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    _, model = both(source, BATCH)
    found = explain(model, executed_graph(model))
    reports = {report.name: report for report in found.nodes}
    assert reports["layer"].int8
    assert not reports["residual"].int8
    assert reports["residual"].why.startswith("what it reads or what reads it is float")
