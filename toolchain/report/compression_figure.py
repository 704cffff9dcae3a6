"""The figure of the compression experiment: how far each method got, and what it was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .compression_page import noted
from .figure import BLUE, GREEN, GREY, INK, PURPLE, VERMILION, draw, headline, percent_axis
from .plain_text import byte_size, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["METHOD_COLOURS", "compression_figure"]

DEPTH = 3.0
"""How far below the accuracy asked for a step is still drawn at its place, in allowed drops."""

METHOD_COLOURS = {"paper": VERMILION, "element": PURPLE, "filter": GREEN, "channel": BLUE}


def compression_figure(values: Mapping[str, Any]) -> bytes:
    """PNG of what ``compression.json`` holds: every step of every method, and the files measured.

    Raises MissingError where matplotlib is lacking.
    """
    return draw(lambda figure: _paint(figure, values), width=11.5, height=7.6)


def _paint(figure: Figure, values: Mapping[str, Any]) -> None:
    drop = f"{values['settings']['max_drop']:g} points"
    headline(
        figure,
        f"{values['architecture']}, {values['data']}: pruning methods at equal accuracy "
        f"(within {drop} on validation)",
    )
    halves: Any = figure.subfigures(2, 1, height_ratios=[1.25, 1.0])
    left, right = halves[0].subplots(1, 2, sharey=True)
    _steps(left, values, "parameters", "Parameters in the exported file")
    _steps(right, values, "nonzero_parameters", "Parameters that are not zero")
    left.set_ylabel("validation accuracy, retrained")
    _legend(halves[0], list(values["methods"]))
    _bars(halves[1].subplots(1, 4, sharey=True), values["rows"])


def _steps(axes: Axes, values: Mapping[str, Any], size: str, title: str) -> None:
    """Accuracy against size, pruning towards the right; what lies far below stands at the edge."""
    start, top = values["rows"][0][size], values["reference"]["validation_accuracy"]
    floor = top - values["settings"]["max_drop"] / 100
    every = [step["validation_accuracy"] for steps in values["methods"].values() for step in steps]
    bottom = max(min([floor, *every]), floor - DEPTH * (top - floor) - 0.002)
    for method, steps in values["methods"].items():
        colour = METHOD_COLOURS[method]
        last = (start, top)
        for step in steps:
            point = (step[size], max(step["validation_accuracy"], bottom))
            line = list(zip(last, point, strict=True))
            if step["accepted"]:
                axes.plot(*line, color=colour, marker="o")
                last = point
            else:
                off = step["validation_accuracy"] < bottom
                axes.plot(*line, color=colour, lw=0.9, ls=(0, (3, 2)))
                axes.plot(*point, color=colour, marker="v" if off else "o", mfc="white", ls="none")
    axes.axhspan(floor, top, color=GREY, alpha=0.14, lw=0)
    axes.plot(start, top, color=INK, marker="D", ls="none", zorder=5)
    axes.set_xscale("log")
    axes.margins(x=0.08)
    axes.invert_xaxis()
    axes.set_title(title)
    axes.set_xlabel("smaller to the right (logarithmic)")
    highest = max([top, *every])
    room = max(highest - bottom, 0.004)
    axes.set_ylim(bottom - 0.08 * room, highest + 0.08 * room)
    _count_axis(axes)
    percent_axis(axes.yaxis, decimals=1)


def _legend(figure: Any, methods: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=METHOD_COLOURS[method], marker="o", label=method) for method in methods
    ]
    for marker, face, text in (
        ("D", INK, "reference"),
        ("o", "white", "lost too much"),
        ("v", "white", "far more"),
    ):
        handles.append(Line2D([], [], color=INK, marker=marker, mfc=face, ls="none", label=text))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handlelength=1.6)


def _count_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: count(round(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _bars(panels: Sequence[Axes], rows: Sequence[Mapping[str, Any]]) -> None:
    """What each file holds and takes, as a share of the reference's."""
    names = [f"{row['name']}  {row['accuracy']['top1']:.1%}" for row in rows]
    places = list(range(len(rows)))[::-1]
    colours = [METHOD_COLOURS.get(row["name"], GREY) for row in rows]
    _bar(panels[0], rows, "Parameters (pale: zeros)", "parameters", count, colours)
    panels[0].barh(places, [row["nonzero_parameters"] for row in rows], color=colours, height=0.66)
    _bar(panels[1], rows, "Size of the .onnx", "size_bytes", byte_size, colours)
    _bar(panels[2], rows, "MACs for one image", "macs", count, colours)
    latency = [{**row, "median": row["latency_ms"]["median"]} for row in rows]
    _bar(panels[3], latency, "Latency, ms", "median", lambda value: f"{value:.3g}", colours)
    panels[0].set_yticks(places, names)
    panels[0].set_ylabel("file and its test accuracy")
    for axes in panels:
        axes.tick_params(axis="y", length=0)


def _bar(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    title: str,
    key: str,
    text: Any,
    colours: Sequence[str],
) -> None:
    values = [row[key] or 0 for row in rows]
    places = list(range(len(rows)))[::-1]
    alpha = 0.35 if key == "parameters" else 1.0
    axes.barh(places, values, color=colours, height=0.66, alpha=alpha)
    for place, value in zip(places, values, strict=True):
        share = f" ({value / values[0]:.0%})" if noted(value, values[0]) else ""
        axes.annotate(
            f"{text(value)}{share}",
            (value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axes.set_title(title, fontsize=10)
    axes.set_xlim(0, max(values) * 1.42)
    axes.set_ylim(len(rows) - max(len(rows), 5) - 0.6, len(rows) - 0.4)
    axes.set_xticks([])
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
