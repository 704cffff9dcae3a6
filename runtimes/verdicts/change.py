"""One figure of one file, as it was and as it is, and what that shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .estimates import Estimate

__all__ = ["BETTER", "NOT_COMPARABLE", "NO_DIFFERENCE", "WORSE", "Change", "not_comparable"]

BETTER, WORSE = "better", "worse"
NO_DIFFERENCE, NOT_COMPARABLE = "no difference shown", "not comparable"


@dataclass(frozen=True)
class Change:
    """``old`` and ``new`` in ``unit``; ``change`` in ``change_unit``, with its 95 % interval.

    A change in points is new less old, one in ``x`` the ratio that says how many times as fast the
    new one is, one in ``%`` that of the old value. ``how`` says in one line how it was compared, or
    why it was not.
    """

    old: float | None
    new: float | None
    unit: str
    change: Estimate | None
    change_unit: str
    verdict: str
    how: str
    p: float | None = None
    """Of the exact McNemar test, where answers were paired."""
    doubt: str = ""
    """Why nothing is shown whatever the interval says; empty without a reason."""
    noisy: bool = False
    """Whether a speed-up that went in was too noisy for a verdict, so that the interval is wide."""

    @classmethod
    def judged(
        cls,
        old: float,
        new: float,
        unit: str,
        change: Estimate,
        change_unit: str,
        how: str,
        *,
        none: float = 0.0,
        more_is_better: bool = True,
        p: float | None = None,
        doubt: str = "",
        noisy: bool = False,
    ) -> Change:
        """With the verdict of an interval that lies on one side of ``none``, or on both."""
        verdict = NO_DIFFERENCE
        if not doubt and (change.low > none or change.high < none):
            verdict = BETTER if (change.low > none) == more_is_better else WORSE
        how = f"{how}; {doubt}" if doubt else how
        return cls(old, new, unit, change, change_unit, verdict, how, p, doubt, noisy)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not known is null."""
        change = self.change
        return {
            "old": self.old,
            "new": self.new,
            "unit": self.unit,
            "change": None if change is None else change.value,
            "low": None if change is None else change.low,
            "high": None if change is None else change.high,
            "change_unit": self.change_unit,
            "verdict": self.verdict,
            "p": self.p,
            "how": self.how,
        }


def not_comparable(
    old: float | None, new: float | None, unit: str, change_unit: str, why: str
) -> Change:
    """Both values, unless they are unknown, and no verdict."""
    return Change(old, new, unit, None, change_unit, NOT_COMPARABLE, why)
