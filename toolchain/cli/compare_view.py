"""A comparison of two results as lines of text: per file accuracy, size and latency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...runtimes.verdicts.wording import digits, points
from ..report.plain_text import byte_size, one_line

if TYPE_CHECKING:
    from ...runtimes.verdicts.change import Change
    from ...runtimes.verdicts.compare import Comparison, FileChange

__all__ = ["compare_lines"]

WIDTHS = (10, 24, 32)
"""Of the figure's name, its two values and its change; the verdict stands last."""


def compare_lines(comparison: Comparison) -> Iterator[str]:
    """One block a file, then what could not be compared and why, then the budgets."""
    for file in comparison.files:
        yield from _block(file)
    for names, which in ((comparison.old_alone, "OLD"), (comparison.new_alone, "NEW")):
        if names:
            yield f"only in {which}: {', '.join(map(one_line, names))}"
    if not comparison.same_images:
        yield "accuracy: not on the same images, so not image by image"
    if comparison.machine_differences:
        yield "latency: not compared, because the machines differ:"
        yield from (f"  {one_line(line)}" for line in comparison.machine_differences)
    if comparison.version_changes:
        yield f"packages: {'; '.join(map(one_line, comparison.version_changes))}"
    for verdict in comparison.budgets:
        yield f"{verdict['verdict']:<10} {verdict['budget']}: {one_line(verdict['sentence'])}"


def _block(file: FileChange) -> Iterator[str]:
    yield one_line(file.name) + (" (the baseline)" if file.baseline else "")
    if file.error is not None:
        yield f"  error: {one_line(file.error)}"
    for name, change in (
        ("accuracy", file.accuracy),
        ("size", file.size),
        ("latency", file.latency),
    ):
        cells = (name, _values(change), _change(change))
        padded = "".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
        yield f"  {padded}{change.verdict}"
        if change.how != "exact":
            yield f"  {'':<{WIDTHS[0]}}{one_line(change.how)}"
    yield ""


def _values(change: Change) -> str:
    return f"{_value(change.old, change.unit)} -> {_value(change.new, change.unit)}"


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "bytes":
        return byte_size(int(value))
    return f"{value:.2f} %" if "%" in unit else f"{digits(value)} ms"


def _change(change: Change) -> str:
    found = change.change
    if found is None:
        return ""
    if change.change_unit == "points":
        return f"{found.value:+.2f} points ({points(found.low)} to {points(found.high)})"
    if change.change_unit == "%":
        return f"{found.value:+.1f} %"
    return f"{digits(found.value)}x as fast ({digits(found.low)} to {digits(found.high)})"
