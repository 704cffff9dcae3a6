"""The knife: what stays of each tensor, and the changes to nodes that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .labels import along, varying

if TYPE_CHECKING:
    from onnx import NodeProto

    from .context import Walk

    Array = np.ndarray[Any, Any]

__all__ = ["Cut"]


@dataclass
class Cut:
    """Which labels stay, as bool [labels], and the edits made so far."""

    walk: Walk
    stays: Array
    removed: set[str] = field(default_factory=set)
    """First outputs of nodes that are gone."""
    rewritten: set[str] = field(default_factory=set)
    """Parameters whose values in ``walk.constants`` are new."""
    sums: dict[str, Array] = field(default_factory=dict)
    """First output of a node -> a vector to add to it."""
    _names: int = 0

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        return self.walk.opset

    def kept(self, name: str, axis: int) -> Array:
        """Bool [size] along an axis of a tensor: which positions stay."""
        size = self.walk.shape(name)[axis]
        labels = self.walk.labelled(name)
        if axis not in varying(labels):
            return np.ones(size, bool)
        found = along(labels, axis, size)
        assert found is not None
        return np.array(self.stays[found])

    def touches(self, name: str) -> bool:
        """Whether the tensor loses anything."""
        labels = self.walk.labels.get(name)
        return labels is not None and bool(varying(labels)) and not self.stays[labels].all()

    def empty(self, name: str) -> bool:
        """Whether nothing of the tensor is left."""
        labels = self.walk.labels.get(name)
        return labels is not None and not self.stays[labels].any()

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape afterwards, for one image."""
        before = self.walk.shape(name)
        return tuple(int(self.kept(name, axis).sum()) for axis in range(len(before)))

    def pass_on(self, node: NodeProto, name: str) -> None:
        """Let a node give ``name`` on as it is."""
        del node.input[:], node.attribute[:]
        node.op_type = "Identity"
        node.input.append(name)

    def set_attribute(self, node: NodeProto, name: str, value: Any) -> None:
        """Give a node an attribute, in place of the one it has."""
        from onnx import helper

        self.drop_attribute(node, name)
        node.attribute.append(helper.make_attribute(name, value))

    def drop_attribute(self, node: NodeProto, name: str) -> None:
        """Take an attribute away, if it is there."""
        for item in list(node.attribute):
            if item.name == name:
                node.attribute.remove(item)

    def set_constant(self, node: NodeProto, index: int, value: Array) -> None:
        """Let a node's input be a constant of its own."""
        while len(node.input) <= index:
            node.input.append("")
        node.input[index] = self.add_constant(node.output[0], value)

    def add_constant(self, stem: str, value: Array) -> str:
        """A new initialiser; returns its name."""
        from onnx import numpy_helper

        graph = self.walk.model.graph
        taken = {tensor.name for tensor in graph.initializer}
        while (name := f"{stem}/constant_{self._names}") in taken:
            self._names += 1
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def remove(self, node: NodeProto) -> None:
        """Take a node out of the graph when all are done."""
        self.removed.add(node.output[0])
