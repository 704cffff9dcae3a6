"""Classes in words and tables: what flipped, the hardest, each class's accuracy, confusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..plain_text import one_line
from .class_verdicts import class_verdicts
from .files_view import FileView
from .numbers import counted, listed, percent, points

__all__ = ["ClassRow", "class_lines", "class_rows", "confusion_rows"]

Cells = tuple[str, ...]

NAMED = 3
"""As many classes are named that are shown to have changed."""


@dataclass(frozen=True)
class ClassRow:
    """A class: its ``images``, the share of them that each file has right, None where unknown."""

    label: str
    images: int
    right: tuple[float | None, ...]


def class_lines(view: FileView) -> Iterator[str]:
    """How many answers flipped each way, which classes that shows to have changed, the hardest."""
    accuracy = view.entry["accuracy"]
    if view.entry["agreement"]:
        yield from _changes(view)
    if accuracy and accuracy["worst_class"]:
        hard = accuracy["worst_class"]
        right = percent(hard["correct"] / max(hard["images"], 1), 1)
        yield f"{one_line(hard['label'])} is the hardest class: {right} right."


def class_rows(files: Sequence[FileView], by: FileView) -> list[ClassRow]:
    """The classes of the test images, those that ``by`` has wrong most often first."""
    columns = [one.entry["accuracy"]["per_class"] for one in files]
    leading = columns[files.index(by)]
    rows = []
    for place, entry in enumerate(leading):
        found = (column[place] if place < len(column) else None for column in columns)
        right = tuple(
            one["correct"] / one["images"] if one and one["images"] else None for one in found
        )
        rows.append(ClassRow(one_line(entry["label"]), entry["images"], right))
    place = files.index(by)
    return sorted(rows, key=lambda row: _share(row, place))


def confusion_rows(view: FileView) -> tuple[str, Cells, list[Cells]]:
    """A title, the columns' titles and rows: pairs of classes taken for each other.

    Those that changed most against the baseline, or where none did the most frequent ones.
    """
    against, accuracy = view.entry["agreement"], view.entry["accuracy"]
    if against and against["confusions"]:
        changed: list[Cells] = [
            (one_line(one["label"]), one_line(one["predicted"]), *_counts(one))
            for one in against["confusions"]
        ]
        return "Confusions that changed most", ("is", "taken for", "before", "now"), changed
    often: list[Cells] = [
        (one_line(one["label"]), one_line(one["predicted"]), f"{one['count']:,}")
        for one in (accuracy["confusions"] if accuracy else ())
    ]
    return "Most frequent confusions", ("is", "taken for", "images"), often


def _changes(view: FileView) -> Iterator[str]:
    found = view.entry["agreement"]
    changed = counted(found["images"] - found["same"], "answer")
    lost, won, moved = (f"{found[key]:,}" for key in ("lost", "won", "moved"))
    flips = f"{lost} were right before, {won} are right now, {moved} moved between wrong ones"
    yield f"{changed} of {found['images']:,} changed: {flips}."
    if not found["lost"] and not found["won"]:
        yield "No class changed."
        return
    verdicts = class_verdicts(found["per_class"])
    shown = sorted((one for one in verdicts if one.shown), key=lambda one: one.share)
    if not shown:
        yield (
            "No class is shown to have changed (McNemar's exact test, Holm's correction for "
            f"{counted(len(verdicts), 'class', 'classes')})."
        )
        return
    named = [f"{one_line(one.label)} ({points(one.share)} points)" for one in shown]
    more = len(named) - NAMED
    if more > 0:
        named = [*named[:NAMED], f"{more} more"]
    yield f"Shown to have changed: {listed(named)}."


def _share(row: ClassRow, place: int) -> float:
    """Of a column; beyond all others where it is not known."""
    found = row.right[place]
    return 2.0 if found is None else found


def _counts(entry: Mapping[str, Any]) -> tuple[str, str]:
    return f"{entry['before']:,}", f"{entry['after']:,}"
