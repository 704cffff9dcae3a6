"""Constant propagation by channel: which channels have one value, whatever the image."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .context import NotFollowedError
from .labels import compress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .context import Walk

    Array = np.ndarray[Any, Any]

__all__ = ["Values", "constant_channels"]


@dataclass
class Values:
    """Known values by tensor: float arrays that broadcast to its shape; NaN is unknown."""

    walk: Walk
    weights: Mapping[str, Array]
    known: dict[str, Array] = field(default_factory=dict)

    def of(self, name: str) -> Array:
        """What is known of a tensor; of a constant one its content."""
        if name in self.known:
            return self.known[name]
        if name in self.weights:
            return self.weights[name]
        return np.full((1,) * len(self.walk.shape(name)), np.nan)

    def channels(self, name: str, axis: int = 1) -> Array:
        """Float [channels] along ``axis``; NaN where they differ from pixel to pixel."""
        values = np.moveaxis(self.of(name), axis, 0)
        size = self.walk.shape(name)[axis]
        if values.size == 1:
            return np.broadcast_to(values.reshape(-1), (size,))
        values = values.reshape(len(values), -1)
        same = np.where((values == values[:, :1]).all(axis=1), values[:, 0], np.nan)
        return np.broadcast_to(same, (size,))

    def note(self, name: str, values: Array) -> None:
        """Keep what is known of a tensor."""
        finite = np.isfinite(values)
        if finite.any():
            self.known[name] = compress(np.where(finite, values, np.nan))


def constant_channels(walk: Walk, weights: Mapping[str, Array]) -> Values:
    """Follow constant channels through the graph with these ``weights`` (by parameter name)."""
    values = Values(walk, weights)
    strangers = {node.output[0] for node, _ in walk.strangers}
    for node in walk.model.graph.node:
        operator = walk.operator(node)
        if operator is not None and node.output[0] not in strangers:
            # Infinities and divisions by zero are values like others here: they stay unknown.
            with np.errstate(all="ignore"), suppress(NotFollowedError):
                operator.evaluate(node, values)
    return values
