"""A mean over one pixel goes; every other one, and a graph's output, stays."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nnc.exporters.passes import single_pixel

from ..conftest import run_onnx

node = helper.make_node


def pooled(size, *, last=True):
    nodes = [node("Relu", ["x"], ["a"]), node("GlobalAveragePool", ["a"], ["p" if last else "y"])]
    if last:
        nodes.append(node("Flatten", ["p"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * (2 if last else 4))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("size", "last", "goes"),
    [(1, True, True), (2, True, False), ("s", True, False), (1, False, False)],
)
def test_only_a_mean_over_one_pixel_goes(size, last, goes):
    model = pooled(size, last=last)
    edge = size if isinstance(size, int) else 1
    x = np.random.default_rng(0).normal(0, 1, (2, 3, edge, edge)).astype(np.float32)
    before = run_onnx(model, x)
    assert single_pixel.apply(model).changed == goes
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run_onnx(model, x), before)
    assert ("GlobalAveragePool" in {each.op_type for each in model.graph.node}) != goes
