from __future__ import annotations

import numpy as np
import pytest

from nnc.exporters.passes import dead_code, flat_gathers

from ..conftest import run_onnx
from .test_int8_passes import network, node, normal


def strided(indices):
    """A mean over the image, flattened, gathered and multiplied."""
    nodes = [
        node("GlobalAveragePool", ["x"], ["p"]),
        node("Reshape", ["p", "flat"], ["f"]),
        node("Gather", ["f", "i"], ["g"]),
        node("Mul", ["g", "two"], ["y"]),
    ]
    indices = np.asarray(indices)
    constants = {"flat": np.array([-1]), "i": indices, "two": np.float32(2)}
    model = network(nodes, constants, rank=indices.ndim)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    return model


@pytest.mark.parametrize(
    ("indices", "left"),
    [
        (np.arange(3).reshape(1, 3, 1, 1), ["GlobalAveragePool", "Mul"]),
        (np.arange(3).reshape(1, 3), ["GlobalAveragePool", "Reshape", "Mul"]),
        (np.arange(3), ["GlobalAveragePool", "Reshape", "Mul"]),
        (np.array([[0, 2, 1]]), None),
        (np.array([[0, 1]]), None),
        (np.array([[[0, 1, 2], [0, 1, 2]]]), None),
    ],
)
def test_all_numbers_in_their_order_are_a_reshape(indices, left):
    model = strided(indices)
    x = normal(1, 3, 8, 8)
    before = run_onnx(model, x)
    result = flat_gathers.apply(model)
    dead_code.apply(model)
    assert result.changed == (left is not None)
    np.testing.assert_array_equal(run_onnx(model, x), before)
    if left:
        assert [n.op_type for n in model.graph.node] == left


def test_sizes_that_are_open_are_left_alone():
    model = strided(np.arange(3).reshape(1, 3, 1, 1))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    assert not flat_gathers.apply(model).changed
