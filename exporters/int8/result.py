"""What quantising did, and how it can be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..executed.explain import Explanation
    from ..guard.plan import Plan
    from ..guard.trial import Trial

__all__ = ["Int8Result"]


@dataclass(frozen=True)
class Int8Result:
    """What quantising did."""

    path: str
    profile: str
    samples: int
    """Calibration images really used."""
    size_bytes: int
    source_size_bytes: int
    sha256: str
    trial: Trial
    """The candidate that was written, and what was measured of it."""
    plan: Plan
    explanation: Explanation
    ranges: Mapping[str, tuple[float, float]] = field(repr=False)
    """Tensor -> the range that it is quantised over."""
    images: Mapping[str, Any] = field(default_factory=dict)
    """Which calibration images, as far as the caller said."""
    instead_of: str = ""
    """Why int8 arithmetic was given up for int8 weights alone, where it was."""

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "path": self.path,
            "profile": self.profile,
            "calibration": self.trial.candidate.calibration,
            "tools": list(self.trial.candidate.tools),
            "samples": self.samples,
            "images": dict(self.images),
            "size_bytes": self.size_bytes,
            "source_size_bytes": self.source_size_bytes,
            "sha256": self.sha256,
            **self.trial.accuracy(),
            "pace": None if self.trial.pace is None else self.trial.pace.to_json(),
            "instead_of": self.instead_of,
            "int8_mac_share": self.explanation.int8_mac_share,
            "explanation": self.explanation.to_json(),
            "ranges": {name: list(limits) for name, limits in self.ranges.items()},
            "plan": self.plan.to_json(),
        }
