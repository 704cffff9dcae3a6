"""What is known of a graph's channels while it is being walked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .labels import Union, compress, pinned, varying

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from .operators.base import Operator

    Array = np.ndarray[Any, Any]

__all__ = ["Entry", "LayerNode", "NotFollowedError", "Reader", "Walk"]


_ROLES = ("makes", "scales", "follows", "reads")
"""What an axis is called that stands for channels in several ways: by the first that holds."""


class NotFollowedError(Exception):
    """Channels cannot be followed through this node; what it touches stays."""


@dataclass(frozen=True)
class Entry:
    """Labels of the positions along one axis of a parameter."""

    parameter: str
    axis: int
    role: str
    labels: Array


@dataclass(frozen=True)
class Reader:
    """A layer that mixes channels: where it reads its input's channels in its weight."""

    node: NodeProto
    tensor: str
    weight: str
    labels: Array
    """int64 [channels of the tensor]."""
    makes: Array
    """int64 [outputs]: the channels or neurons that it makes of them."""


@dataclass(frozen=True)
class LayerNode:
    """A convolution or fully-connected layer."""

    node: NodeProto
    weight: str
    bias: str | None
    depthwise: bool


@dataclass
class Walk:
    """What the walk has learnt so far; operators read it and add to it."""

    model: ModelProto
    shapes: dict[str, tuple[int | None, ...]]
    constants: dict[str, Array]
    """Initialisers that no input overrides."""
    other_shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    """Shapes for several images, and of another size, where the graph leaves that open."""
    labels: dict[str, Array] = field(default_factory=dict)
    union: Union = field(default_factory=Union)
    entries: list[Entry] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)
    layers: list[LayerNode] = field(default_factory=list)
    strangers: list[tuple[NodeProto, list[Array]]] = field(default_factory=list)
    """Nodes that channels cannot be followed through, and the labels that they pin."""
    users: dict[str, set[str]] = field(default_factory=dict)
    """Parameter -> first outputs of the nodes that said what its axes stand for."""
    shared: set[str] = field(default_factory=set)
    """Parameters that more than one node reads, or that are outputs of the graph."""
    special: dict[str, Operator] = field(default_factory=dict)
    """First output of a node -> the operator it is part of, where that is not its own: the nodes
    of a channel shuffle."""

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        versions = [e.version for e in self.model.opset_import if e.domain in ("", "ai.onnx")]
        return versions[0] if versions else 17

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor for one image; NotFollowedError where it is not known."""
        sizes = self.shapes.get(name)
        if sizes is None or any(size is None for size in sizes):
            raise NotFollowedError(f"the shape of {name} is not known")
        return tuple(size for size in sizes if size is not None)

    def other_shape(self, name: str) -> tuple[int, ...]:
        """The shape for more and other images, where the graph can take such."""
        own = self.shape(name)
        sizes = self.other_shapes.get(name, own)
        return own if None in sizes else tuple(size or 0 for size in sizes)

    def open_axes(self, name: str) -> tuple[int, ...]:
        """The axes whose size is not settled before an image comes: the batch, mostly."""
        pairs = zip(self.shape(name), self.other_shape(name), strict=True)
        return tuple(axis for axis, (one, other) in enumerate(pairs) if one != other)

    def labelled(self, name: str) -> Array:
        """The labels of a tensor; all pinned where nobody gave it any."""
        if name in self.labels:
            return self.labels[name]
        return pinned(len(self.shape(name)))

    def constant(self, name: str) -> Array:
        """The value of an initialiser; NotFollowedError where the tensor is not constant."""
        if name not in self.constants:
            raise NotFollowedError(f"{name} is not constant")
        return self.constants[name]

    def operator(self, node: NodeProto) -> Operator | None:
        """What follows channels through a node; None where nothing does."""
        from .operators import operator_of

        return self.special.get(node.output[0]) or operator_of(node)

    def enter(self, node: NodeProto, parameter: str, axis: int, role: str, labels: Array) -> None:
        """Note the labels along one axis of a parameter; used twice, they become one."""
        self.users.setdefault(parameter, set()).add(node.output[0])
        for index, entry in enumerate(self.entries):
            if entry.parameter == parameter and entry.axis == axis:
                self.union.join(entry.labels, labels)
                stronger = min(entry.role, role, key=_ROLES.index)
                self.entries[index] = replace(entry, role=stronger)
                return
        self.entries.append(Entry(parameter, axis, role, np.ascontiguousarray(labels)))

    def relabel(self, name: str, labels: Array) -> None:
        """Give ``name`` its labels. Those that change along several axes are united along all but
        one, so that channels can leave the tensor."""
        labels = compress(labels)
        axes = varying(labels)
        if len(axes) > 1:
            # Of an image the channel axis stays, of [N, groups, C / groups, H, W] the inner one.
            kept = 1 if labels.ndim == 4 and 1 in axes else axes[-1]
            first = labels
            for axis in axes:
                if axis != kept:
                    first = first.take([0], axis=axis)
            self.union.join(first, labels)
            labels = first
        self.labels[name] = labels
