"""How many values tensors have, also where their shapes cannot be inferred."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.calibration import observe
from nnc.exporters.calibration import watch as watching
from nnc.exporters.calibration.sizes import tensor_sizes


def halves(count: int = 4) -> onnx.ModelProto:
    """The first half of the channels, by a bound that is computed, ``count`` times over."""
    nodes, last = [], "input"
    for index in range(count):
        nodes += [
            helper.make_node("Shape", [last], [f"shape{index}"]),
            helper.make_node("Gather", [f"shape{index}", "one"], [f"channels{index}"]),
            helper.make_node("Div", [f"channels{index}", "two"], [f"bound{index}"]),
            helper.make_node("Slice", [last, "zero", f"bound{index}", "one"], [f"half{index}"]),
            helper.make_node("Relu", [f"half{index}"], [f"relu{index}"]),
        ]
        last = f"relu{index}"
    graph = helper.make_graph(
        nodes,
        "halves",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 2**count, 4, 4])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array([value], np.int64), name)
            for name, value in (("zero", 0), ("one", 1), ("two", 2))
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_hidden_shapes_are_what_the_network_runs_with() -> None:
    model = halves()
    before = model.SerializeToString()
    names = ["input", "half0", "relu3"]
    sizes = tensor_sizes(model, names, "input", np.zeros((3, 16, 4, 4), np.float32))
    assert sizes == [3 * 16 * 16, 3 * 8 * 16, 3 * 1 * 16]
    assert model.SerializeToString() == before


@pytest.mark.parametrize("count", [1, 4])
def test_hidden_shapes_cost_no_runs(monkeypatch, count) -> None:
    """A tensor whose size is not known would have a run of the whole network to itself."""
    model, runs, original = halves(count), [], watching.run_session
    monkeypatch.setattr(
        watching,
        "run_session",
        lambda session, names, images: runs.append(len(names)) or original(session, names, images),
    )
    random = np.random.default_rng(0)
    images = [random.normal(size=(8, 2**count, 4, 4)).astype(np.float32)]
    tensors = ["input", *(f"{kind}{index}" for index in range(count) for kind in ("half", "relu"))]
    found = observe(model, tensors, lambda: iter(images), threads=1)
    assert found.images == 8
    assert runs == [2 * count]


def test_a_sequence_that_is_put_out_too_is_not_looked_at() -> None:
    model = halves(1)
    model.graph.node.append(helper.make_node("SequenceConstruct", ["relu0"], ["list"]))
    model.graph.output.append(
        helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None)
    )
    images = [np.random.default_rng(0).normal(size=(4, 2, 4, 4)).astype(np.float32)]
    found = observe(model, ["half0"], lambda: iter(images), threads=1)
    assert set(found.minmax) == {"half0"}
