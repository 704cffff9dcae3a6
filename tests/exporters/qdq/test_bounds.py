"""Relu and Clip hold their bounds, whatever grid the integers before them have."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from nnc.exporters.executed.graph import executed_graph
from nnc.exporters.profiles import PROFILES

from ..conftest import run_onnx, sqnr
from .test_insert import both, network, normal

BATCH = normal(4, 3, 8, 8, seed=3) * 2
CONSTANTS = {
    "a": normal(16, 3, 1, 1),
    "b": normal(16, 3, 1, 1, seed=1),
    "d": normal(8, 16, 1, 1, seed=2),
    "e": normal(8, 32, 1, 1, seed=2),
}


def clip(low, high, tensors=("p", "r")):
    """A Clip between two tensors, and its bounds."""
    names = ["" if low is None else "low", "" if high is None else "high"]
    while names and not names[-1]:
        names.pop()
    bounds = {"low": low, "high": high}
    return (
        helper.make_node("Clip", [tensors[0], *names], [tensors[1]], "bound"),
        {name: np.float32(value) for name, value in bounds.items() if value is not None},
    )


def meant(model, profile):
    """What the file means: this CPU's kernels may saturate on what is for another."""
    if profile == "avx2":
        return run_onnx(model, BATCH)
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": BATCH})[0]


def relu():
    return helper.make_node("Relu", ["p"], ["r"], "bound"), {}


def pooled(name):
    shape = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return helper.make_node("MaxPool", [name], ["m"], "pool", **shape)


@pytest.mark.parametrize("profile", ["avx2", "arm64"])
@pytest.mark.parametrize("pool", [False, True], ids=["", "pooled"])
@pytest.mark.parametrize(
    "bound",
    [relu(), clip(0, 0.7), clip(-0.3, 0.4), clip(None, 0.3)],
    ids=["relu", "0 to .7", "-.3 to .4", "to .3"],
)
def test_before_a_join_of_one_scale(bound, pool, profile):
    """The range they share reaches over the bound."""
    node, constants = bound
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        node,
        *([pooled("r")] if pool else []),
        helper.make_node("Conv", ["x", "b"], ["q"], "other"),
        helper.make_node("Concat", ["m" if pool else "r", "q"], ["c"], "join", axis=1),
        helper.make_node("Conv", ["c", "e"], ["y"], "last"),
    ]
    model = network(nodes, {**CONSTANTS, **constants}, opset=19)
    prepared, made = both(model, BATCH, PROFILES[profile])
    assert sqnr(run_onnx(prepared, BATCH), meant(made, profile)) > 28
    if profile == "avx2":
        executed = executed_graph(made)
        assert not executed.float_nodes
        assert "Concat" in executed.operators or "QLinearConcat" in executed.operators


def test_a_join_of_rectified_branches_needs_no_bounds():
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        helper.make_node("Relu", ["p"], ["r"], "bound"),
        helper.make_node("Conv", ["x", "b"], ["q"], "other"),
        helper.make_node("Relu", ["q"], ["s"], "bound too"),
        helper.make_node("Concat", ["r", "s"], ["c"], "join", axis=1),
        helper.make_node("Conv", ["c", "e"], ["y"], "last"),
    ]
    _, made = both(network(nodes, CONSTANTS), BATCH)
    assert not {"Clip", "Relu"} & {node.op_type for node in made.graph.node}


@pytest.mark.parametrize("profile", ["avx2", "arm64"])
@pytest.mark.parametrize(
    ("low", "high"), [(0.5, 2.0), (-1.0, -0.1), (None, -0.2), (0.3, None), (0.4, 0.4)]
)
def test_bounds_that_do_not_hold_zero(low, high, profile):
    """The grid holds zero in any case."""
    node, constants = clip(low, high)
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        node,
        helper.make_node("Conv", ["r", "d"], ["y"], "last"),
    ]
    model = network(nodes, {**CONSTANTS, **constants}, opset=19)
    prepared, made = both(model, BATCH, PROFILES[profile])
    onnx.checker.check_model(made, full_check=True)
    assert sqnr(run_onnx(prepared, BATCH), meant(made, profile)) > 28


def test_a_hard_sigmoid_that_is_clipped():
    """Its integers always reach from 0 to 1."""
    node, constants = clip(0.2, 0.8, ("h", "r"))
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], "first"),
        helper.make_node("HardSigmoid", ["p"], ["h"], "gate"),
        node,
        helper.make_node("Conv", ["r", "d"], ["y"], "last"),
    ]
    prepared, made = both(network(nodes, {**CONSTANTS, **constants}, opset=19), BATCH)
    onnx.checker.check_model(made, full_check=True)
    assert sqnr(run_onnx(prepared, BATCH), run_onnx(made, BATCH)) > 28
