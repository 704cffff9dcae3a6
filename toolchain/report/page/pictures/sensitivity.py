"""What pruning costs, from a scan: the whole network's curve and each layer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...figure import label_ends
from ...plain_text import one_line
from ..markup import Markup
from ..numbers import percent
from ..palette import MUTED, SERIES
from ..svg import Pictures
from .axes import percent_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NAMED", "layer_curves", "most_sensitive", "whole_curve"]

HEIGHT = 280.0
NAMED = "abcd"
"""The letters of the layers that are named."""

Scan = Mapping[str, Any]


def whole_curve(pictures: Pictures, scan: Scan) -> Markup:
    """Accuracy of the whole network over the fraction pruned of every layer."""
    whole, told = scan["whole"], scan["settings"]
    said = ", ".join(
        f"{percent(accuracy)} at {percent(fraction, 0)}"
        for fraction, accuracy in zip(told["sensitivities"], whole["accuracy"], strict=True)
    )
    label = (
        f"Accuracy of the whole network against the fraction pruned: "
        f"{percent(whole['reference']['accuracy'])} unpruned, {said}."
    )
    return pictures.draw(lambda figure: _paint_whole(figure, scan), HEIGHT, label)


def layer_curves(pictures: Pictures, scan: Scan) -> Markup | None:
    """Accuracy with one layer pruned, a curve a layer; None where no layer was scanned."""
    if scan["layers"] is None or not scan["layers"]["curves"]:
        return None
    named = ", ".join(one_line(curve["name"]) for curve in most_sensitive(scan))
    label = f"Accuracy with one layer alone pruned, by layer; the most sensitive: {named}."
    return pictures.draw(lambda figure: _paint_layers(figure, scan), HEIGHT, label)


def most_sensitive(scan: Scan) -> list[Mapping[str, Any]]:
    """The layers whose curves lie lowest, the lowest first."""
    curves = scan["layers"]["curves"]
    return sorted(curves, key=lambda curve: float(sum(curve["accuracy"])))[: len(NAMED)]


def _paint_whole(figure: Figure, scan: Scan) -> None:
    axes = figure.subplots()
    whole, told = scan["whole"], scan["settings"]
    reference = whole["reference"]["accuracy"]
    x, y = [0.0, *told["sensitivities"]], [reference, *whole["accuracy"]]
    axes.axhspan(reference - told["max_drop"] / 100, reference, color=SERIES[1], alpha=0.15, lw=0)
    axes.plot(x, y, color=SERIES[1], marker="o", lw=2.4)
    _frame(axes, x, y, scan["whole"], told)


def _paint_layers(figure: Figure, scan: Scan) -> None:
    axes = figure.subplots()
    layers, told = scan["layers"], scan["settings"]
    reference = layers["reference"]["accuracy"]
    x = [0.0, *told["sensitivities"]]
    named = most_sensitive(scan)
    for curve in layers["curves"]:
        if curve not in named:
            axes.plot(x, [reference, *curve["accuracy"]], color=MUTED, lw=1, alpha=0.5)
    ends = []
    for curve, letter, colour in zip(named, NAMED, SERIES[1:], strict=False):
        axes.plot(x, [reference, *curve["accuracy"]], color=colour, lw=2)
        ends.append((x[-1], curve["accuracy"][-1], letter, colour))
    every = [value for curve in layers["curves"] for value in curve["accuracy"]]
    _frame(axes, x, [reference, *every], layers, told)
    label_ends(axes, ends, gap=0.075, size=12)


def _frame(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    part: Mapping[str, Any],
    told: Mapping[str, Any],
) -> None:
    room = 0.08 * max(max(y) - min(y), 0.01)
    percent_axis(axes.yaxis, min(y) - room, max(y) + room)
    percent_axis(axes.xaxis, 0, 1.02 * max(x))
    how = f"{part['epochs']} epochs retrained" if part["epochs"] else "no retraining"
    axes.set_xlabel(f"fraction pruned ({how})")
    axes.set_ylabel(f"accuracy, {one_line(told['part'])}")
