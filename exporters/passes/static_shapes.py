"""Store the sizes that a graph computes from its tensors' shapes, as far as they are settled.

TorchScript's exporter writes ``x.view(b, groups, c // groups, h, w)`` and ``chunk`` as arithmetic
on Shape, however fixed the sizes. Where only the batch is open, the others become constants here,
and a Reshape to the batch and constants is one to -1 and constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...runtimes.onnx_model.shapes import infer_shapes
from .computed_constants import fold
from .graph import PassResult, attribute, initialisers, tensor_names, unique_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from onnx import ModelProto, NodeProto

    Sizes = np.ndarray[Any, Any]
    """Of objects: integers, and `_Open` where a size is open."""

__all__ = ["apply", "settle"]

_MOST_ROUNDS = 200
"""Each settles at least the shapes up to the next Reshape: twice the channel shuffles."""

_LARGEST_SHAPE = 64
"""Elements of an integer constant that may be a part of a shape."""


@dataclass(frozen=True)
class _Open:
    """The size of a tensor along an axis, which is not settled before the graph runs."""

    tensor: str
    axis: int


def apply(model: ModelProto) -> PassResult:
    """Precondition: constants are initialisers, nodes in topological order. Postcondition: no
    Shape or Size of settled sizes is left, nor what picks such from a Shape and computes with them;
    no target of a Reshape is computed of which at most one size is open."""
    return settle(model)


def settle(model: ModelProto, *, grow: bool = True) -> PassResult:
    """As `apply`; ``grow`` is that of `computed_constants.fold`."""
    changes: list[str] = []
    for _ in range(_MOST_ROUNDS):
        if not any(n.op_type in ("Shape", "Size") and not n.domain for n in model.graph.node):
            break
        found = _settle(model)
        if not found:
            break
        changes += (*found, *fold(model, grow=grow).changes)
    return PassResult("static_shapes", tuple(changes))


def _settle(model: ModelProto) -> list[str]:
    """One round: store what the shapes known by now say."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    graph = model.graph
    shapes = infer_shapes(model, {})
    constants = {
        name: numpy_helper.to_array(tensor)
        for name, tensor in initialisers(graph).items()
        if tensor.data_type in (6, 7) and np.prod(tensor.dims) <= _LARGEST_SHAPE
    }
    outputs = {value.name for value in graph.output}
    partial: dict[str, Sizes] = {}
    kinds: dict[str, type[np.signedinteger[Any]]] = {}
    taken = tensor_names(graph)
    changes = []
    for node in list(graph.node):
        if node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type == "Reshape" and len(node.input) == 2 and node.input[1] in partial:
            target = _target(node, partial[node.input[1]])
            if target is not None:
                name = unique_name(f"{node.output[0]}/shape", taken)
                graph.initializer.append(numpy_helper.from_array(target, name))
                node.input[1] = name
                changes.append(name)
            continue
        sizes = _sizes(node, shapes, constants, partial)
        if sizes is None:
            continue
        if node.op_type == "Cast":
            kind = np.int32 if attribute(node, "to") == TensorProto.INT32 else np.int64
        else:  # Shape and Size make int64, what picks and joins makes what it reads
            kind = next((kinds[name] for name in node.input if name in kinds), np.int64)
        if all(isinstance(size, int) for size in sizes.flat) and node.output[0] not in outputs:
            value = sizes.astype(kind)
            constants[node.output[0]] = value
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
            graph.node.remove(node)
            changes.append(node.output[0])
        else:
            partial[node.output[0]], kinds[node.output[0]] = sizes, kind
    return changes


def _sizes(
    node: NodeProto,
    shapes: Mapping[str, Sequence[int | None]],
    constants: Mapping[str, Sizes],
    partial: Mapping[str, Sizes],
) -> Sizes | None:
    """What a node says of sizes; None where it is none of those that only pick and join them."""
    import numpy as np

    def given(index: int) -> Sizes | None:
        return constants.get(node.input[index]) if index < len(node.input) else None

    kind = node.op_type
    if kind in ("Shape", "Size"):
        dims = shapes.get(node.input[0])
        if dims is None:
            return None
        if kind == "Size":
            settled = [size for size in dims if size is not None]
            return _objects(int(np.prod(settled))) if len(settled) == len(dims) else None
        every = [_Open(node.input[0], axis) if s is None else s for axis, s in enumerate(dims)]
        return _objects(every[attribute(node, "start", 0) : attribute(node, "end", len(every))])
    if kind == "Concat":
        if not any(name in partial for name in node.input):
            return None
        parts = [partial.get(name, constants.get(name)) for name in node.input]
        if any(part is None or part.ndim != 1 for part in parts):
            return None
        return _objects([entry for part in parts if part is not None for entry in part.tolist()])
    own = partial.get(node.input[0]) if node.input else None
    if own is None:
        return None
    if kind == "Identity" or (kind == "Cast" and attribute(node, "to") in (6, 7)):
        return own
    if kind == "Squeeze" and own.ndim == 1 and own.size == 1:
        return own.reshape(())
    if kind == "Unsqueeze" and own.ndim == 0:
        return own.reshape(1)
    if kind == "Gather" and own.ndim == 1 and (indices := given(1)) is not None:
        inside = (indices >= -own.size) & (indices < own.size)
        return _objects(own[indices]) if inside.all() and indices.ndim < 2 else None
    if kind == "Slice" and own.ndim == 1 and len(node.input) > 2:
        limits = [given(index) for index in range(1, len(node.input)) if index != 3]
        if any(limit is None or limit.size != 1 for limit in limits):
            return None
        start, end, *step = (int(limit.item()) for limit in limits if limit is not None)
        return own[start : end : step[0] if step else 1]
    return None


def _objects(value: Any) -> Sizes:
    import numpy as np

    return np.array(value, object)


def _target(node: NodeProto, sizes: Sizes) -> np.ndarray[Any, Any] | None:
    """A constant target that says the same as ``sizes``, of which at least one is open."""
    import numpy as np

    entries = sizes.tolist()
    literal = bool(attribute(node, "allowzero", 0))
    open_at = [axis for axis, entry in enumerate(entries) if not isinstance(entry, int)]
    if not literal:
        # A zero takes over the size of the input's own axis.
        for axis in list(open_at):
            if len(open_at) + (-1 in entries) > 1 and entries[axis] == _Open(node.input[0], axis):
                entries[axis] = 0
                open_at.remove(axis)
    if len(open_at) + (-1 in entries) > 1 or (literal and 0 in entries):
        return None
    for axis in open_at:
        entries[axis] = -1
    return np.array(entries, np.int64)
