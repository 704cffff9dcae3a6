"""How much faster: the ratio of two files' times, its interval, and what that shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from typing import TYPE_CHECKING, Any

from ..statistics import student95

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Speedup", "baseline", "ratio_interval", "speedup", "verdict_of"]

TOO_WIDE = 1.2
"""An interval that holds 1 and is as wide as this, high over low, rules hardly anything out."""

_RESAMPLES = 2000
_MOST_VALUES = 2_000_000
"""Rounds drawn at a time, which bounds memory."""


@dataclass(frozen=True)
class Speedup:
    """Times as fast as the baseline, with a 95% interval and a verdict."""

    ratio: float
    low: float
    high: float
    verdict: str
    """``baseline``, ``faster``, ``slower``, ``no difference shown`` or ``too noisy``."""
    rounds: tuple[float, ...]
    """The ratio of each round."""

    @property
    def different(self) -> bool:
        """Whether a difference is shown."""
        return self.verdict in ("faster", "slower")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ratio": self.ratio,
            "low": self.low,
            "high": self.high,
            "verdict": self.verdict,
            "rounds": list(self.rounds),
        }


def baseline(rounds: int) -> Speedup:
    """The baseline against itself."""
    return Speedup(1.0, 1.0, 1.0, "baseline", (1.0,) * rounds)


def speedup(
    base: Sequence[Sequence[float]], own: Sequence[Sequence[float]], seed: int = 0
) -> Speedup:
    """From one time of each round, ``[launch][round]``, of the baseline and of a file.

    A round's ratio is of two times a moment apart, so that what slows the machine for a while slows
    both sides.
    """
    ratios = [
        [a / b for a, b in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(base, own, strict=True)
    ]
    ratio, low, high = ratio_interval(ratios, seed)
    every = tuple(value for launch in ratios for value in launch)
    return Speedup(ratio, low, high, verdict_of(low, high), every)


def verdict_of(low: float, high: float) -> str:
    """What an interval of the speed-up shows."""
    if low > 1:
        return "faster"
    if high < 1:
        return "slower"
    return "too noisy" if high > TOO_WIDE * low else "no difference shown"


def ratio_interval(ratios: Sequence[Sequence[float]], seed: int = 0) -> tuple[float, float, float]:
    """The speed-up and its 95% interval, from the ratios ``[launch][round]``: ratio, low, high.

    The speed-up is the geometric mean over launches of the launch's median. Two processes that run
    one file differ persistently by some per cent (Mytkowicz et al., "Producing wrong data without
    doing anything obviously wrong!", 2009), so that rounds of one launch are not independent:
    launches are what counts, and there must be two at least (ValueError).

    The standard error is that of a bootstrap which draws launches and, within them, rounds, both
    with replacement; that somewhat overstates it (Davison and Hinkley, "Bootstrap Methods and their
    Application", 1997, section 3.8), on the side of not claiming what is not there. With so few
    launches percentiles of the bootstrap are too narrow: no resample leaves the range of the
    launches. So the interval is the t interval with bootstrap standard error (Hesterberg, "What
    teachers should know about the bootstrap", The American Statistician 69, 2015), on the
    logarithm, and that error is made larger by sqrt(n / (n - 1)) for n launches, by which the
    bootstrap falls short.
    """
    import numpy as np

    logs = np.log(np.asarray(ratios, np.float64))
    launches = len(logs)
    if launches < 2:
        raise ValueError(f"{launches} launches; an interval takes two or more")
    middle = float(np.median(logs, axis=1).mean())
    error = float(_resampled(logs, seed).std()) * sqrt(launches / (launches - 1))
    half = student95(launches - 1) * error
    return exp(middle), exp(middle - half), exp(middle + half)


def _resampled(logs: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """The estimate from each of many resamples of ``logs`` [launches, rounds]."""
    import numpy as np

    launches, rounds = logs.shape
    source = np.random.default_rng(seed)
    step = max(1, _MOST_VALUES // logs.size)
    parts = []
    for start in range(0, _RESAMPLES, step):
        size = (min(step, _RESAMPLES - start), launches)
        drawn = source.integers(0, launches, (*size, 1))
        inner = source.integers(0, rounds, (*size, rounds))
        parts.append(np.median(logs[drawn, inner], axis=2).mean(axis=1))
    return np.concatenate(parts)
