"""Tables of text, which some classifiers carry: each stays its own."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from nnc.exporters.onnx_compact import compact_file


def test_tables_of_text_are_never_taken_for_one_another(tmp_path) -> None:
    """Equal ones may be stored once; others of the same size must not."""
    count, size = 8, 5
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv")]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    tables = {}
    for table in range(count):
        tables[f"t{table}"] = np.array([f"class_{table}_{i}" for i in range(size)], object)
        nodes.append(helper.make_node("Identity", [f"t{table}"], [f"i{table}"], f"hand{table}"))
        nodes.append(helper.make_node("Gather", [f"i{table}", "k"], [f"l{table}"], f"pick{table}"))
        outputs.append(helper.make_tensor_value_info(f"l{table}", TensorProto.STRING, None))
    constants = {"w": np.ones((4, 3, 1, 1), np.float32), "k": np.arange(size), **tables}
    graph = helper.make_graph(
        nodes,
        "texts",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path, small = tmp_path / "m.onnx", tmp_path / "c.onnx"
    onnx.save(model, path)
    compact_file(path, small)
    x = np.zeros((1, 3, 4, 4), np.float32)
    before, after = (
        ort.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        for file in (path, small)
    )
    for one, other in zip(before[1:], after[1:], strict=True):
        assert one.tolist() == other.tolist()
