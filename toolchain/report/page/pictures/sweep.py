"""Images a second over the batch size or the threads, where more than one was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...plain_text import count
from ..files_view import FileView
from ..markup import Markup
from ..numbers import counted
from ..svg import Pictures
from .axes import count_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["sweeps"]

HEIGHT = 270.0
MOST = 4


def sweeps(pictures: Pictures, shown: Sequence[FileView]) -> list[tuple[str, Markup]]:
    """A title and a picture each: over batch sizes for each number of threads, then over threads.

    At most four of the first; over threads for the first batch size alone.
    """
    loads = {(one["threads"], one["batch_size"]) for view in shown for one in view.entry["latency"]}
    threads = sorted({thread for thread, _ in loads if thread is not None})
    batches = sorted({batch for _, batch in loads})
    found = []
    if len(batches) > 1:
        for number in threads[:MOST] or [None]:
            on = "" if number is None else f", {counted(number, 'thread')}"
            lines = _lines(shown, "batch_size", threads=number)
            found.append((f"Throughput by batch size{on}", lines, "images in a batch"))
    if len(threads) > 1:
        batch = shown[0].entry["latency"][0]["batch_size"] if shown[0].entry["latency"] else 1
        lines = _lines(shown, "threads", batch_size=batch)
        found.append((f"Throughput by threads, batch {batch}", lines, "threads"))
    return [(title, _draw(pictures, title, lines, axis)) for title, lines, axis in found if lines]


Point = tuple[int, float, float, float]
"""Threads or batch size; images a second, with the interval of the median that they follow."""

Lines = list[tuple[FileView, list[Point]]]


def _lines(shown: Sequence[FileView], along: str, **held: int | None) -> Lines:
    """Images a second by the number ``along``, of the loads that agree with ``held``."""
    found = []
    for view in shown:
        points = sorted(
            _point(one, along)
            for one in view.entry["latency"]
            if all(one[key] == value for key, value in held.items()) and one["images_per_s"] > 0
        )
        if len(points) > 1:
            found.append((view, points))
    return found


def _point(latency: Mapping[str, Any], along: str) -> Point:
    rate, median = latency["images_per_s"], latency["median"]
    low, high = (rate * median / end if end else rate for end in (latency["high"], latency["low"]))
    return latency[along], rate, low, high


def _draw(pictures: Pictures, title: str, lines: Lines, axis: str) -> Markup:
    said = "; ".join(
        f"{view.name}: "
        + ", ".join(f"{count(round(rate))} at {place}" for place, rate, _, _ in points)
        for view, points in lines
    )
    label = f"{title}, images a second. {said}."
    return pictures.draw(lambda figure: _paint(figure, lines, axis), HEIGHT, label)


def _paint(figure: Figure, lines: Lines, axis: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = figure.subplots()
    count_axis(axes.xaxis, sorted({point[0] for _, points in lines for point in points}))
    for view, points in lines:
        places, rates, lows, highs = zip(*points, strict=True)
        axes.vlines(places, lows, highs, color=view.colour, lw=4, alpha=0.4)
        axes.plot(places, rates, color=view.colour, marker="o")
    # From nothing, so that twice as high is twice as much.
    axes.set_ylim(0, 1.05 * max(max(point[1:]) for _, points in lines for point in points))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    _ends(axes, lines)
    axes.set_xlabel(axis)
    axes.set_ylabel("images a second")


def _ends(axes: Axes, lines: Lines) -> None:
    """Each curve's number at its right end, apart where they are close."""
    from ...figure import label_ends

    label_ends(
        axes,
        [(*points[-1][:2], str(view.number), view.colour) for view, points in lines],
        gap=0.075,
        size=11,
    )
