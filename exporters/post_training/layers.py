"""The layers of a float graph that have weights, seen alike whatever operator they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..passes.graph import attribute, initialisers

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, NodeProto

__all__ = ["Layer", "by_output", "levels", "set_tensor", "unoriented", "weighted_layers"]


@dataclass(frozen=True, eq=False)
class Layer:
    """A Conv, Gemm or MatMul whose weight is a constant."""

    node: NodeProto
    weight: str
    """Name of the weight's initialiser."""
    bias: str
    """Name of the bias's initialiser; "" where it has none, or one that is computed."""
    channels: int
    """Output channels."""
    rank: int
    """Axes of the weight; of a convolution's tensors as well."""
    groups: int
    transposed: bool
    """Whether the weight is [inputs, outputs], as in MatMul, and not [outputs, inputs]."""

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node.name)

    @property
    def input(self) -> str:
        """The tensor the layer reads."""
        return str(self.node.input[0])

    @property
    def output(self) -> str:
        """The tensor the layer makes."""
        return str(self.node.output[0])

    @property
    def axis(self) -> int:
        """The weight's axis of output channels."""
        return 1 if self.transposed else 0

    @property
    def addend(self) -> str:
        """Whatever is added to its output, constant or computed; "" where nothing is."""
        return str(self.node.input[2]) if len(self.node.input) > 2 else ""

    @property
    def convolves(self) -> bool:
        """Whether channels stand on axis 1 of its tensors, and not on the last one."""
        return self.rank > 2


def weighted_layers(graph: GraphProto) -> list[Layer]:
    """The Conv, Gemm and MatMul nodes of ``graph`` with constant weights, in graph order."""
    known = initialisers(graph)
    found = []
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.domain not in ("", "ai.onnx"):
            continue
        if len(node.input) < 2 or node.input[1] not in known:
            continue
        rank = len(known[node.input[1]].dims)
        groups, transposed = 1, False
        if node.op_type == "Conv":
            groups = attribute(node, "group", 1)
        elif rank != 2 or attribute(node, "transA", 0):
            continue
        else:
            transposed = not attribute(node, "transB", 0)
        third = node.input[2] if len(node.input) > 2 else ""
        bias = third if third in known else ""
        channels = known[node.input[1]].dims[1 if transposed else 0]
        found.append(Layer(node, node.input[1], bias, channels, rank, groups, transposed))
    return found


def by_output(weight: np.ndarray[Any, Any], layer: Layer) -> np.ndarray[Any, Any]:
    """The weight as [outputs, inputs of a group, taps], outputs of a group side by side."""
    rows = weight.T if layer.transposed else weight
    return rows.reshape(rows.shape[0], rows.shape[1], -1)


def unoriented(
    rows: np.ndarray[Any, Any], layer: Layer, shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """What `by_output` made, back in the initialiser's own shape, contiguous."""
    import numpy as np

    whole = rows.reshape(shape[::-1]).T if layer.transposed else rows.reshape(shape)
    return np.ascontiguousarray(whole)


def levels(graph: GraphProto, layers: list[Layer]) -> list[list[Layer]]:
    """``layers`` in an order in which none reads, even indirectly, from one at its own level.

    A layer's level is the number of weighted layers on the longest way to it.
    """
    of_node = {id(layer.node): layer for layer in layers}
    depth: dict[str, int] = {}
    found: list[list[Layer]] = []
    for node in graph.node:
        below = max((depth.get(name, 0) for name in node.input), default=0)
        layer = of_node.get(id(node))
        if layer is not None:
            while len(found) <= below:
                found.append([])
            found[below].append(layer)
            below += 1
        depth.update(dict.fromkeys(node.output, below))
    return [level for level in found if level]


def set_tensor(graph: GraphProto, name: str, value: np.ndarray[Any, Any]) -> None:
    """Replace the value of an initialiser."""
    from onnx import numpy_helper

    for tensor in graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(value, name))
            return
    raise KeyError(name)
