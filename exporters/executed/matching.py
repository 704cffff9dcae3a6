"""Find the executed node that a node of the model became, through fusions and new names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..qdq.plan import LAYERS
from .graph import BORDERS, Executed, ExecutedNode

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

__all__ = ["Runs"]


class Runs:
    """What ONNX Runtime executes, by the nodes of the graph it was made of."""

    def __init__(self, graph: GraphProto, executed: Executed) -> None:
        nodes = [node for node in executed.nodes if node.op not in BORDERS]
        self._by_name = {node.name: node for node in nodes if node.name}
        self._by_output = {name: node for node in nodes for name in node.outputs}
        self._outputs = {value.name for value in graph.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self._readers.setdefault(name, []).append(node)

    def of(self, node: NodeProto) -> ExecutedNode | None:
        """The executed node that computes ``node``; None where none can be found.

        One of its own name, or that makes its result or has that in its name, else the one that
        computes its only reader too: a layer takes in the sum and the activation after it.
        """
        if node.name in self._by_name:
            return self._by_name[node.name]
        for name in node.output:
            found = self._by_output.get(name) or self._by_name.get(name)
            if found is not None:
                return found
        if len(node.output) != 1 or node.output[0] in self._outputs:
            return None
        readers = self._readers.get(node.output[0], [])
        # One of its own name does its own work, not that of the node before it as well.
        if len(readers) != 1 or readers[0].name in self._by_name:
            return None
        if readers[0].op_type in ("DequantizeLinear", *LAYERS):
            return None
        return self.of(readers[0])
