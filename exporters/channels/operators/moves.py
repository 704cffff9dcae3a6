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

__all__ = [
    "Concat",
    "Expand",
    "Gather",
    "GatherND",
    "Reshape",
    "Shape",
    "Shuffle",
    "Slice",
    "Split",
    "Transpose",
]


class _Move(Operator):
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


class Reshape(_Move):
    """Reshape, Flatten, Squeeze and Unsqueeze: the same values in the same order."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        before, after = walk.shape(node.input[0]), walk.shape(node.output[0])
        if arrays[0].size == 1:
            return [arrays[0].reshape((1,) * len(after))]
        return [compress(spread(arrays[0], before).reshape(after))]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if node.op_type != "Reshape" or not cut.touches(node.output[0]):
            return
        shape = cut.shape(node.output[0])
        # The batch is what is left over.
        cut.set_constant(node, 1, np.array([-1, *shape[1:]], np.int64))


class Transpose(_Move):
    """Axes in another order."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        return [arrays[0].transpose(attribute(node, "perm", range(arrays[0].ndim)[::-1]))]


class Concat(_Move):
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


class Split(_Move):
    """Contiguous parts of a tensor, along one axis."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        rank = arrays[0].ndim
        axis = attribute(node, "axis", 0) % rank
        if arrays[0].shape[axis] == 1:
            return [arrays[0]] * len(node.output)
        ends = np.cumsum([walk.shape(name)[axis] for name in node.output])
        return np.split(arrays[0], ends[:-1], axis=axis)

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if not cut.touches(node.input[0]):
            return
        axis = attribute(node, "axis", 0) % len(cut.shape(node.input[0]))
        sizes = [cut.shape(name)[axis] for name in node.output]
        cut.drop_attribute(node, "num_outputs")
        if cut.opset < 13:
            cut.set_attribute(node, "split", sizes)
        else:
            cut.set_constant(node, 1, np.array(sizes, np.int64))


class Slice(_Move):
    """Constant slices; along channels in steps of one."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        index: list[slice] = [slice(None)] * arrays[0].ndim
        for axis, part in _slices(node, walk).items():
            if arrays[0].shape[axis] > 1:
                if part.step not in (None, 1):
                    raise NotFollowedError(node.op_type)
                index[axis] = part
        return [arrays[0][tuple(index)]]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if not cut.touches(node.input[0]):
            return
        slices = _slices(node, cut.walk)
        starts, ends = [], []
        for axis, part in slices.items():
            start, end = part.start, part.stop
            if axis in varying(cut.walk.labelled(node.input[0])):
                kept = cut.kept(node.input[0], axis)
                first, last, _ = part.indices(len(kept))
                start, end = int(kept[:first].sum()), int(kept[:last].sum())
            starts.append(start)
            ends.append(end)
        if cut.opset < 10:
            cut.set_attribute(node, "starts", starts)
            cut.set_attribute(node, "ends", ends)
        else:
            cut.set_constant(node, 1, np.array(starts, np.int64))
            cut.set_constant(node, 2, np.array(ends, np.int64))


class Gather(_Move):
    """Constant selections along one axis: channel shuffles are one."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        axis = attribute(node, "axis", 0) % arrays[0].ndim
        indices = walk.constant(node.input[1])
        if arrays[0].shape[axis] > 1:
            if indices.ndim != 1:
                raise NotFollowedError(node.op_type)
            return [arrays[0].take(indices, axis=axis)]
        kept = arrays[0].squeeze(axis)
        return [np.expand_dims(kept, tuple(range(axis, axis + indices.ndim)))]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        axis = attribute(node, "axis", 0) % len(cut.shape(node.input[0]))
        if not cut.touches(node.input[0]) or axis not in varying(cut.walk.labelled(node.input[0])):
            return
        kept = cut.kept(node.input[0], axis)
        place = np.cumsum(kept) - 1
        indices = cut.walk.constant(node.input[1]) % len(kept)
        cut.set_constant(node, 1, place[indices[kept[indices]]].astype(np.int64))


class GatherND(_Move):
    """Constant selections of pixels: adaptive pooling of small images becomes one."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        indices = walk.constant(node.input[1])
        picked = indices.shape[-1]
        if attribute(node, "batch_dims", 0) or any(size > 1 for size in arrays[0].shape[:picked]):
            raise NotFollowedError(node.op_type)
        return [arrays[0].reshape((1,) * (indices.ndim - 1) + arrays[0].shape[picked:])]


class Shuffle(_Move):
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


class Shape(Operator):
    """The sizes of a tensor; followed where nobody asks for one that may change."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        changing = set(varying(walk.labels.get(node.input[0], np.zeros(()))))
        if not changing:
            return
        rank = len(walk.shape(node.input[0]))
        start, end = attribute(node, "start", 0), attribute(node, "end", rank)
        axes = list(range(rank))[start:end]
        for reader in walk.model.graph.node:
            if node.output[0] not in reader.input:
                continue
            asked = axes
            if reader.op_type == "Gather":
                asked = [axes[i] for i in walk.constant(reader.input[1]).reshape(-1).tolist()]
            elif reader.op_type == "Slice" and walk.opset >= 10:
                (part,) = _slices(reader, walk).values()
                asked = axes[part]
            if changing & set(asked):
                raise NotFollowedError(node.op_type)


class Expand(_Move):
    """Broadcasting to a shape; not of a channel axis."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        shape = walk.shape(node.output[0])
        before = walk.shape(node.input[0])
        before = (1,) * (len(shape) - len(before)) + before
        labels = arrays[0].reshape((1,) * (len(shape) - arrays[0].ndim) + arrays[0].shape)
        if any(labels.shape[a] > 1 and before[a] != shape[a] for a in range(len(shape))):
            raise NotFollowedError(node.op_type)
        return [labels]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if cut.touches(node.output[0]):
            cut.set_constant(node, 1, np.array([1, *cut.shape(node.output[0])[1:]], np.int64))


def _slices(node: NodeProto, walk: Walk) -> dict[int, slice]:
    """Axis -> slice, in the order in which the node names them."""
    rank = len(walk.shape(node.input[0]))
    starts: Any
    ends: Any
    axes: Any
    steps: Any
    if walk.opset < 10:
        starts, ends = list(attribute(node, "starts")), list(attribute(node, "ends"))
        axes, steps = list(attribute(node, "axes", range(len(starts)))), [1] * len(starts)
    else:
        given: list[Any] = [
            walk.constant(name).reshape(-1).tolist() if name else None for name in node.input[1:]
        ]
        starts, ends, axes, steps = [*given, None, None][:4]
        axes = list(range(len(starts))) if axes is None else axes
        steps = [1] * len(starts) if steps is None else steps
    return {
        axis % rank: slice(start, end if end > -(2**31) else None, step)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }
