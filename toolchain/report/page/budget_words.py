"""Budgets as a page words them: what is limited, to what, and by how much it was missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....runtimes.verdicts.wording import amount
from ..plain_text import one_line
from .files_view import FileView
from .numbers import TIMES, counted, listed, signed

__all__ = ["Gate", "budget_title", "gate", "with_unit"]

TITLES = {
    "max-drop": "accuracy lost \u2264",
    "max-latency-ms": "latency \u2264",
    "max-size-mb": "size \u2264",
    "min-speedup": "speed-up \u2265",
}
MOST_NAMED = 3

Verdict = Mapping[str, Any]


@dataclass(frozen=True)
class Gate:
    """What became of the budgets together, in a sentence or two; ``mood`` as a tile has it."""

    sentence: str
    mood: str


def gate(
    verdicts: Sequence[Verdict],
    view: FileView | None,
    *,
    died: Sequence[str] = (),
    lenient: bool = False,
) -> Gate | None:
    """The outcome of a release gate, and what ``view`` misses; None where no budget was given.

    ``died`` are files that could not be measured to the end: what was measured of them may hold its
    budget, but no gate does. ``lenient``: whether what is not shown was asked to pass.
    """
    if not verdicts:
        return None
    files = list(dict.fromkeys(one_line(one["file"]) for one in verdicts))
    failing = [name for name in files if name in died or _is_failing(name, verdicts)]
    if not failing:
        return Gate(f"The release gate holds{_for(files)}.", "good")
    if view is None or view.name not in files:
        return Gate(f"The release gate fails because of {_named(failing)}.", "bad")
    own = [one for one in verdicts if one_line(one["file"]) == view.name]
    missed, doubted = (
        [one for one in own if one["verdict"] == word] for word in ("missed", "not shown")
    )
    if lenient and not died and all(one["verdict"] != "missed" for one in verdicts):
        passed = "The release gate passes, leniently: no budget is shown to be missed"
        return Gate(f"{passed}, but not all are shown to be held.", "doubt")
    if not missed and not doubted:
        holds = f"{view.name} holds {_all(len(own))}"
        return Gate(f"{holds}, but the release gate fails because of {_named(failing)}.", "doubt")
    held = listed([budget_title(one) for one in doubted], "or")
    if not missed:
        return Gate(
            f"Not releasable yet: {view.name} is not shown to hold {held}.",
            "doubt",
        )
    text = f"Not releasable: {view.name} missed {listed([_by(one) for one in missed])}."
    return Gate(f"{text} It is not shown to hold {held}." if held else text, "bad")


def budget_title(verdict: Verdict) -> str:
    """``latency \u2264 0.5 ms``; the name where nnc does not know it."""
    name, unit = one_line(verdict["budget"]), one_line(verdict["unit"])
    limit = f"{verdict['limit']:.10g}"
    if unit == "points" and limit == "1":
        unit = "point"
    return f"{TITLES.get(name, name)} {limit}{TIMES if unit == 'x' else f' {unit}'}"


def with_unit(value: float, unit: str) -> str:
    """``1.35 points``, ``2.31 MB``, ``3.10\u00d7``; the signs are real ones."""
    text = signed(amount(value, one_line(unit)))
    return f"{text[:-1]}{TIMES}" if unit == "x" else text


def _is_failing(file: str, verdicts: Sequence[Verdict]) -> bool:
    return any(one_line(one["file"]) == file and one["verdict"] != "held" for one in verdicts)


def _by(verdict: Verdict) -> str:
    title = budget_title(verdict)
    if verdict["value"] is None:
        return title
    return f"{title} by {with_unit(abs(verdict['value'] - verdict['limit']), verdict['unit'])}"


def _for(files: Sequence[str]) -> str:
    return f" for all {len(files)} files" if len(files) > 1 else ""


def _all(number: int) -> str:
    return "its budget" if number == 1 else f"all {number} budgets"


def _named(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return counted(len(names), "file")
    return listed(names)
