"""Where the time of an inference goes: the dearest layers, and what the machine would allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .....runtimes.verdicts.wording import digits
from ...plain_text import one_line
from ..files_view import FileView
from ..markup import Markup
from ..numbers import milliseconds
from ..palette import INK, MUTED
from ..svg import Pictures
from .axes import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["dearest", "layer_times"]

MOST_LAYERS = 12
ROW = 34.0

Layer = Mapping[str, Any]


def dearest(profile: Mapping[str, Any]) -> list[Layer]:
    """The layers that take most time, or would at least where no times were measured."""
    key = "ms" if any(layer["ms"] for layer in profile["layers"]) else "limit_ms"
    known = [layer for layer in profile["layers"] if layer[key]]
    return sorted(known, key=lambda layer: -float(layer[key]))[:MOST_LAYERS]


def layer_times(pictures: Pictures, view: FileView) -> Markup | None:
    """The picture of one file; None where it has no profile or no layer with a time."""
    profile = view.entry["profile"]
    layers = dearest(profile) if profile else []
    if not layers:
        return None
    said = "; ".join(f"{one_line(layer['name'])}: {_figures(layer)}" for layer in layers)
    label = f"Dearest layers of {view.name}. {said}."
    height = ROW * len(layers) + 52
    return pictures.draw(lambda figure: _paint(figure, view, layers), height, label)


def _figures(layer: Layer) -> str:
    limit, taken = layer["limit_ms"], layer["ms"]
    parts = [] if taken is None else [milliseconds(taken)]
    if limit is not None:
        why = f" ({layer['limit']})" if layer["limit"] else ""
        parts.append(f"limit {milliseconds(limit)}{why}")
    return ", ".join(parts)


def _paint(figure: Figure, view: FileView, layers: Sequence[Layer]) -> None:
    axes = figure.subplots()
    longest = max(layer[key] or 0 for layer in layers for key in ("ms", "limit_ms"))
    unit, scale = ("µs", 1000) if longest < 0.2 else ("ms", 1)
    for row, layer in enumerate(layers):
        taken, limit = (
            None if value is None else scale * value for value in (layer["ms"], layer["limit_ms"])
        )
        known = limit if taken is None else taken
        axes.barh(row, known or 0, height=0.34, color=view.colour, alpha=0.6, lw=0)
        if taken is not None and limit is not None:
            # A line, not a bar: the caches may serve a layer better than the limit has it.
            axes.plot([limit] * 2, [row - 0.16, row + 0.27], color=INK, lw=2.2, zorder=3)
        kind = " int8" if layer["int8"] else ""
        axes.annotate(
            f"{short(one_line(layer['name']), 34)}{kind}",
            (0, row - 0.27),
            xycoords=("axes fraction", "data"),
            fontsize=11,
        )
        told = [] if taken is None else [f"{digits(taken)} {unit}"]
        if layer["share"] is not None:
            told.append(f"{100 * layer['share']:.0f} %")
        axes.annotate(
            " · ".join(told) or layer["limit"] or "",
            (1, row - 0.27),
            xycoords=("axes fraction", "data"),
            ha="right",
            fontsize=11,
            color=MUTED,
        )
    axes.set_ylim(len(layers) - 0.6, -0.75)
    axes.set_xlim(0, 1.02 * scale * longest)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    timed = any(layer["ms"] is not None for layer in layers)
    axes.set_xlabel(f"{unit}; bar: measured, line: at best" if timed else f"{unit} at best")
