"""Estimates with their 95 % intervals, and the interval of what two of them differ by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, hypot, log
from typing import Any

__all__ = ["Estimate", "difference", "ratio"]

LARGEST_LOG = 700.0
"""A float holds no more than about e to the 709th."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % interval; both ends are the value where it is exact."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """Of what is counted, not sampled."""
        return cls(value, value, value)

    @classmethod
    def of(cls, measured: Mapping[str, Any], key: str) -> Estimate:
        """``key`` of an object that has ``low`` and ``high`` beside it."""
        return cls(measured[key], measured["low"], measured["high"])

    def scaled(self, factor: float) -> Estimate:
        """In another unit; a negative factor turns the interval round."""
        # No minus before a zero.
        low, high = sorted((factor * self.low + 0.0, factor * self.high + 0.0))
        return Estimate(factor * self.value + 0.0, low, high)


def difference(new: Estimate, old: Estimate) -> Estimate:
    """``new`` less ``old``, of independent samples, with its 95 % interval.

    The variances are recovered from the intervals, each side from the side that matters (MOVER:
    Zou and Donner, "Construction of confidence limits about effect measures", 2008, equation 4);
    of two shares with Wilson's intervals it is Newcombe's method 10 (1998).
    """
    value = new.value - old.value
    return Estimate(
        value,
        value - hypot(new.value - new.low, old.high - old.value),
        value + hypot(new.high - new.value, old.value - old.low),
    )


def ratio(new: Estimate, old: Estimate) -> Estimate | None:
    """``new`` over ``old``, of independent samples: `difference` of the logarithms.

    None where either is not above 0 throughout, or they are too far apart to say anything.
    """
    if min(new.low, old.low) <= 0:
        return None
    logs = (Estimate(*map(log, (one.value, one.low, one.high))) for one in (new, old))
    found = difference(*logs)
    if max(abs(found.low), abs(found.high)) > LARGEST_LOG:
        return None
    return Estimate(exp(found.value), exp(found.low), exp(found.high))
