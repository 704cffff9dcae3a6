"""Which units to leave in float for the sake of time, from what each takes in int8 and in float."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .ranking import by_gain

if TYPE_CHECKING:
    from .ranking import RankedUnit
    from .units import Unit

__all__ = ["all_but_the_gainers", "saving", "slow_units", "slowest_stretch"]

_LEAST_SAVING = 0.02
"""A unit counts as slower in int8 from this share of its float time on; less is noise."""

_GAINED = 0.9
"""Of what int8 can save, the part that is to be kept where only the best gainers are int8."""


def slowest_stretch(ranked: Sequence[RankedUnit]) -> list[Unit]:
    """The units in a row that lose most together: a stretch has but two borders to pay for."""
    best, first, last, start, total = 0.0, 0, 0, 0, 0.0
    for index, entry in enumerate(ranked):
        if total <= 0:
            start, total = index, 0.0
        total -= entry.gain_ms
        if total > best:
            best, first, last = total, start, index + 1
    return [entry.unit for entry in ranked[first:last]]


def slow_units(ranked: Sequence[RankedUnit]) -> list[Unit]:
    """All that int8 slows down, wherever they are."""
    return [
        entry.unit for entry in by_gain(ranked) if entry.gain_ms < -_LEAST_SAVING * entry.float_ms
    ]


def all_but_the_gainers(ranked: Sequence[RankedUnit]) -> list[Unit]:
    """All units but those that together make nine tenths of what int8 can save."""
    gainers = [entry for entry in reversed(by_gain(ranked)) if entry.gain_ms > 0]
    whole, saved = sum(entry.gain_ms for entry in gainers), 0.0
    names = set()
    for entry in gainers:
        if saved >= _GAINED * whole:
            break
        names.add(entry.unit.name)
        saved += entry.gain_ms
    return [entry.unit for entry in ranked if entry.unit.name not in names]


def saving(ranked: Sequence[RankedUnit], units: Sequence[Unit]) -> float:
    """Part of the whole time in int8 that goes where ``units`` are float; borders not counted."""
    chosen = {unit.name for unit in units}
    whole = sum(entry.int8_ms for entry in ranked)
    saved = -sum(entry.gain_ms for entry in ranked if entry.unit.name in chosen)
    return saved / whole if whole else 0.0
