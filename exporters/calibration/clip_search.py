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
"""A fraction is a multiple of one in so many."""

_SMOOTH = (64, 16)
_RUGGED = (FINE, 32)
"""Steps of a fraction tried at first, where one end can move and where both can."""

_REFINING = (8, 1)
"""Multiples of 1 / FINE by which the best candidate is then moved."""

_REACH = 8
"""So many of them, to either side: as far as the next candidate of the step before."""

_ROUNDS = 8
"""Times that each end is moved anew, at most."""

_AT_ONCE = 128


def search(
    histogram: Histogram, cost: Cost, *, symmetric: bool, smooth: bool
) -> tuple[float, float]:
    """The fractions (below, above) of least ``cost``, each in (0, 1]; the widest of equal ones.

    ``cost`` takes two float64 [candidates] of fractions and returns as many costs, infinite where
    a candidate is of no use. Symmetric candidates have both fractions the same; an end where the
    tensor has no values stays at 1. ``smooth`` says that the cost has few minima besides the least.
    """
    import numpy as np

    moves = _moves(histogram, symmetric)
    line, plane = _SMOOTH if smooth else _RUGGED
    if len(moves) == 2:
        coarse = np.arange(FINE, 0, -FINE // plane)
        tried = np.stack([each.ravel() for each in np.meshgrid(coarse, coarse, indexing="ij")])
    else:
        coarse = np.arange(FINE, 0, -FINE // line)
        tried = np.where(moves[0], coarse, FINE)
    found, least = _best(cost, tried)
    for step in _REFINING:
        for _ in range(_ROUNDS):
            before = found
            for move in moves:
                near = found + move * step * np.arange(_REACH, -_REACH - 1, -1)
                near = near[:, ((near > 0) & (near <= FINE)).all(axis=0)]
                best, value = _best(cost, near)
                if value < least:
                    found, least = best, value
            if (found == before).all():
                break
    below, above = (found / FINE).ravel()
    return float(below), float(above)


def _moves(histogram: Histogram, symmetric: bool) -> list[Array]:
    """Which of (below, above) change together: int [2, 1] each."""
    import numpy as np

    if symmetric:
        return [np.array([[1], [1]])]
    ends = (np.array([[1], [0]]), np.array([[0], [1]]))
    used = [end for end, bound in zip(ends, (histogram.low, histogram.high), strict=True) if bound]
    return used or [ends[1]]


def _best(cost: Cost, tried: Array) -> tuple[Array, float]:
    """The first of the candidates [2, n] of least cost, as [2, 1], and its cost.

    They are looked at a few at a time, so that the arrays in between stay small.
    """
    import numpy as np

    below, above = tried / FINE
    pieces = range(0, len(below), _AT_ONCE)
    costs = np.concatenate([cost(below[k : k + _AT_ONCE], above[k : k + _AT_ONCE]) for k in pieces])
    best = int(np.argmin(costs))
    return tried[:, best : best + 1], float(costs[best])
