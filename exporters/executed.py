"""What ONNX Runtime really executes of a model: the nodes after all its graph optimisations."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

__all__ = ["Executed", "executed_graph"]

_INT8_LAYERS = ("QGemm", "QLinear", "MatMulInteger", "ConvInteger", "DynamicQuantize")
_BORDERS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Executed:
    """How many nodes of each type run, and which of them compute in float."""

    operators: dict[str, int]
    float_nodes: dict[str, int] = field(default_factory=dict)
    """Node type -> count, of nodes that take or make float tensors; Q/DQ borders not counted."""


def executed_graph(model: ModelProto) -> Executed:
    """Let ONNX Runtime optimise ``model`` for this CPU and count what is left to execute.

    Raises OSError where the folder for temporary files has no room for a copy.
    """
    import onnx
    import onnxruntime as ort

    with tempfile.TemporaryDirectory(prefix="nnc-") as folder:
        path = Path(folder) / "executed.onnx"
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.optimized_model_filepath = str(path)
        serialised = model.SerializeToString()
        # ONNX Runtime calls a full disk a failed serialisation; taking the room first tells.
        path.write_bytes(bytes(len(serialised)))
        ort.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(path).graph
    operators = Counter(node.op_type for node in graph.node)
    return Executed(dict(sorted(operators.items())), dict(sorted(_float_nodes(graph).items())))


def _float_nodes(graph: GraphProto) -> Counter[str]:
    """Follow float tensors from the input and the DequantizeLinear nodes on."""
    float_tensors = {value.name for value in graph.input}
    counts: Counter[str] = Counter()
    for node in graph.node:
        if node.op_type == "QuantizeLinear" or node.op_type.startswith(_INT8_LAYERS):
            continue
        if node.op_type == "DequantizeLinear":
            float_tensors.update(node.output)
        elif any(name in float_tensors for name in node.input):
            counts[node.op_type] += 1
            float_tensors.update(node.output)
    return counts
