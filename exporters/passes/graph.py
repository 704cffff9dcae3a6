"""What the passes share: their result, and questions about an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

__all__ = [
    "PassResult",
    "attribute",
    "constant",
    "consumers",
    "initialisers",
    "producers",
    "rename_tensor",
    "replace_node",
    "subgraphs",
    "tensor_names",
    "tensor_types",
    "unique_name",
]


@dataclass(frozen=True)
class PassResult:
    """What a pass did: its name and one line for each change."""

    name: str
    changes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the model is another one than before."""
        return bool(self.changes)


def subgraphs(graph: GraphProto) -> Iterator[GraphProto]:
    """``graph`` itself and every graph nested in its nodes (If, Loop, Scan)."""
    yield graph
    for node in graph.node:
        for item in node.attribute:
            if item.HasField("g"):
                yield from subgraphs(item.g)
            for nested in item.graphs:
                yield from subgraphs(nested)


def tensor_names(graph: GraphProto) -> set[str]:
    """The names of all tensors of ``graph`` and of the graphs in it, which may not repeat them."""
    names: set[str] = set()
    for nested in subgraphs(graph):
        names.update(value.name for value in (*nested.input, *nested.output, *nested.initializer))
        for node in nested.node:
            names.update((*node.input, *node.output))
    return names


def unique_name(wanted: str, taken: set[str]) -> str:
    """``wanted``, or with a number behind it where that is in ``taken``; it is taken then."""
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    taken.add(name)
    return name


def initialisers(graph: GraphProto) -> dict[str, TensorProto]:
    """Constant tensors by name, without those that an input of the same name could override."""
    inputs = {value.name for value in graph.input}
    return {tensor.name: tensor for tensor in graph.initializer if tensor.name not in inputs}


def producers(graph: GraphProto) -> dict[str, NodeProto]:
    """Which node makes each tensor."""
    return {name: node for node in graph.node for name in node.output if name}


def consumers(graph: GraphProto) -> dict[str, int]:
    """How often each tensor is read: by nodes, by nested graphs, and as a graph output."""
    counts: dict[str, int] = {}
    for nested in subgraphs(graph):
        for node in nested.node:
            for name in node.input:
                counts[name] = counts.get(name, 0) + 1
        for value in nested.output:
            counts[value.name] = counts.get(value.name, 0) + 1
    return counts


def constant(graph: GraphProto, name: str) -> np.ndarray[Any, Any] | None:
    """The value of a constant tensor; None where ``name`` is not an initialiser."""
    from onnx import numpy_helper

    tensor = initialisers(graph).get(name)
    return None if tensor is None else numpy_helper.to_array(tensor)


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value as a Python object."""
    from onnx import helper

    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def rename_tensor(graph: GraphProto, old: str, new: str) -> None:
    """Let every reader of ``old``, nested graphs included, read ``new``; no output is renamed."""
    for nested in subgraphs(graph):
        for node in nested.node:
            for index, name in enumerate(node.input):
                if name == old:
                    node.input[index] = new


def replace_node(graph: GraphProto, old: NodeProto, new: list[NodeProto]) -> None:
    """Put ``new`` where ``old`` stood, so that the topological order holds."""
    index = next(i for i, node in enumerate(graph.node) if node is old)
    del graph.node[index]
    for offset, node in enumerate(new):
        graph.node.insert(index + offset, node)


def tensor_types(model: ModelProto) -> dict[str, tuple[int, tuple[int | None, ...]]]:
    """Element type and shape (None for a dynamic dimension) of every tensor whose rank is known."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = inferred.graph
    types = {
        value.name: described
        for value in (*graph.value_info, *graph.input, *graph.output)
        if (described := _described(value)) is not None
    }
    types.update({t.name: (t.data_type, tuple(t.dims)) for t in graph.initializer})
    return types


def _described(value: ValueInfoProto) -> tuple[int, tuple[int | None, ...]] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return tensor.elem_type, dims
