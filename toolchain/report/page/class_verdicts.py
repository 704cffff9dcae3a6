"""What became of each class, and for which of them that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from ....runtimes.accuracy.paired import agresti_min, mcnemar

__all__ = ["SIGNIFICANCE", "ClassVerdict", "class_verdicts", "holm"]

SIGNIFICANCE = 0.05
_QUANTILE = NormalDist().inv_cdf(1 - SIGNIFICANCE / 2)


@dataclass(frozen=True)
class ClassVerdict:
    """One class; ``low`` and ``high`` hold 0 just where no difference is ``shown``."""

    label: str
    share: float
    """Images won less lost, of all of the class."""
    low: float
    high: float
    p: float
    """McNemar's exact test, corrected for the number of classes."""

    @property
    def shown(self) -> bool:
        """Whether the class is shown to have lost or won."""
        return self.p < SIGNIFICANCE


def class_verdicts(entries: Sequence[Mapping[str, Any]]) -> tuple[ClassVerdict, ...]:
    """Of ``per_class`` of an ``agreement``, in its order.

    The interval is Agresti and Min's at 95 % for each class, stretched to 0 where the exact test,
    corrected by Holm's method over the classes that have images, shows nothing.
    """
    corrected = iter(holm([mcnemar(one["lost"], one["won"]) for one in entries if one["images"]]))
    return tuple(_verdict(one, next(corrected) if one["images"] else 1.0) for one in entries)


def holm(chances: Sequence[float]) -> list[float]:
    """Each p as it counts among all of them (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    found, least = [1.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        found[place] = least
    return found


def _verdict(entry: Mapping[str, Any], p: float) -> ClassVerdict:
    images = max(entry["images"], 1)
    share = (entry["won"] - entry["lost"]) / images
    low, high = agresti_min(entry["won"], entry["lost"], images, _QUANTILE)
    ends = (share,) if p < SIGNIFICANCE else (share, 0.0)
    return ClassVerdict(entry["label"], share, min(low, *ends), max(high, *ends), p)
