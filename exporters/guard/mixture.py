"""Which units to leave in float where int8 as a whole loses too much or is too slow."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ..passes.graph import producers
from .ranking import RankedUnit, by_worth, local_errors
from .stretches import all_but_the_gainers, slow_units, slowest_stretch
from .tries import OutOfTimeError, Tries
from .units import Unit, closed, find_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .candidate import Candidate
    from .trial import Trial

__all__ = ["Mixtures"]

_RANKING_SHARE = 0.5
"""Of the time that is left, the most that measuring single units may take."""

_SHOWS = 0.02
"""Of the whole divergence: a unit's cost below this is noise."""


class Mixtures:
    """Candidates with some units in float, from what each unit costs and gains."""

    def __init__(self, tries: Tries, start: Trial) -> None:
        self._tries, self._start = tries, start
        # Biases are corrected for one choice of float units alone, which takes a pass over all
        # calibration images: too long for ranking them one by one.
        tools = tuple(tool for tool in start.candidate.tools if tool != "bias-correction")
        self._rough = replace(start.candidate, tools=tools)
        self._prepared = tries.builder.prepared
        self._units = find_units(self._prepared)
        self._whole = 0.0
        self.ranked: tuple[RankedUnit, ...] = ()

    def run(self) -> None:
        """Try mixtures; what was found is in the trials."""
        if not self._units:
            return
        self._rank()
        slow: list[Unit] = []
        passed = False
        if self._start.pace is not None and self._start.pace.slower:
            tried: set[Candidate] = set()
            for slow, why in self._faster():
                if not slow or not self._useful(slow) or self._with(slow) in tried:
                    continue
                self._tries.check_time()
                tried.add(self._with(slow))
                trial = self._try(slow, why)
                passed = passed or trial.passed
                if not passed and trial.pace is not None and not trial.pace.slower:
                    break
            if passed:
                return
        if not self._tries.holds(self._start.drop):
            self._mend_accuracy(slow)

    def _faster(self) -> Iterator[tuple[list[Unit], str]]:
        """What to leave in float for the sake of time, most promising first."""
        yield slowest_stretch(self.ranked), "the stretch that int8 slows down most is float"
        yield slow_units(self.ranked), "all that int8 slows down is float"
        yield all_but_the_gainers(self.ranked), "only what int8 speeds up most is int8"

    def _rank(self) -> None:
        """Measure what each unit costs and gains, dearest by its own error first."""
        tries, candidate = self._tries, self._start.candidate
        quantised = tries.builder.build(candidate)
        images = tries.sample(16)
        errors = local_errors(self._prepared, quantised, self._units, images)
        times = tries.times(candidate, self._units)
        inaccurate = self._start.drop is not None and not tries.holds(self._start.drop)
        costs: dict[str, float] = {}
        if inaccurate:
            self._whole = whole = tries.divergence(self._rough, "before single units are float")
            end = tries.time_left() * (1 - _RANKING_SHARE)
            for unit in sorted(self._units, key=lambda unit: -errors[unit.name]):
                if tries.time_left() < end:
                    break
                alone = self._with([unit], self._rough)
                costs[unit.name] = whole - tries.divergence(alone, f"{unit.name} in float")
        self.ranked = tuple(
            RankedUnit(
                unit,
                errors[unit.name],
                costs.get(unit.name),
                times[0][unit.name],
                times[1][unit.name],
            )
            for unit in self._units
        )

    def _mend_accuracy(self, already: Sequence[Unit]) -> None:
        """The shortest list of units, most accuracy a millisecond first, that mends it."""
        taken = {unit.name for unit in already}
        order = [unit for unit in self._dearest_first() if unit.name not in taken]
        failing, count = 0, 1
        passing: int | None = None
        while order and not self._useful([*already, *order]):
            order.pop()  # some layer must be left in int8
        with suppress(OutOfTimeError):  # what holds by then is still to be timed
            while passing is None and failing < len(order):
                if self._holds([*already, *order[:count]]):
                    passing = count
                else:
                    failing, count = count, min(2 * count, len(order))
            while passing is not None and passing - failing > 1:
                middle = (passing + failing) // 2
                if self._holds([*already, *order[:middle]]):
                    passing = middle
                else:
                    failing = middle
        if passing is None:
            return
        chosen = [*already, *order[:passing]]
        self._try(chosen, "the fewest that mend accuracy are float")
        self._thin_out(chosen, taken)

    def _dearest_first(self) -> list[Unit]:
        """By worth; a unit that errs but whose own cost does not show brings its makers along.

        Values that int8 cannot hold lie between two units: making one of them float alone changes
        nothing, and the error appears in the one that reads them.
        """
        makers = {unit.name: self._makers(unit) for unit in self._units}
        order: dict[str, Unit] = {}
        for entry in by_worth(self.ranked, least=_SHOWS * self._whole):
            order.setdefault(entry.unit.name, entry.unit)
            if (entry.cost or 0.0) <= _SHOWS * self._whole:
                for maker in makers[entry.unit.name]:
                    order.setdefault(maker.name, maker)
        return list(order.values())

    def _makers(self, unit: Unit) -> list[Unit]:
        """The units whose output it reads, perhaps through what only moves values about."""
        made = producers(self._prepared.graph)
        ends = {other.output: other for other in self._units}
        nodes = {node.name: node for node in self._prepared.graph.node}
        found, todo, seen = [], list(nodes[unit.name].input), set()
        while todo:
            name = todo.pop()
            if name in ends:
                found.append(ends[name])
            elif name in made and name not in seen:
                seen.add(name)
                todo.extend(made[name].input)
        return found

    def _thin_out(self, chosen: list[Unit], fixed: set[str]) -> None:
        """Put back to int8 what accuracy can spare, what gains most time first."""
        gains = {entry.unit.name: entry.gain_ms for entry in self.ranked}
        kept = list(chosen)
        for unit in sorted(chosen, key=lambda unit: -gains[unit.name]):
            if unit.name in fixed or gains[unit.name] <= 0 or len(kept) == 1:
                continue
            fewer = [other for other in kept if other is not unit]
            with suppress(OutOfTimeError):
                if self._holds(fewer):
                    kept = fewer
        if len(kept) < len(chosen):
            self._try(kept, "without those that need not be float")

    def _useful(self, units: Sequence[Unit]) -> bool:
        """Whether a layer is left in int8: a file all in float is no answer."""
        taken = {unit.name for unit in units}
        return any(unit.computing and unit.name not in taken for unit in self._units)

    def _with(self, units: Sequence[Unit], base: Candidate | None = None) -> Candidate:
        nodes = {node for unit in units for node in unit.nodes}
        base = base or self._start.candidate
        return replace(base, float_nodes=closed(self._prepared, nodes))

    def _holds(self, units: Sequence[Unit]) -> bool:
        self._tries.check_time()
        why = f"{len(units)} units in float"
        trial = self._tries.verdict(self._with(units), why, with_pace=False)
        return self._tries.holds(trial.drop)

    def _try(self, units: Sequence[Unit], why: str) -> Trial:
        return self._tries.verdict(self._with(units), why)
