"""What ONNX Runtime really executes of a model: the nodes after all its graph optimisations."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtimes.ort.names import plain_name

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["BORDERS", "Executed", "ExecutedNode", "executed_graph"]

_INT8_LAYERS = ("QGemm", "QLinear", "MatMulInteger", "ConvInteger", "DynamicQuantize")
BORDERS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class ExecutedNode:
    """One node as it is executed."""

    op: str
    name: str
    """Name of the node it was made of, or of the tensor that one makes."""
    outputs: tuple[str, ...]
    is_float: bool
    """Whether it takes or makes float tensors; borders do both and are not counted as float."""


@dataclass(frozen=True)
class Executed:
    """How many nodes of each type run, and which of them compute in float."""

    operators: dict[str, int]
    float_nodes: dict[str, int] = field(default_factory=dict)
    """Node type -> count, of nodes that take or make float tensors; Q/DQ borders not counted."""
    nodes: tuple[ExecutedNode, ...] = ()


def executed_graph(model: ModelProto) -> Executed:
    """Let ONNX Runtime optimise ``model`` for this CPU and list what is left to execute.

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
    nodes = tuple(_executed_nodes(graph))
    operators = Counter(node.op for node in nodes)
    floats = Counter(node.op for node in nodes if node.is_float)
    return Executed(dict(sorted(operators.items())), dict(sorted(floats.items())), nodes)


def _executed_nodes(graph: GraphProto) -> Iterator[ExecutedNode]:
    """Follow float tensors from the input and the DequantizeLinear nodes on."""
    float_tensors = {value.name for value in graph.input}
    for node in graph.node:
        is_float = False
        if node.op_type == "DequantizeLinear":
            float_tensors.update(node.output)
        elif node.op_type != "QuantizeLinear" and not node.op_type.startswith(_INT8_LAYERS):
            is_float = any(name in float_tensors for name in node.input)
        if is_float or _hands_out_float(node):
            float_tensors.update(node.output)
        yield ExecutedNode(node.op_type, plain_name(node.name), tuple(node.output), is_float)


def _hands_out_float(node: NodeProto) -> bool:
    """Whether an int8 matrix product has no scale for what it makes, and so makes floats."""
    if node.op_type == "QGemm":
        return len(node.input) < 8 or not node.input[7]
    return node.op_type in ("MatMulIntegerToFloat", "DynamicQuantizeMatMul")
