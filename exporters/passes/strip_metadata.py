"""Remove what an exporter tells of the machine it ran on: stack traces, source lines, paths.

The dynamo exporter writes them into the metadata of every node, value and graph. Properties of
the model itself stay, but for the exporter's own (``pkg.*``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .graph import PassResult, subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: none. Postcondition: no node, value, tensor, function or graph of the model
    holds metadata or a doc string."""
    kept = [(p.key, p.value) for p in model.metadata_props if not p.key.startswith("pkg.")]
    removed = len(model.metadata_props) - len(kept)
    del model.metadata_props[:]
    for key, value in kept:
        model.metadata_props.add(key=key, value=value)
    removed += _strip(model, metadata=False)
    for graph in subgraphs(model.graph):
        removed += _strip_graph(graph)
    for function in model.functions:
        removed += _strip(function)
        for value in (*function.value_info, *function.node, *function.attribute_proto):
            removed += _strip(value)
        for node in function.node:
            removed += sum(_strip(item) for item in node.attribute)
    return PassResult("strip_metadata", (f"{removed} entries removed",) if removed else ())


def _strip_graph(graph: GraphProto) -> int:
    removed = _strip(graph)
    values = (*graph.input, *graph.output, *graph.value_info)
    tensors = (*graph.initializer, *(s.values for s in graph.sparse_initializer))
    removed += sum(_strip(item) for item in (*values, *tensors, *graph.node))
    for node in graph.node:
        for item in node.attribute:
            removed += _strip(item) + (_strip(item.t) if item.HasField("t") else 0)
    return removed


def _strip(message: Any, *, metadata: bool = True) -> int:
    """Clear doc string and metadata of one protobuf message, as far as it has such fields."""
    fields = message.DESCRIPTOR.fields_by_name
    removed = 0
    if "doc_string" in fields and message.doc_string:
        message.ClearField("doc_string")
        removed += 1
    if metadata and "metadata_props" in fields and message.metadata_props:
        removed += len(message.metadata_props)
        message.ClearField("metadata_props")
    return removed
