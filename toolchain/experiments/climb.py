"""One method's climb: how far a network can be pruned before it loses too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Climb", "Step"]


@dataclass(frozen=True)
class Step:
    """A network pruned to ``sensitivity`` and retrained; sizes are those its export will have."""

    sensitivity: float
    validation_accuracy: float
    """Top-1, a fraction of 1."""
    parameters: int
    nonzero_parameters: int
    macs: int
    accepted: bool
    """Whether it stayed within the accuracy asked for."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class Climb:
    """A ladder of sensitivities up to the first failure, then halvings of the gap that is left."""

    def __init__(self, ladder: Sequence[float], refine: int, steps: Sequence[Step] = ()) -> None:
        self._ladder = ladder
        self._refine = refine
        self.steps = list(steps)

    @classmethod
    def from_json(
        cls, ladder: Sequence[float], refine: int, steps: Sequence[Mapping[str, Any]]
    ) -> Climb:
        """A climb with the steps that it had; TypeError where they are no steps."""
        return cls(ladder, refine, [Step(**step) for step in steps])

    @property
    def best(self) -> Step | None:
        """The step pruned furthest of those accepted; None where none was."""
        accepted = [step for step in self.steps if step.accepted]
        return max(accepted, key=lambda step: step.sensitivity) if accepted else None

    def next(self) -> float | None:
        """The sensitivity to try next, from the best step on; None at the end."""
        floor = 0.0 if self.best is None else self.best.sensitivity
        failed = [step.sensitivity for step in self.steps if not step.accepted]
        if not failed:
            return next((s for s in self._ladder if s > floor), None)
        first_failure = next(i for i, step in enumerate(self.steps) if not step.accepted)
        if len(self.steps) - first_failure - 1 >= self._refine:
            return None
        # Four decimals name a file and say all that a halving is worth.
        return round((floor + min(failed)) / 2, 4)

    @property
    def most_left(self) -> int:
        """No more steps than this are left."""
        if self.next() is None:
            return 0
        failed = [i for i, step in enumerate(self.steps) if not step.accepted]
        if failed:
            return self._refine - (len(self.steps) - failed[0] - 1)
        return len(self._ladder) - len(self.steps) + self._refine
