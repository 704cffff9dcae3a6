"""Find how far to clip a tensor at either end: first coarsely over all, then finely near the best.

A candidate keeps the fraction ``below`` of the range under zero and ``above`` of that over it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from .histogram import Histogram

    Array = np.ndarray[Any, Any]
    Cost = Callable[[Array, Array], Array]

__all__ = ["search"]

FINE = 1024
"""Steps of a fraction; every one is tried where only one end can move."""

_COARSE = 32
"""Steps of a fraction where both ends can."""


_ROUNDS = 8
"""Times that each end is tried anew, at most."""

_AT_ONCE = 128


def search(histogram: Histogram, cost: Cost, *, symmetric: bool) -> tuple[float, float]:
    """The fractions (below, above) of least ``cost``, each in (0, 1]; the widest of equal ones.

    ``cost`` takes two float64 [candidates] of fractions and returns as many costs, infinite where
    a candidate is of no use. Symmetric candidates have both fractions the same.
    """
    import numpy as np

    line = np.arange(FINE, 0, -1) / FINE
    one = np.ones(FINE)
    if symmetric:
        best = line[np.argmin(_costs(cost, line, line))]
        return float(best), float(best)
    if histogram.low == 0:
        return 1.0, float(line[np.argmin(_costs(cost, one, line))])
    if histogram.high == 0:
        return float(line[np.argmin(_costs(cost, line, one))]), 1.0
    coarse = np.arange(_COARSE, 0, -1) / _COARSE
    below, above = (values.ravel() for values in np.meshgrid(coarse, coarse, indexing="ij"))
    costs = _costs(cost, below, above)
    best = int(np.argmin(costs))
    found, least = (float(below[best]), float(above[best])), float(costs[best])
    for _ in range(_ROUNDS):
        before = found
        for end in (0, 1):
            near = _near(found[end])
            still = np.full(len(near), found[1 - end])
            costs = cost(near, still) if end == 0 else cost(still, near)
            best = int(np.argmin(costs))
            if costs[best] < least:
                least = float(costs[best])
                found = (float(near[best]), found[1]) if end == 0 else (found[0], float(near[best]))
        if found == before:
            break
    return found


def _costs(cost: Cost, below: Array, above: Array) -> Array:
    """All costs, from few candidates at a time, whose intermediate arrays stay small."""
    import numpy as np

    pieces = range(0, len(below), _AT_ONCE)
    return np.concatenate([cost(below[k : k + _AT_ONCE], above[k : k + _AT_ONCE]) for k in pieces])


def _near(fraction: float) -> Array:
    import numpy as np

    steps = round(fraction * FINE) + np.arange(FINE // _COARSE, -FINE // _COARSE - 1, -1)
    kept: Array = steps[(steps > 0) & (steps <= FINE)] / FINE
    return kept
