"""Operators that only move values: whatever they do to a tensor they do to its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...passes.graph import attribute
from ..context import NotFollowedError
from ..labels import compress, spread, varying
from .base import Operator

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..context import Walk
    from ..cut import Cut
    from ..values import Values

    Array = np.ndarray[Any, Any]

__all__ = ["Concat", "Expand", "Move", "Reshape", "Shuffle", "Transpose"]


class Move(Operator):
    """What moves: ``arrange`` on labels and on known values alike."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        """The outputs' arrays from those of the data inputs."""
        raise NotImplementedError

    def data(self, node: NodeProto) -> list[str]:
        """The inputs that are moved."""
        return [node.input[0]]

    def link(self, node: NodeProto, walk: Walk) -> None:
        names = self.data(node)
        if all(name not in walk.labels for name in names):
            return  # shapes, or tensors that stay as they are
        if any(name in walk.constants and walk.constants[name].size > 1 for name in names):
            raise NotFollowedError(node.op_type)
        moved = self.arrange(node, [walk.labelled(name) for name in names], walk)
        for name, labels in zip(node.output, moved, strict=True):
            if name:
                walk.relabel(name, labels)

    def evaluate(self, node: NodeProto, values: Values) -> None:
        names = self.data(node)
        if not any(name in values.known for name in names):
            return
        moved = self.arrange(node, [values.of(name) for name in names], values.walk)
        for name, found in zip(node.output, moved, strict=True):
            if name:
                values.note(name, found)


class Reshape(Move):
    """Reshape, Flatten, Squeeze and Unsqueeze: the same values in the same order."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        super().link(node, walk)
        labels = walk.labels.get(node.output[0])
        if labels is None or not varying(labels) or node.op_type != "Reshape":
            return
        if node.input[1] not in walk.constants and len(walk.open_axes(node.output[0])) > 1:
            del walk.labels[node.output[0]]
            raise NotFollowedError(node.op_type)

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        before, after = walk.shape(node.input[0]), walk.shape(node.output[0])
        if arrays[0].size == 1:
            return [arrays[0].reshape((1,) * len(after))]
        if node.op_type == "Squeeze" and len(node.input) < 2 and not attribute(node, "axes"):
            raise NotFollowedError(node.op_type)  # a channel axis may become one that goes
        moved = compress(spread(arrays[0], before).reshape(after))
        # Images of another size, or more of them, must come out in the same arrangement.
        before, after = walk.other_shape(node.input[0]), walk.other_shape(node.output[0])
        if any(size not in (1, before[axis]) for axis, size in enumerate(arrays[0].shape)):
            raise NotFollowedError(node.op_type)
        other = compress(spread(arrays[0], before).reshape(after))
        if not np.array_equal(moved, other, equal_nan=other.dtype.kind == "f"):
            raise NotFollowedError(node.op_type)
        return [moved]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        output = node.output[0]
        if node.op_type != "Reshape" or not cut.touches(output):
            return
        shape = cut.shape(output)
        if node.input[1] in cut.walk.constants:
            target = cut.walk.constants[node.input[1]].copy()
            for axis in varying(cut.walk.labelled(output)):
                target[axis] = shape[axis] if target[axis] >= 0 else -1
        else:
            target = np.array(shape, np.int64)
            target[list(cut.walk.open_axes(output))] = -1
        cut.set_constant(node, 1, target)


class Transpose(Move):
    """Axes in another order."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        return [arrays[0].transpose(attribute(node, "perm", range(arrays[0].ndim)[::-1]))]


class Concat(Move):
    """Tensors one after the other."""

    def data(self, node: NodeProto) -> list[str]:
        return list(node.input)

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        rank = len(walk.shape(node.output[0]))
        axis = attribute(node, "axis") % rank
        largest = np.broadcast_shapes(*((*a.shape[:axis], 1, *a.shape[axis + 1 :]) for a in arrays))
        parts = [
            spread(a, (*largest[:axis], walk.shape(name)[axis], *largest[axis + 1 :]))
            for name, a in zip(node.input, arrays, strict=True)
        ]
        return [np.concatenate(parts, axis=axis)]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        left = [name for name in node.input if not cut.empty(name)]
        if len(left) == len(node.input):
            return
        if len(left) == 1:
            cut.pass_on(node, left[0])
            return
        del node.input[:]
        node.input.extend(left)


class Shuffle(Move):
    """Reshape, Transpose and Reshape that together only permute channels (ShuffleNet's shuffle).

    The three nodes share this operator: the last one acts for all. Where channels leave, the three
    become one Gather, since what stays need not fill a grid.
    """

    def __init__(self, source: str, last: str, order: list[int]) -> None:
        self._source = source
        self._last = last
        self._order = np.array(order)

    def data(self, node: NodeProto) -> list[str]:
        return [self._source]

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        return [arrays[0] if arrays[0].shape[1] == 1 else arrays[0].take(self._order, axis=1)]

    def link(self, node: NodeProto, walk: Walk) -> None:
        if node.output[0] == self._last:
            super().link(node, walk)

    def evaluate(self, node: NodeProto, values: Values) -> None:
        if node.output[0] == self._last:
            super().evaluate(node, values)

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if not cut.touches(self._source):
            return
        if node.output[0] != self._last:
            cut.remove(node)
            return
        kept = cut.kept(self._source, 1)
        indices = (np.cumsum(kept) - 1)[self._order[kept[self._order]]].astype(np.int64)
        node.op_type = "Gather"
        del node.attribute[:], node.input[:]
        node.input.append(self._source)
        cut.set_attribute(node, "axis", 1)
        cut.set_constant(node, 1, indices)


class Expand(Move):
    """Broadcasting to a shape; not of a channel axis."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        super().link(node, walk)
        labels = walk.labels.get(node.output[0])
        if labels is None or not varying(labels) or node.input[1] in walk.constants:
            return
        if set(_grown(node, walk)) & set(walk.open_axes(node.output[0])):
            del walk.labels[node.output[0]]
            raise NotFollowedError(node.op_type)

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        rank = len(walk.shape(node.output[0]))
        labels = arrays[0].reshape((1,) * (rank - arrays[0].ndim) + arrays[0].shape)
        if any(labels.shape[axis] > 1 for axis in _grown(node, walk)):
            raise NotFollowedError(node.op_type)
        return [labels]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        output = node.output[0]
        if not cut.touches(output):
            return
        shape = cut.shape(output)
        if node.input[1] in cut.walk.constants:
            target = cut.walk.constants[node.input[1]].copy()
            for axis in varying(cut.walk.labelled(output)):
                place = axis - len(shape) + len(target)
                if place >= 0 and target[place] != 1:
                    target[place] = shape[axis]
        else:
            grown = _grown(node, cut.walk)
            target = np.array([s if axis in grown else 1 for axis, s in enumerate(shape)], np.int64)
        cut.set_constant(node, 1, target)


def _grown(node: NodeProto, walk: Walk) -> list[int]:
    """The axes of an Expand's output along which its input is repeated."""
    before, after = walk.shape(node.input[0]), walk.shape(node.output[0])
    before = (1,) * (len(after) - len(before)) + before
    return [axis for axis, size in enumerate(after) if size != before[axis]]
