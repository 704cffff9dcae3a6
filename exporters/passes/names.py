"""Name nodes and the tensors they make after the parameters they use, as the network's source does.

The exporter numbers them (``node_Conv_1061``, ``getitem_6``). Here the convolution of
``stage2.0.branch1.2.weight`` is called ``stage2.0.branch1.2``, and what follows it is called
``stage2.0.branch1.2/relu``: readable in a viewer, the same from run to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import PassResult, subgraphs, unique_name

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["apply"]


def apply(model: ModelProto) -> PassResult:
    """Precondition: a graph in topological order. Postcondition: node names are unique and not
    empty; graph inputs and outputs and the ``.weight`` and ``.bias`` of the network keep theirs.
    Graphs with nested graphs are left alone."""
    graph = model.graph
    if sum(1 for _ in subgraphs(graph)) > 1:
        return PassResult("names")
    tensors = {value.name: value.name for value in (*graph.input, *graph.output)}
    taken = set(tensors.values())
    _name_constants(graph, tensors, taken)
    weights = {tensor.name for tensor in graph.initializer}
    stems: dict[str, str] = {}
    changes = 0
    for node in graph.node:
        stem = _weight_stem(node, weights)
        name = stem or _beside(next((stems[n] for n in node.input if n in stems), ""), node)
        name = unique_name(name, taken)
        changes += node.name != name
        node.name = name
        for index, output in enumerate(node.output):
            stems[output] = stem or name.split("/")[0]
            if output and output not in tensors:
                own = name if index == 0 else f"{name}:{index}"
                tensors[output] = own if index == 0 else unique_name(own, taken)
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = tensors.get(name, name)
    for tensor in graph.initializer:
        tensor.name = tensors.get(tensor.name, tensor.name)
    del graph.value_info[:]
    return PassResult("names", (f"{changes} nodes named",) if changes else ())


def _name_constants(graph: GraphProto, tensors: dict[str, str], taken: set[str]) -> None:
    """Parameters keep their names; the bias that batch-norm fusing made becomes ``X.bias``."""
    present = {tensor.name for tensor in graph.initializer}
    for tensor in graph.initializer:
        name = tensor.name
        if name.endswith(".weight_bias"):
            plain = f"{name.removesuffix('.weight_bias')}.bias"
            name = name if plain in present else plain
        elif "." not in name:
            name = f"constant_{'x'.join(map(str, tensor.dims)) or 'scalar'}"
        tensors[tensor.name] = unique_name(name, taken)


def _weight_stem(node: NodeProto, weights: set[str]) -> str:
    for name in node.input[1:]:
        if name in weights and name.endswith(".weight"):
            return str(name.removesuffix(".weight"))
    return ""


def _beside(stem: str, node: NodeProto) -> str:
    return f"{stem}/{node.op_type.lower()}" if stem else node.op_type.lower()
