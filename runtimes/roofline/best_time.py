"""The shortest of many short times: what the machine can do when nothing else is in its way."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["best_seconds"]

_LEAST_RUNS = 3


def best_seconds(timed: Callable[[], float], seconds: float) -> float:
    """The least that ``timed`` returns when it is called for ``seconds``, after one call unheeded.

    It times itself; where one call takes about a millisecond, other work on the machine, which
    comes in slices of several, spoils some calls and not the least.
    """
    timed()
    best, runs = float("inf"), 0
    end = perf_counter() + seconds
    while runs < _LEAST_RUNS or perf_counter() < end:
        best = min(best, timed())
        runs += 1
    return best
