from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nnc.exporters.passes import global_pool


def mean_model(shape, axes, *, keepdims=1, opset=18, kind=TensorProto.FLOAT, dynamic=True):
    dims = ["batch", *shape[1:]] if dynamic else list(shape)
    rank = len(shape) if keepdims else len(shape) - len(axes)
    initialisers, inputs, extra = [], ["x"], {}
    if opset >= 18:
        initialisers = [numpy_helper.from_array(np.array(axes, np.int64), "axes")]
        inputs = ["x", "axes"]
    else:
        extra = {"axes": list(axes)}
    node = helper.make_node("ReduceMean", inputs, ["y"], "mean", keepdims=keepdims, **extra)
    graph = helper.make_graph(
        [node],
        "mean",
        [helper.make_tensor_value_info("x", kind, dims)],
        [helper.make_tensor_value_info("y", kind, [None] * rank)],
        initialisers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@settings(max_examples=60, deadline=None)
@given(
    rank=st.integers(3, 5),
    data=st.data(),
    keepdims=st.integers(0, 1),
    opset=st.sampled_from([13, 17, 18, 20]),
)
def test_outputs_are_kept_and_only_a_spatial_mean_is_rewritten(rank, data, keepdims, opset):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank)))
    axes = data.draw(
        st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True).flatmap(
            lambda chosen: st.tuples(*(st.sampled_from([a, a - rank]) for a in chosen))
        )
    )
    model = mean_model(shape, axes, keepdims=keepdims, opset=opset)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    before = ReferenceEvaluator(model).run(None, {"x": x})[0]
    result = global_pool.apply(model)
    onnx.checker.check_model(model)
    after = ReferenceEvaluator(model).run(None, {"x": x})[0]
    assert after.shape == before.shape
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    spatial = rank == 4 and {axis % rank for axis in axes} == {2, 3}
    kinds = [node.op_type for node in model.graph.node]
    assert result.changed == spatial
    if spatial:
        assert kinds == (["GlobalAveragePool"] if keepdims else ["GlobalAveragePool", "Flatten"])
    else:
        assert kinds == ["ReduceMean"]


@pytest.mark.parametrize(
    "model",
    [
        mean_model((2, 3, 4, 4), (2, 3), kind=TensorProto.INT32),
        mean_model((2, 3, 4, 4), ()),
    ],
    ids=["integers", "no axes"],
)
def test_left_alone(model):
    assert not global_pool.apply(model).changed
    assert [node.op_type for node in model.graph.node] == ["ReduceMean"]


def test_axes_that_are_computed_are_left_alone():
    model = mean_model((2, 3, 4, 4), (2, 3))
    del model.graph.initializer[:]
    model.graph.input.append(helper.make_tensor_value_info("axes", TensorProto.INT64, [2]))
    assert not global_pool.apply(model).changed
