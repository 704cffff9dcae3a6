"""What every way of looking for an int8 file needs: candidates judged, timed and remembered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .candidate import Candidate
from .node_times import unit_times
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

__all__ = ["OutOfTimeError", "Stopwatch", "Tries"]

log = logging.getLogger(__name__)

Stopwatch = Callable[["ModelProto", "ModelProto | None"], "Pace"]


class OutOfTimeError(Exception):
    """The search must end with what it has."""


class Tries:
    """Builds and judges candidates within a time limit; remembers all that it learnt."""

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
        self.small = small
        self._pace = pace
        self._paces: dict[tuple[str, ...], Pace] = {}
        self._task, self._clock = task, clock
        self._deadline = float("inf")
        self.ran_out = False
        """Whether there was more to try than time."""

    @property
    def timed(self) -> bool:
        """Whether candidates are timed at all."""
        return self._pace is not None

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
        self.tell(f"{described(candidate)} ({why}): {trial.figures()}")
        return trial

    def divergence(self, candidate: Candidate, why: str) -> float:
        """How far a candidate's answers are from the float model's, in nats; kept as a trial."""
        if self.judge is None:
            return 0.0
        value = self.judge.divergence(self.builder.build(candidate))
        self.trials.append(Trial(candidate, why, value))
        self.tell(f"{described(candidate)} ({why}): divergence {value:.3g}")
        return value

    def race(self, candidate: Candidate, other: Candidate, why: str) -> Pace:
        """The speed of a candidate beside another one's, measured in turn."""
        if self._pace is None:
            raise RuntimeError("no clock")
        beside = self._pace(self.builder.build(candidate), self.builder.build(other))
        self.tell(f"{described(candidate)} ({why}): {beside.ratio:.3f} times int8's speed")
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

    def start_clock(self) -> None:
        """Count the search's seconds from now."""
        self._deadline = self._clock() + (self.limits.search_seconds or float("inf"))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """An earlier end, ``seconds`` from now, for what is tried in its ``with`` block."""
        end = self._deadline
        self._deadline = min(end, self._clock() + seconds)
        try:
            yield
        finally:
            self._deadline = end

    def check_time(self) -> None:
        """End the search where its time is over."""
        if self._clock() > self._deadline:
            self.ran_out = True
            raise OutOfTimeError

    def time_left(self) -> float:
        """Seconds until the search must end."""
        return self._deadline - self._clock()

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

    def tell(self, what: str) -> None:
        """Show a line of what goes on."""
        self._task.advance(0, note=what)
        log.info("%s", what)
