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

__all__ = ["folds", "harmless", "living", "read_weights", "rounded"]


def living(walk: Walk, values: Values, roots: Array) -> Array:
    """Bool [labels]: whether the set each label is in must stay.

    A set can go where every layer that reads one of its channels either finds zeros in it, or a
    constant that its bias can take over, or has zero weights for it in all outputs that stay
    themselves. No tensor becomes empty.
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


def rounded(walk: Walk, roots: Array, stays: Array, multiple: int) -> Array:
    """``stays`` and as many more as every layer needs to keep a multiple, or all it has."""
    alive = stays.copy()
    while multiple > 1 and _round(walk, roots, alive, multiple):
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
    """No tensor may end up empty."""
    for labels in walk.labels.values():
        if not alive[roots[labels]].any():
            alive[roots[labels.reshape(-1)[0]]] = True


def _round(walk: Walk, roots: Array, alive: Array, round_to: int) -> bool:
    """Let layers keep more until each has a multiple; whether anything changed."""
    changed = False
    for entry in walk.entries:
        if entry.role != "makes":
            continue
        own = roots[entry.labels]
        while (count := int(alive[own].sum())) % round_to and not alive[own].all():
            alive[own[~alive[own]][0]] = True
            changed |= count != int(alive[own].sum())
    return changed
