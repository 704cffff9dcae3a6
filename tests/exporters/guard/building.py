"""A made-up network for the search: every candidate's figures follow from a rule."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

from nnc.exporters.guard.candidate import Candidate
from nnc.exporters.guard.drop import Drop, paired_drop
from nnc.exporters.guard.pace import Pace
from nnc.exporters.guard.search import Search
from nnc.exporters.guard.trial import Limits
from nnc.progress import SILENT

UNITS = ("a", "d", "add", "mean", "fc")


def pace(ratio: float) -> Pace:
    return Pace(ratio, ratio - 0.01, ratio + 0.01, 1.0, 1 / ratio, 9)


@dataclass
class World:
    """A network whose every candidate's figures follow from a rule."""

    points: Callable[[Candidate], float] = lambda candidate: 0.0
    ratio: Callable[[Candidate], float] = lambda candidate: 1.5
    errors: dict[str, float] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)
    now: float = 0.0
    seconds_a_build: float = 1.0
    prepared: object = None
    timed: int = 0
    storable: bool = False
    elsewhere: Callable[[Candidate], float] | None = None
    """Points lost on images beyond the judge's; None: there are none."""
    looked_beyond: int = 0

    # the builder
    def build(self, candidate: Candidate) -> Candidate:
        self.now += self.seconds_a_build
        return candidate

    def keeps_float_weights(self, candidate: Candidate) -> bool:
        return bool(candidate.float_nodes) and self.storable

    def watched(self, check: Callable[[], None]):
        del check
        return nullcontext()

    # the judge
    def drop(self, candidate: Candidate, limit: float) -> Drop:
        del limit
        return paired_drop(round(100 * self.points(candidate)), 0, 10_000)

    def divergence(self, candidate: Candidate) -> float:
        return self.points(candidate) / 10

    def beyond(self) -> Beyond | None:
        return None if self.elsewhere is None else Beyond(self, self.elsewhere)

    def pace(self, candidate: Candidate, beside: Candidate | None) -> Pace:
        self.timed += 1
        return pace(self.ratio(candidate) / (1.0 if beside is None else self.ratio(beside)))


@dataclass
class Beyond:
    """The judge on other images."""

    world: World
    points: Callable[[Candidate], float]

    def drop(self, candidate: Candidate, limit: float) -> Drop:
        del limit
        self.world.looked_beyond += 1
        return paired_drop(round(100 * self.points(candidate)), 0, 10_000)


def search(world: World, *, timed: bool = True, judged: bool = True, **limits) -> Search:
    with SILENT.task("", 1) as task:
        return Search(
            world,
            Limits(**limits),
            world if judged else None,
            world.pace if timed else None,
            task,
            lambda count: np.zeros((count, 1, 8, 8), np.float32),
            clock=lambda: world.now,
        )
