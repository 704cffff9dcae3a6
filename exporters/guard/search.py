"""Look for an int8 file that loses little and is never slower, for as long as one is given."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import BudgetError, InputError
from .candidate import TOOLS, Candidate
from .mixture import Mixtures, OutOfTimeError
from .node_times import unit_times
from .refine import quicker, smaller
from .trial import Limits, Trial, described

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...progress import Task
    from .builder import Builder
    from .drop import Drop
    from .held_back import Judge
    from .pace import Pace
    from .ranking import RankedUnit
    from .units import Unit

__all__ = ["Search", "Stopwatch"]

log = logging.getLogger(__name__)

Stopwatch = Callable[["ModelProto", "ModelProto | None"], "Pace"]

_HELPS = 0.9
"""A tool is kept where it brings the divergence under this share of what it was."""

_TOOLS_SHARE = 0.4
"""Of the search, the most that trying tools may take."""


class Search:
    """Tries candidates until one holds the limits; remembers all that it learnt."""

    def __init__(
        self,
        builder: Builder,
        limits: Limits,
        judge: Judge | None,
        pace: Stopwatch | None,
        task: Task,
        sample: Callable[[int], np.ndarray[Any, Any]],
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
        *,
        runs_here: bool = True,
        small: bool = True,
    ) -> None:
        """Without ``judge``, accuracy is not looked at; without ``pace``, time is not: it times
        an int8 model beside another one, or beside the float file where there is none.

        ``sample(n)`` gives images that the model takes in one batch, ``n`` where it leaves a
        choice: float32 [N, C, H, W]. ``threads`` are those of the node times; without
        ``runs_here`` there are none, for what is slow here says nothing of where int8 will run.
        ``small``: float layers may have their weights stored as int8.
        """
        self.builder, self.limits, self.judge = builder, limits, judge
        self.trials: list[Trial] = []
        self.ranked: tuple[RankedUnit, ...] = ()
        self.sample, self.threads, self.runs_here = sample, threads, runs_here
        self._small = small
        self._pace = pace
        self._paces: dict[tuple[str, ...], Pace] = {}
        self._task, self._clock = task, clock
        self._deadline = float("inf")

    def run(self, first: Sequence[Candidate], *, more_tools: bool) -> Trial:
        """The trial of the candidate to ship.

        ``first`` differ in their calibration; the one whose answers are nearest to the float
        model's is taken. ``more_tools`` allows accuracy tools beyond those it names. Raises
        BudgetError where nothing holds the limits, with the figures of what came nearest.
        """
        trial = self._found(first, more_tools=more_tools)
        return smaller(self, trial) if self._small else trial

    def only(self, candidate: Candidate, why: str) -> Trial:
        """The trial of the one candidate there is; BudgetError where it fails."""
        trial = self.verdict(candidate, why)
        if not trial.passed:
            raise BudgetError(self._failure())
        return trial

    def _found(self, first: Sequence[Candidate], *, more_tools: bool) -> Trial:
        start = self._nearest(first)
        self._deadline = self._clock() + (self.limits.search_seconds or float("inf"))
        trial = self.verdict(start, "whole network in int8")
        if trial.passed:
            able = self._pace is not None and self.limits.search_seconds
            return quicker(self, trial) if able else trial
        if not self.limits.search_seconds:
            raise BudgetError(self._failure())
        with suppress(OutOfTimeError):
            if more_tools and not self.holds(trial.drop):
                trial = self._with_tools(trial)
            if trial.passed:
                return trial
            mixtures = Mixtures(self, trial)
            try:
                mixtures.run()
            finally:
                self.ranked = mixtures.ranked
        passing = [each for each in self.trials if each.passed]
        if passing:
            return max(passing, key=_merit)
        raise BudgetError(self._failure())

    def replay(self, candidate: Candidate) -> Trial:
        """The trial of a candidate that an earlier search chose; BudgetError where it fails now."""
        known = {node.name for node in self.builder.prepared.graph.node}
        if unknown := [name for name in candidate.float_nodes if name not in known]:
            raise InputError(
                f"the plan keeps node '{unknown[0]}' in float; the model has none such"
            )
        trial = self.verdict(candidate, "from the plan")
        if not trial.passed:
            raise BudgetError(f"the plan's choice does not pass here: {trial.figures()}")
        return trial

    def verdict(self, candidate: Candidate, why: str, *, with_pace: bool = True) -> Trial:
        """Judge a candidate, accuracy first; what has failed there is not timed."""
        model = self.builder.build(candidate)
        drop = self._drop(model)
        accurate = self.holds(drop)
        pace = None
        first = not any(trial.drop or trial.pace for trial in self.trials)
        if self._pace is not None and (accurate or first) and with_pace:
            pace = self._paced(candidate, model)
        quick = pace is None or not pace.slower
        passed = accurate and quick and (with_pace or self._pace is None)
        trial = Trial(candidate, why, None, drop, pace, passed)
        self.trials.append(trial)
        self._tell(f"{described(candidate)} ({why}): {trial.figures()}")
        return trial

    def divergence(self, candidate: Candidate, why: str) -> float:
        """How far a candidate's answers are from the float model's, in nats; kept as a trial."""
        if self.judge is None:
            return 0.0
        value = self.judge.divergence(self.builder.build(candidate))
        self.trials.append(Trial(candidate, why, value))
        self._tell(f"{described(candidate)} ({why}): divergence {value:.3g}")
        return value

    def race(self, candidate: Candidate, other: Candidate, why: str) -> Pace:
        """The speed of a candidate beside another one's, measured in turn."""
        if self._pace is None:
            raise RuntimeError("no clock")
        beside = self._pace(self.builder.build(candidate), self.builder.build(other))
        self._tell(f"{described(candidate)} ({why}): {beside.ratio:.3f} times int8's speed")
        return beside

    def times(
        self, candidate: Candidate, units: Sequence[Unit]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Milliseconds in each unit by its name: of the float model, of a candidate's.

        All 0 where what is slow here says nothing of where int8 will run.
        """
        if not self.runs_here:
            none = dict.fromkeys((unit.name for unit in units), 0.0)
            return none, none
        prepared, one = self.builder.prepared, self.sample(1)
        in_float, in_int8 = (
            unit_times(model, prepared, units, one, threads=self.threads)
            for model in (prepared, self.builder.build(candidate))
        )
        return in_float, in_int8

    def holds(self, drop: Drop | None) -> bool:
        """Whether ``drop`` is one that the limits allow."""
        limit = self.limits.max_drop
        return drop is None or limit is None or drop.holds(limit)

    def check_time(self) -> None:
        """End the search where its time is over."""
        if self._clock() > self._deadline:
            raise OutOfTimeError

    def time_left(self) -> float:
        """Seconds until the search must end."""
        return self._deadline - self._clock()

    def _nearest(self, candidates: Sequence[Candidate]) -> Candidate:
        if len(candidates) == 1:
            return candidates[0]
        return min(candidates, key=lambda each: self.divergence(each, "which calibration"))

    def _with_tools(self, trial: Trial) -> Trial:
        """Add the tools that bring the answers nearer to the float model's, until it is enough."""
        best = trial
        end = self._deadline
        self._deadline = self._clock() + _TOOLS_SHARE * self.limits.search_seconds
        try:
            with suppress(OutOfTimeError), self.builder.watched(self.check_time):
                nearest = self.divergence(trial.candidate, "without further tools")
                for tool in TOOLS:
                    if tool in best.candidate.tools:
                        continue
                    self.check_time()
                    candidate = replace(best.candidate, tools=(*best.candidate.tools, tool))
                    value = self.divergence(candidate, f"does {tool} help")
                    if value < _HELPS * nearest:
                        best, nearest = self.verdict(candidate, f"{tool} helps"), value
                        if self.holds(best.drop):
                            break
        finally:
            self._deadline = end
        return best

    def _drop(self, model: ModelProto) -> Drop | None:
        if self.judge is None or self.limits.max_drop is None:
            return None
        return self.judge.drop(model, self.limits.max_drop)

    def _paced(self, candidate: Candidate, model: ModelProto) -> Pace:
        """The latency of what runs: it depends on what is int8 and not on the numbers in it."""
        if self._pace is None:
            raise RuntimeError("no clock")
        if candidate.float_nodes not in self._paces:
            self._paces[candidate.float_nodes] = self._pace(model, None)
        return self._paces[candidate.float_nodes]

    def _best_failing(self) -> Trial:
        """The fastest of those that are accurate enough, else the one that loses least."""
        accurate = [trial for trial in self.trials if trial.pace and self.holds(trial.drop)]
        if accurate:
            return max(accurate, key=lambda trial: trial.pace.ratio if trial.pace else 0.0)
        judged = [trial for trial in self.trials if trial.drop]
        return min(judged, key=lambda trial: trial.drop.points if trial.drop else 0.0)

    def _tell(self, what: str) -> None:
        self._task.advance(0, note=what)
        log.info("%s", what)

    def _failure(self) -> str:
        best = self._best_failing()
        asked = []
        if self.limits.max_drop is not None:
            asked.append(f"at most {self.limits.max_drop:g} points lost")
        if self.limits.never_slower:
            asked.append("not slower than float")
        ways = ["give the search longer (--search-seconds)"]
        ways.append("allow more (--max-drop, --no-never-slower)")
        if best.candidate.weights_only:
            ways = ["allow more (--max-drop)"]
        elif best.pace is not None and best.pace.slower and self._small:
            ways.append("store the weights alone in int8 (--weights-only)")
        return (
            f"no int8 file holds {' and '.join(asked)}; the best ({described(best.candidate)}): "
            f"{best.figures()}; {', or '.join(ways)}"
        )


def _merit(trial: Trial) -> tuple[float, int]:
    """Fastest first; where that is not known, what leaves least in float."""
    return trial.pace.ratio if trial.pace else 0.0, -len(trial.candidate.float_nodes)
