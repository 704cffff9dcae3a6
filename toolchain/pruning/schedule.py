"""How the rounds of iterative pruning share out the way to the final fraction."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SCHEDULES"]


def one_shot(_done: float) -> float:
    """All in the first round; the rounds after it only retrain."""
    return 1.0


def linear(done: float) -> float:
    """The same step every round (the paper's)."""
    return done


def cubic(done: float) -> float:
    """Large steps first, while much is redundant (Zhu & Gupta 2017, "To prune, or not to prune",
    equation 1)."""
    return 1 - (1 - done) ** 3


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one-shot": one_shot,
    "linear": linear,
    "cubic": cubic,
}
"""Share of the final fraction pruned when ``done`` of the rounds, above 0 up to 1, are reached."""
