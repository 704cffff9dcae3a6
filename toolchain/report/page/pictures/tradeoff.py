"""Accuracy against latency, the size on disk as area, and the front that nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING

from ...plain_text import byte_size
from ..files_view import FileView
from ..markup import Markup
from ..numbers import milliseconds, percent
from ..palette import INK, MUTED, PAPER
from ..svg import Pictures
from .axes import free_place, percent_axis, positive_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["front", "pictured", "tradeoff"]

HEIGHT = 330.0
LARGEST, SMALLEST = 46.0, 9.0
"""Diameters in points: of the largest file, and the least that can be seen."""
RING = 7.0
"""By so many points a ring is wider."""


def tradeoff(pictures: Pictures, shown: Sequence[FileView]) -> Markup | None:
    """The picture; None with fewer than two files that have both accuracy and latency."""
    files = pictured(shown)
    if len(files) < 2 or min(_ms(one) for one in files) <= 0:
        return None
    best = front(files)
    said = "; ".join(
        f"{one.name}: {percent(_top1(one))} in {milliseconds(_ms(one))}, {byte_size(_bytes(one))}"
        + (", on the front" if one in best else "")
        for one in files
    )
    label = f"Accuracy against latency, area for size. {said}."
    return pictures.draw(lambda figure: _paint(figure, files, best), HEIGHT, label)


def pictured(shown: Sequence[FileView]) -> list[FileView]:
    """The files that have all three figures."""
    return [one for one in shown if one.entry["accuracy"] and one.latency and one.entry["size"]]


def front(files: Sequence[FileView]) -> list[FileView]:
    """The files that no other beats on both accuracy and latency, the fastest first."""
    found: list[FileView] = []
    for one in sorted(files, key=lambda one: (_ms(one), -_top1(one))):
        if not found or _top1(one) > _top1(found[-1]):
            found.append(one)
    return found


def _paint(figure: Figure, files: Sequence[FileView], best: Sequence[FileView]) -> None:
    axes = figure.subplots()
    ends = [one.entry["accuracy"][end] for one in files for end in ("low", "high")]
    room = 0.12 * max(max(ends) - min(ends), 0.004)
    percent_axis(axes.yaxis, min(ends) - room, max(ends) + room)
    positive_axis(axes.xaxis, [_ms(one) for one in files], room=0.13)
    axes.set_xlabel("latency, ms (faster to the left)")
    axes.set_ylabel("accuracy, top-1")
    if len(best) > 1:
        axes.plot(
            [_ms(one) for one in best],
            [_top1(one) for one in best],
            color=MUTED,
            lw=1.2,
            ls=(0, (4, 3)),
            zorder=1,
        )
    largest = max(_bytes(one) for one in files)
    for one in sorted(files, key=_bytes, reverse=True):
        place, across = (_ms(one), _top1(one)), 2 * _half(one, largest)
        axes.plot(*place, "o", ms=across, mfc=one.colour, mew=0, alpha=0.7)
        if one in best:
            axes.plot(*place, "o", ms=across + RING, mfc="none", mec=INK, mew=1.6)
    for one in files:
        _interval(axes, one)
    _number(figure, axes, files, largest)


def _interval(axes: Axes, one: FileView) -> None:
    """Over the circles, on a paler line that keeps it visible there."""
    ends = [one.entry["accuracy"][end] for end in ("low", "high")]
    for colour, width in ((PAPER, 3.0), (INK, 1.4)):
        axes.plot([_ms(one)] * 2, ends, color=colour, lw=width, zorder=5)


def _number(figure: Figure, axes: Axes, files: Sequence[FileView], largest: int) -> None:
    """Each file's number and size beside its circle, clear of circles and other labels."""
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    taken = []
    for one in files:
        x, y = (scale * value for value in axes.transData.transform((_ms(one), _top1(one))))
        half = (_half(one, largest) + RING / 2) * 0.8
        taken.append((x - half, y - half, x + half, y + half))
        ends = (one.entry["accuracy"][end] for end in ("low", "high"))
        low, high = (scale * axes.transData.transform((_ms(one), end))[1] for end in ends)
        taken.append((x - 2, low, x + 2, high))
    box = axes.get_window_extent()
    left, bottom, right, top = (scale * value for value in (box.x0, box.y0, box.x1, box.y1))
    taken += [
        (left - 99, bottom - 99, left, top + 99),
        (right, bottom - 99, right + 99, top + 99),
        (left, bottom - 99, right, bottom),
        (left, top, right, top + 99),
    ]
    for one in files:
        text = f"{one.number}: {byte_size(_bytes(one))}"
        x, y = (scale * value for value in axes.transData.transform((_ms(one), _top1(one))))
        size = (6.6 * len(text), 14.0)
        where = free_place(taken, x, y, size, _half(one, largest) + RING / 2 + 3)
        taken.append((where[0], where[1], where[0] + size[0], where[1] + size[1]))
        axes.annotate(
            text,
            (where[0] / scale, where[1] / scale + 3),
            xycoords="figure pixels",
            fontsize=11,
            fontweight="bold",
            zorder=6,
        )


def _half(one: FileView, largest: int) -> float:
    return max(SMALLEST, LARGEST * sqrt(_bytes(one) / max(largest, 1))) / 2


def _ms(one: FileView) -> float:
    return float(one.latency["median"]) if one.latency else 0.0


def _top1(one: FileView) -> float:
    return float(one.entry["accuracy"]["top1"])


def _bytes(one: FileView) -> int:
    return int(one.entry["size"]["bytes"])
