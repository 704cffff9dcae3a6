"""Operators that pick a part of a tensor, or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...passes.graph import attribute, subgraphs
from ..context import NotFollowedError
from ..labels import varying
from .base import Operator
from .moves import Move

if TYPE_CHECKING:
    from onnx import NodeProto

    from ..context import Walk
    from ..cut import Cut

    Array = np.ndarray[Any, Any]

__all__ = ["Gather", "GatherND", "Shape", "Slice", "Split"]


class Split(Move):
    """Contiguous parts of a tensor, along one axis."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        rank = arrays[0].ndim
        axis = attribute(node, "axis", 0) % rank
        if arrays[0].shape[axis] == 1:
            return [arrays[0]] * len(node.output)
        ends = np.cumsum([walk.shape(name)[axis] for name in node.output])
        return np.split(arrays[0], ends[:-1], axis=axis)

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        labels = cut.walk.labelled(node.input[0])
        axis = attribute(node, "axis", 0) % labels.ndim
        if not cut.touches(node.input[0]) or axis not in varying(labels):
            return
        left = [name for name in node.output if not cut.empty(name)]
        sizes = [cut.shape(name)[axis] for name in left]
        del node.output[:]
        node.output.extend(left)
        if len(left) == 1:
            cut.pass_on(node, node.input[0])
            return
        cut.drop_attribute(node, "num_outputs")
        if cut.opset < 13:
            cut.set_attribute(node, "split", sizes)
        else:
            cut.set_constant(node, 1, np.array(sizes, np.int64))


class Slice(Move):
    """Constant slices; along channels in steps of one."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        changing = set(varying(walk.labels.get(node.input[0], np.zeros(()))))
        if changing:
            for axis, part in _slices(node, walk).items():
                if axis in changing and part.step not in (None, 1):
                    raise NotFollowedError(node.op_type)
        super().link(node, walk)

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        index = [slice(None)] * arrays[0].ndim
        for axis, part in _slices(node, walk).items():
            if arrays[0].shape[axis] > 1:
                index[axis] = part
        return [arrays[0][tuple(index)]]

    def shrink(self, node: NodeProto, cut: Cut) -> None:
        if cut.empty(node.output[0]):
            cut.remove(node)
            return
        changing = set(varying(cut.walk.labelled(node.input[0])))
        slices = _slices(node, cut.walk)
        if not cut.touches(node.input[0]) or not changing & set(slices):
            return
        if cut.opset < 10:
            starts = np.array(attribute(node, "starts"), np.int64)
            ends = np.array(attribute(node, "ends"), np.int64)
        else:
            starts, ends = (cut.walk.constant(name).reshape(-1).copy() for name in node.input[1:3])
        for place, (axis, part) in enumerate(slices.items()):
            if axis in changing:
                kept = cut.kept(node.input[0], axis)
                first, last, _ = part.indices(len(kept))
                starts[place], ends[place] = kept[:first].sum(), kept[:last].sum()
        if cut.opset < 10:
            cut.set_attribute(node, "starts", starts.tolist())
            cut.set_attribute(node, "ends", ends.tolist())
        else:
            cut.set_constant(node, 1, starts)
            cut.set_constant(node, 2, ends)


class Gather(Move):
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


class GatherND(Move):
    """Constant selections of pixels: adaptive pooling of small images becomes one."""

    def arrange(self, node: NodeProto, arrays: list[Array], walk: Walk) -> list[Array]:
        indices = walk.constant(node.input[1])
        picked = indices.shape[-1]
        if attribute(node, "batch_dims", 0) or any(size > 1 for size in arrays[0].shape[:picked]):
            raise NotFollowedError(node.op_type)
        return [arrays[0].reshape((1,) * (indices.ndim - 1) + arrays[0].shape[picked:])]


class Shape(Operator):
    """The sizes of a tensor; followed where nobody asks for one that may change."""

    def link(self, node: NodeProto, walk: Walk) -> None:
        changing = set(varying(walk.labels.get(node.input[0], np.zeros(()))))
        if not changing:
            return
        rank = len(walk.shape(node.input[0]))
        start, end = attribute(node, "start", 0), attribute(node, "end", rank)
        axes = list(range(rank))[start:end]
        tops = list(subgraphs(walk.model.graph))
        if changing & set(axes) and any(o.name == node.output[0] for t in tops for o in t.output):
            raise NotFollowedError(node.op_type)
        for reader in (reader for top in tops for reader in top.node):
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
