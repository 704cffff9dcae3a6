"""Which of several files a result is about: the one that may ship, else the best trade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from ..plain_text import one_line
from .files_view import FileView
from .numbers import counted

__all__ = ["Choice", "choose"]

LEAST = 1e-9
"""What stands for nothing where a logarithm is taken."""


@dataclass(frozen=True)
class Choice:
    """The file, and why it was chosen in a sentence; empty where there was no choice."""

    view: FileView
    why: str


def choose(bench: Mapping[str, Any], every: Sequence[FileView]) -> Choice | None:
    """Of the files that could be measured; None where none could, the baseline where it alone was.

    With budgets those come first that hold them all, or else miss fewest; without, those that gain
    in size or speed and are not shown to lose accuracy, size or speed. Of several, the one with the
    greatest `_gain`, which lies on the front that no other file beats.
    """
    alive = [one for one in every if one.entry["error"] is None]
    files = [one for one in alive if one.number > 1]
    if not files:
        return Choice(alive[0], "") if alive else None
    if len(files) == 1:
        return Choice(files[0], "")
    left, why = _by_budgets(bench["budgets"], files)
    if not why:
        left, why = _by_losses(every[0], files)
    paired = all(one.latency and one.latency["speedup"] for one in left)
    return Choice(max(left, key=lambda one: _gain(one, paired)), f"Why this file: {why}.")


def _by_budgets(
    verdicts: Sequence[Mapping[str, Any]], files: Sequence[FileView]
) -> tuple[Sequence[FileView], str]:
    """The files whose verdicts are best, and how they were told; no reason without verdicts."""
    if not verdicts:
        return files, ""
    found = {one.name: Counter[str]() for one in files}
    for verdict in verdicts:
        if (name := one_line(verdict["file"])) in found:
            found[name][verdict["verdict"]] += 1
    ranks = {name: (marks["missed"], marks["not shown"]) for name, marks in found.items()}
    best = min(ranks.values())
    left = [one for one in files if ranks[one.name] == best]
    if best == (0, 0):
        if len(left) == 1:
            return left, f"of {len(files)}, it alone holds every budget"
        return left, f"of {len(left)} that hold every budget, it gains most"
    more = ", and gains most of those" if len(left) > 1 else ""
    return left, f"none holds every budget; of {len(files)}, it misses fewest{more}"


def _by_losses(first: FileView, files: Sequence[FileView]) -> tuple[Sequence[FileView], str]:
    left = [one for one in files if _gains_alone(one, first)]
    if len(left) == 1:
        return left, f"of {len(files)}, it alone gains without a loss shown"
    if left:
        return left, f"of {len(left)} that gain without a loss shown, it gains most"
    many = counted(len(files), "file")
    return files, f"of {many}, none gains without a loss; it gains most for what it loses"


def _gains_alone(view: FileView, first: FileView) -> bool:
    """Whether it is shown to be faster or smaller, and not to be worse in anything."""
    speedup = view.latency["speedup"] if view.latency else None
    pace = speedup["verdict"] if speedup else ""
    against, sizes = view.entry["agreement"], [one.entry["size"] for one in (view, first)]
    new, old = (size["bytes"] if size else 0 for size in sizes)
    loses = pace == "slower" or (against and against["verdict"] == "worse") or new > 1.005 * old
    return not loses and (pace == "faster" or new < 0.995 * old)


def _gain(view: FileView, paired: bool) -> tuple[int, float]:
    """How many figures are known, and the logarithm of how much they gain together.

    Twice as fast counts as much as half the size or half the errors. Speeds are taken from
    ``paired`` speed-ups where all files have them, else from the medians.
    """
    parts = []
    if latency := view.latency:
        speed = latency["speedup"]["ratio"] if paired else 1 / max(latency["median"], LEAST)
        parts.append(log(max(speed, LEAST)))
    if (size := view.entry["size"]) and size["bytes"]:
        parts.append(-log(size["bytes"]))
    if accuracy := view.entry["accuracy"]:
        parts.append(-log(max(1 - accuracy["top1"], 0.5 / accuracy["images"])))
    return len(parts), sum(parts)
