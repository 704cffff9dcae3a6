"""Times of units: every unit that ONNX Runtime executes is found, whatever it was fused with."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.guard.node_times import unit_times
from nnc.exporters.guard.units import find_units
from nnc.exporters.int8.input import prepare


def test_a_matrix_product_fused_with_its_relu_has_its_time() -> None:
    rng = np.random.default_rng(0)
    weights = {"conv.w": (16, 3, 3, 3), "fc.w": (512, 16 * 64), "fc.b": (512,), "last.w": (10, 512)}
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Conv", ["x", "conv.w"], ["a"], "conv", pads=[1] * 4),
            node("Relu", ["a"], ["b"], "conv/relu"),
            node("Flatten", ["b"], ["c"], "flat"),
            node("Gemm", ["c", "fc.w", "fc.b"], ["d"], "fc", transB=1),
            node("Relu", ["d"], ["e"], "fc/relu"),
            node("Gemm", ["e", "last.w"], ["y"], "last", transB=1),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [
            numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name)
            for name, shape in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    prepared = prepare(model, "net")
    units = find_units(prepared)
    images = rng.normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
    times = unit_times(prepared, prepared, units, images, threads=1)
    assert [unit.name for unit in units] == ["conv", "fc", "last"]
    assert times["conv"] > 0
    assert times["fc"] > 0  # executed as "fused fc"
