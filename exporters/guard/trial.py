"""What the guard asks of an int8 file, and what it found out about one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from .candidate import Candidate
    from .drop import Drop
    from .pace import Pace

__all__ = ["Limits", "Trial", "described"]


@dataclass(frozen=True)
class Limits:
    """What an int8 file must hold beside the float file that it was made from."""

    max_drop: float | None = 0.5
    """Points of top-1 that it may lose on held-back training images; None: any."""
    never_slower: bool = True
    search_seconds: float = 120.0
    """How long to look for a mixture of int8 and float where int8 as a whole does not pass."""

    def __post_init__(self) -> None:
        # False for NaN as well.
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise InputError(f"max_drop {self.max_drop}: expected 0 to 100 points")
        if not 0 <= self.search_seconds <= 86_400:
            raise InputError(f"search_seconds {self.search_seconds}: expected 0 to 86400")


@dataclass(frozen=True)
class Trial:
    """One candidate, and what is known of it."""

    candidate: Candidate
    why: str
    """What made the search try it."""
    divergence: float | None = None
    """Mean Kullback-Leibler divergence of its answers from the float model's, in nats."""
    drop: Drop | None = None
    pace: Pace | None = None
    passed: bool = False
    confirmed: Drop | None = None
    """The same on images that no choice was made by, where one was made by ``drop``."""

    @property
    def loss(self) -> Drop | None:
        """What is known best of the accuracy that is lost."""
        return self.confirmed or self.drop

    def accuracy(self) -> dict[str, Any]:
        """What is known of the accuracy that is lost, as plain JSON values."""
        return {
            "drop": None if self.drop is None else self.drop.to_json(),
            "confirmed": None if self.confirmed is None else self.confirmed.to_json(),
        }

    def to_json(self) -> dict[str, Any]:
        """The trial as plain JSON values."""
        return {
            "candidate": self.candidate.to_json(),
            "why": self.why,
            "divergence": self.divergence,
            **self.accuracy(),
            "pace": None if self.pace is None else self.pace.to_json(),
            "passed": self.passed,
        }

    def figures(self) -> str:
        """What was measured, in words."""
        found = [str(figure) for figure in (self.drop, self.pace) if figure is not None]
        if self.confirmed is not None:
            found.insert(1, f"on other images {self.confirmed}")
        return "; ".join(found) or "nothing measured"


def described(candidate: Candidate) -> str:
    """A candidate in a few words."""
    if candidate.weights_only:
        return "float arithmetic, weights stored as int8"
    words = [candidate.calibration, *candidate.tools]
    if candidate.float_nodes:
        words.append(f"{len(candidate.float_nodes)} nodes in float")
    if candidate.float_weights == "int8":
        words.append("their weights stored as int8")
    return ", ".join(words)
