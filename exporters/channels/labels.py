"""Channel labels: for every position of a tensor, the channel it belongs to.

A label array has the rank of its tensor; an axis along which nothing changes has size 1, so that a
feature map [1, C, H, W] takes an array [1, C, 1, 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

__all__ = ["PINNED", "Union", "along", "compress", "pinned", "spread", "varying"]

PINNED = 0
"""The label of channels that must stay: images, the graph's outputs, what is not understood."""


class Union:
    """Sets of labels that live or die together, by union-find; `PINNED` takes over any set."""

    def __init__(self) -> None:
        self._parent = [PINNED]

    def fresh(self, count: int) -> Array:
        """``count`` new labels, each a set of its own; int64 [count]."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def join(self, first: Array, second: Array) -> None:
        """Unite the sets of two label arrays, position by position (they broadcast)."""
        if first is second:
            return
        pairs = np.stack([a.ravel() for a in np.broadcast_arrays(first, second)])
        for a, b in np.unique(pairs[:, pairs[0] != pairs[1]], axis=1).T.tolist():
            one, other = sorted((self._root(a), self._root(b)))
            self._parent[other] = one

    def table(self) -> Array:
        """Int64 [labels]: for each label the one that stands for its set."""
        return np.fromiter(map(self._root, range(len(self._parent))), np.int64)

    def _root(self, label: int) -> int:
        parent = self._parent
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label


def pinned(rank: int) -> Array:
    """Labels of a tensor none of whose channels can go."""
    return np.full((1,) * rank, PINNED)


def varying(labels: Array) -> tuple[int, ...]:
    """The axes along which the labels change."""
    return tuple(axis for axis, size in enumerate(labels.shape) if size > 1)


def spread(labels: Array, shape: Sequence[int]) -> Array:
    """The labels of every single position, without taking memory for repeated ones."""
    return np.broadcast_to(labels, tuple(shape))


def compress(values: Array) -> Array:
    """``values`` with size 1 along every axis on which nothing changes (NaN equals NaN)."""
    for axis, size in enumerate(values.shape):
        if size > 1:
            first = values.take([0], axis=axis)
            same = values == first
            if values.dtype.kind == "f":
                same |= np.isnan(values) & np.isnan(first)
            if same.all():
                values = first
    return values


def along(values: Array, axis: int, size: int) -> Array | None:
    """``values`` [size] along ``axis``; None where they change along another axis too."""
    if any(other != axis for other in varying(values)):
        return None
    flat = values.reshape(-1)
    return np.broadcast_to(flat, (size,)) if flat.size in (1, size) else None
