"""What makes a parsed ONNX model unusable: graphs that do not hold together, tensors that lie."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

__all__ = ["byte_count", "is_external", "model_problem", "model_tensors"]

_PACKED_BITS = {
    "UINT4": 4,
    "INT4": 4,
    "FLOAT4E2M1": 4,
    "UINT2": 2,
    "INT2": 2,
    "FLOAT6E2M3": 6,
    "FLOAT6E3M2": 6,
}
"""Types whose values share bytes, with bits a value."""


def model_problem(model: onnx.ModelProto) -> str:
    """What is wrong with a parsed model, or an empty string.

    Lighter than onnx.checker, which copies the weights and stops at 2 GB.
    """
    graph = model.graph
    if not model.opset_import or model.ir_version < 1:
        return "it states no opset or IR version (truncated?)"
    if not graph.node or not graph.output:
        return "it has no nodes or no outputs (truncated?)"
    known = {value.name for value in graph.input} | {""}
    for tensor in graph.initializer:
        known.add(tensor.name)
    known |= {sparse.values.name for sparse in graph.sparse_initializer}
    if not known - {""}:
        return "it has no inputs"
    for node in graph.node:
        if not node.op_type:
            return "a node without an operator type"
        for name in node.input:
            if name not in known:
                return f"node '{node.name}' ({node.op_type}) reads '{name}', which nothing makes"
        if not any(node.output):
            return f"node '{node.name}' ({node.op_type}) makes nothing"
        for name in node.output:
            # ONNX graphs assign once; another rule would allow a value made of itself.
            if name and name in known:
                return f"node '{node.name}' ({node.op_type}) makes '{name}', which is there already"
            known.add(name)
    for value in graph.output:
        if value.name not in known:
            return f"nothing makes its output '{value.name}'"
    for tensor in model_tensors(model):
        if fault := _tensor_problem(tensor):
            return f"tensor '{tensor.name}' {fault}"
    return ""


def _tensor_problem(tensor: onnx.TensorProto) -> str:
    if any(size < 0 for size in tensor.dims):
        return f"has a negative size in its shape {list(tensor.dims)}"
    if tensor.data_type not in _known_types():
        return f"is of data type {tensor.data_type}, which is unknown here"
    if is_external(tensor):
        return ""
    if tensor.HasField("raw_data"):
        unit, held, expected = "bytes", len(tensor.raw_data), byte_count(tensor)
    else:
        unit, (held, expected) = "values", _typed_count(tensor)
    if expected not in (None, held):
        return (
            f"holds {held} {unit} where its shape {list(tensor.dims)} takes {expected} (damaged?)"
        )
    return ""


def _known_types() -> set[int]:
    import onnx

    return set(onnx.TensorProto.DataType.values()) - {onnx.TensorProto.UNDEFINED}


def _typed_count(tensor: onnx.TensorProto) -> tuple[int, int]:
    """Values in the field of a tensor's type, and how many its shape takes there."""
    import onnx

    field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    expected = prod(tensor.dims)
    if name.startswith("COMPLEX"):
        expected *= 2
    elif (per_byte := 8 // _PACKED_BITS.get(name, 8)) > 1:
        expected = -(-expected // per_byte)
    return len(getattr(tensor, field)), expected


def model_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that may hold data: initialisers and attributes, in subgraphs and functions."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterator[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _graph_tensors(attribute.g)
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            yield from attribute.tensors
            for sparse in attribute.sparse_tensors:
                yield from (sparse.values, sparse.indices)
            for graph in attribute.graphs:
                yield from _graph_tensors(graph)


def is_external(tensor: onnx.TensorProto) -> bool:
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data)


def byte_count(tensor: onnx.TensorProto) -> int | None:
    """Bytes that a tensor's shape and type take; None for strings and types unknown here."""
    import onnx

    count: int = prod(tensor.dims)
    try:
        if bits := _PACKED_BITS.get(onnx.TensorProto.DataType.Name(tensor.data_type)):
            return (count * bits + 7) // 8
        if tensor.data_type in (onnx.TensorProto.STRING, onnx.TensorProto.UNDEFINED):
            return None
        return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError, TypeError):
        return None
