"""Which channels can leave: those that carry one constant, and those that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..passes.graph import attribute
from .labels import PINNED
from .operators.layers import padded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .context import Reader, Walk
    from .values import Values

    Array = np.ndarray[Any, Any]

__all__ = ["folds", "harmless", "living", "read_weights", "topped_up"]


def living(walk: Walk, values: Values, roots: Array) -> Array:
    """Bool [labels]: whether the set each label is in must stay.

    A set can go where every layer that reads one of its channels either finds zeros in it, or a
    constant that its bias can take over, or has zero weights for it in all outputs that stay
    themselves. No tensor becomes empty but a part that is only put beside others again.
    """
    readers = [
        (reader, read_weights(reader, values.weights), harmless(reader, values))
        for reader in walk.readers
    ]
    alive = np.ones(len(roots), bool)
    while True:
        needed = np.zeros(len(roots), bool)
        needed[PINNED] = True
        for reader, weights, without in readers:
            rows = alive[roots[reader.makes]]
            used = _used(weights, rows, attribute(reader.node, "group", 1))
            needed[roots[reader.labels[used & ~without]]] = True
        if (needed == alive).all():
            break
        alive = needed
    _keep_one_everywhere(walk, roots, alive)
    found: Array = alive[roots]
    return found


def topped_up(walk: Walk, roots: Array, stays: Array, multiple: int) -> Array:
    """``stays`` and as many more as every layer needs to keep a multiple, or all it has.

    Of the dead ones those come back that cost the fewest weights.
    """
    alive = stays.copy()
    if multiple > 1:
        costs = _costs(walk, roots, alive)
        while _round(walk, roots, alive, multiple, costs):
            pass
    found: Array = alive[roots]
    return found


def harmless(reader: Reader, values: Values) -> Array:
    """Bool [channels]: those whose loss the reader does not notice, or can make up for."""
    axis = len(values.walk.shape(reader.tensor)) - 1 if reader.node.op_type == "MatMul" else 1
    found = values.channels(reader.tensor, axis)
    return np.array(~np.isnan(found) if folds(reader) else found == 0)


def folds(reader: Reader) -> bool:
    """Whether a constant channel other than zero can move into the reader's bias exactly."""
    node = reader.node
    if node.op_type == "Conv":
        return not padded(node)
    if node.op_type == "Gemm":
        return bool(attribute(node, "beta", 1.0))
    return str(node.op_type) == "MatMul"


def read_weights(reader: Reader, weights: Mapping[str, Array]) -> Array:
    """Bool [outputs, channels of one group]: whether a weight stands between the two."""
    weight = weights[reader.weight]
    swap = reader.node.op_type in ("MatMul", "ConvTranspose") or (
        reader.node.op_type == "Gemm" and not attribute(reader.node, "transB", 0)
    )
    present = weight != 0 if weight.ndim == 2 else weight.any(axis=tuple(range(2, weight.ndim)))
    return np.array(present.T if swap else present)


def _used(weights: Array, rows: Array, groups: int) -> Array:
    """Bool [channels]: whether one of the outputs that stay reads them."""
    parts = zip(np.split(weights, groups), np.split(rows, groups), strict=True)
    return np.concatenate([part[stay].any(axis=0) for part, stay in parts])


def _keep_one_everywhere(walk: Walk, roots: Array, alive: Array) -> None:
    """No tensor may end up empty, except for parts that can be left out."""
    optional = _optional(walk)
    for name, labels in walk.labels.items():
        if name not in optional and not alive[roots[labels]].any():
            alive[roots[labels.reshape(-1)[0]]] = True


def _optional(walk: Walk) -> set[str]:
    """Outputs of Split and Slice that nothing but Concat reads: it can do without them."""
    found: set[str] = set()
    for node in walk.model.graph.node:
        if node.op_type != "Concat":
            found.difference_update(node.input)
        if node.op_type in ("Split", "Slice"):
            found.update(node.output)
    return found


def _costs(walk: Walk, roots: Array, alive: Array) -> Array:
    """Int64 [labels]: how many weights more there are if a set stays, of those not pruned away."""
    lengths = {(e.parameter, e.axis): int(alive[roots[e.labels]].sum()) for e in walk.entries}
    costs = np.zeros(len(roots), np.int64)
    for entry in walk.entries:
        shape = walk.constants[entry.parameter].shape
        others = [lengths.get((entry.parameter, axis), size) for axis, size in enumerate(shape)]
        others.pop(entry.axis)
        np.add.at(costs, roots[entry.labels], int(np.prod(others)))
    return costs


def _round(walk: Walk, roots: Array, alive: Array, round_to: int, costs: Array) -> bool:
    """Let layers keep more until each has a multiple; whether anything changed."""
    changed = False
    for entry in walk.entries:
        if entry.role != "makes":
            continue
        own = roots[entry.labels]
        while (count := int(alive[own].sum())) % round_to and not alive[own].all():
            dead = own[~alive[own]]
            alive[dead[costs[dead].argmin()]] = True
            changed |= count != int(alive[own].sum())
    return changed
