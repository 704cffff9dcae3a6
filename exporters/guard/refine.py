"""What may still be better about a candidate that holds: faster with some float, or smaller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .ranking import RankedUnit
from .stretches import saving, slow_units, slowest_stretch
from .units import closed, computes, find_units, stem

if TYPE_CHECKING:
    from .trial import Trial
    from .tries import Tries

__all__ = ["quicker", "smaller"]

_WORTH_TIMING = 0.03
"""Of int8's time, by the profiler: what float must promise to save before it is timed."""


def quicker(tries: Tries, trial: Trial) -> Trial:
    """``trial``, or the same with parts in float that are shown to be faster so, and that hold.

    A stem is always tried; other parts only where int8 slows some of the network down.
    """
    best, prepared = trial, tries.builder.prepared
    for nodes, why in _float_parts(tries, trial):
        taken = {*best.candidate.float_nodes, *nodes}
        candidate = replace(trial.candidate, float_nodes=closed(prepared, taken))
        if tries.time_left() <= 0:
            break
        if candidate == best.candidate or not computes(prepared, candidate.float_nodes):
            continue
        beside = tries.race(candidate, best.candidate, why)
        if beside.low <= 1:
            continue
        mixed = tries.verdict(candidate, f"{why} is faster")
        if mixed.passed:
            best = mixed
    return best


def smaller(tries: Tries, trial: Trial) -> Trial:
    """``trial``, or the same with the weights of its float layers stored as int8 where that holds.

    ONNX Runtime makes floats of them when it loads the file: its speed is that of ``trial``.
    """
    if not tries.builder.keeps_float_weights(trial.candidate):
        return trial
    candidate = replace(trial.candidate, float_weights="int8")
    small = tries.verdict(candidate, "weights of float layers stored as int8")
    return small if small.passed else trial


def _float_parts(tries: Tries, trial: Trial) -> Iterator[tuple[tuple[str, ...], str]]:
    """Nodes to leave in float, and what to call them; most promising first."""
    prepared = tries.builder.prepared
    if nodes := stem(prepared):
        yield nodes, "a float stem"
    if not tries.runs_here:
        return
    units = find_units(prepared)
    in_float, in_int8 = tries.times(trial.candidate, units)
    ranked = [
        RankedUnit(unit, 0.0, None, in_float[unit.name], in_int8[unit.name]) for unit in units
    ]
    for chosen, why in (
        (slowest_stretch(ranked), "a float stretch"),
        (slow_units(ranked), "float where int8 slows down"),
    ):
        if saving(ranked, chosen) >= _WORTH_TIMING:
            yield tuple(name for unit in chosen for name in unit.nodes), why
