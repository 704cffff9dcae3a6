"""Budgets of a bench: what a file may lose, take and weigh, and how fast it has to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from .estimates import Estimate
from .row_names import row_names
from .verdict import BUDGETS, MISSED, enforce, judged, unmeasured

__all__ = ["READERS", "Budgets", "enforce", "judge", "verdict_on"]

RANGES = {
    "max-drop": (0.0, 100.0),
    "max-latency-ms": (0.0, 1e9),
    "max-size-mb": (0.0, 1e9),
    "min-speedup": (0.0, 1e9),
}


@dataclass(frozen=True)
class Budgets:
    """The limits asked for; None where there is none. Checked when it is built."""

    max_drop: float | None = None
    """Points of top-1 accuracy that may be lost against the baseline."""
    max_latency_ms: float | None = None
    """Milliseconds that the median inference may take, of the first threads and batch size."""
    max_size_mb: float | None = None
    """Megabytes (10^6 bytes) on disk."""
    min_speedup: float | None = None
    """How many times as fast as the baseline."""
    lenient: bool = False
    """Whether a budget that is not shown to be held or missed passes."""

    def __post_init__(self) -> None:
        for name, limit in self.limits.items():
            low, high = RANGES[name]
            number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
            # A drop of nothing can be asked for, a size of nothing cannot; NaN is never in range.
            if not number or not (low <= limit <= high if name == "max-drop" else low < limit):
                wanted = "from 0 to 100 points" if name == "max-drop" else "above 0"
                raise InputError(f"{name} {limit}: expected a number {wanted}")
            if limit > high:
                raise InputError(f"{name} {limit}: expected a number up to {high:g}")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that were given, by the budgets' names."""
        every = {
            "max-drop": self.max_drop,
            "max-latency-ms": self.max_latency_ms,
            "max-size-mb": self.max_size_mb,
            "min-speedup": self.min_speedup,
        }
        return {name: limit for name, limit in every.items() if limit is not None}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines on limits that can be judged, but hardly as they are meant."""
        if self.max_drop != 0:
            return ()
        line = (
            "--max-drop 0 is held only by a file that is shown to be better: of one that has not "
            "changed the interval reaches above 0"
        )
        return (line,)

    def check(self, files: int, *, accuracy: bool = True) -> None:
        """Raise InputError where a budget cannot be judged at all, before any measuring.

        ``files`` is the number of rows with the baseline; ``accuracy`` whether that is measured.
        """
        for name in ("max-drop", "min-speedup"):
            if name in self.limits and files < 2:
                raise InputError(
                    f"--{name} is judged against the first file, and there is only one; "
                    "name the baseline before it"
                )
        if self.max_drop is not None and not accuracy:
            raise InputError("--max-drop needs accuracy; leave out --no-accuracy and name --data")


def judge(result: Mapping[str, Any], budgets: Budgets) -> list[dict[str, Any]]:
    """The ``budgets`` block of a bench result: every budget on every file it applies to.

    That is every file but the baseline, or the one file where there is one. What an interval
    straddles, or what was not measured, is ``not shown``; what a file's error kept from being
    measured is ``missed``. Raises InputError as `Budgets.check` does.
    """
    files = result["files"]
    budgets.check(len(files), accuracy=True)
    named = list(zip(row_names(files), files, strict=True))
    return [
        _verdict(name, limit, title, file)
        for title, file in (named[1:] or named)
        for name, limit in budgets.limits.items()
    ]


def verdict_on(
    name: str,
    file: str,
    limit: float,
    found: Estimate | None,
    why: str,
    *,
    error: str | None = None,
    doubt: str = "",
    noisy: bool = False,
) -> dict[str, Any]:
    """The verdict on what was found; ``why`` says why nothing was.

    What a file with an ``error`` has not measured is missed; what it has is judged as any other's.
    """
    budget = BUDGETS[name]
    if found is not None:
        return judged(budget, file, limit, found, doubt=doubt, noisy=noisy)
    if error is not None:
        return unmeasured(budget, file, limit, f"it could not be measured: {error}", MISSED)
    return unmeasured(budget, file, limit, why)


def _verdict(name: str, limit: float, title: str, file: Mapping[str, Any]) -> dict[str, Any]:
    found, why, noisy = READERS[name](file)
    return verdict_on(name, title, limit, found, why, error=file["error"], noisy=noisy)


Found = tuple[Estimate | None, str, bool]
"""An estimate, or why there is none; whether it is too noisy to tell from 1."""


def _drop(file: Mapping[str, Any]) -> Found:
    """Points lost; `agreement` counts the other way."""
    if file["agreement"] is None:
        return None, "its answers were not compared with the baseline's", False
    return Estimate.of(file["agreement"], "difference").scaled(-100), "", False


def _latency(file: Mapping[str, Any]) -> Found:
    """The median and its interval over launches: p5 and p95 say where single inferences lie."""
    if not file["latency"]:
        return None, "its latency was not measured", False
    return Estimate.of(file["latency"][0], "median"), "", False


def _size(file: Mapping[str, Any]) -> Found:
    if file["size"] is None:
        return None, "its size is not known", False
    return Estimate.exact(file["size"]["bytes"] / 1e6), "", False


def _speedup(file: Mapping[str, Any]) -> Found:
    speedup = file["latency"][0]["speedup"] if file["latency"] else None
    if speedup is None:
        return None, "the baseline or the file has no times", False
    return Estimate.of(speedup, "ratio"), "", speedup["verdict"] == "too noisy"


READERS: Mapping[str, Callable[[Mapping[str, Any]], Found]] = {
    "max-drop": _drop,
    "max-latency-ms": _latency,
    "max-size-mb": _size,
    "min-speedup": _speedup,
}
"""What each budget reads off a file."""
