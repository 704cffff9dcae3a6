"""The figure of a sensitivity scan, in the manner of the paper's Figs 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from .figure import BLUE, COLOURS, GREY, INK, draw, headline, label_ends, percent_axis
from .plain_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["scan_figure"]

BINS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Edges of the classes of accuracy lost, in points; gains count as no loss."""
ROW_INCHES = 0.165
NAMED_LAYERS = 4


def scan_figure(scan: Mapping[str, Any]) -> bytes:
    """PNG of what ``scan.json`` holds: the whole network's curve, each layer's, and all losses.

    Raises MissingError where matplotlib is lacking.
    """
    layers = scan["layers"]
    if layers is None:
        return draw(lambda figure: _alone(figure, scan), width=7.2, height=4.4)
    rows = len(layers["curves"])
    height = max(7.0, ROW_INCHES * rows + 1.9)
    return draw(lambda figure: _beside_layers(figure, scan), width=11.5, height=height)


def _alone(figure: Figure, scan: Mapping[str, Any]) -> None:
    _title(figure, scan)
    _whole(figure.subplots(), scan)


def _beside_layers(figure: Figure, scan: Mapping[str, Any]) -> None:
    _title(figure, scan)
    halves: Any = figure.subfigures(1, 2, width_ratios=[1.0, 1.1])
    left, right = halves
    upper, lower = left.subplots(2, 1)
    _whole(upper, scan)
    _layers(lower, scan)
    _losses(right, scan)


def _title(figure: Figure, scan: Mapping[str, Any]) -> None:
    told = scan["settings"]
    name = PurePath(scan["checkpoint"]).stem
    headline(figure, f"{name} on {scan['data']}, method {told['method']} ({told['criterion']})")


def _whole(axes: Axes, scan: Mapping[str, Any]) -> None:
    whole, told = scan["whole"], scan["settings"]
    reference = whole["reference"]["accuracy"]
    x = [0.0, *told["sensitivities"]]
    y = [reference, *whole["accuracy"]]
    axes.axhspan(reference - told["max_drop"] / 100, reference, color=BLUE, alpha=0.12, lw=0)
    axes.plot(x, y, color=BLUE, marker="o", lw=2.6, clip_on=False, zorder=3)
    _frame(axes, whole, told, "Whole network: every layer pruned by the same fraction")
    _lift(axes, [*y, reference - told["max_drop"] / 100])
    within = _largest_within(x, y, reference - told["max_drop"] / 100)
    drop = f"{told['max_drop']:g} point{'' if told['max_drop'] == 1 else 's'}"
    span = f"within {drop} of it up to {within:.0%}" if within else f"{drop} lost before {x[1]:.0%}"
    axes.annotate(
        f"unpruned {reference:.2%}; {span}",
        (0.03, 0.06),
        xycoords="axes fraction",
        color=INK,
    )


def _layers(axes: Axes, scan: Mapping[str, Any]) -> None:
    layers, told = scan["layers"], scan["settings"]
    reference = layers["reference"]["accuracy"]
    x = [0.0, *told["sensitivities"]]
    curves = [(curve["name"], [reference, *curve["accuracy"]]) for curve in layers["curves"]]
    named = sorted(curves, key=lambda curve: sum(curve[1]))[:NAMED_LAYERS]
    for curve in curves:
        if curve not in named:
            axes.plot(x, curve[1], color=GREY, lw=0.9, alpha=0.55)
    for (_, y), colour in zip(named, COLOURS[1:], strict=False):
        axes.plot(x, y, color=colour, lw=1.8)
    _frame(axes, layers, told, "Each layer pruned alone; the most sensitive by name")
    _lift(axes, [value for _, y in curves for value in y])
    ends = [
        (x[-1], y[-1], _short(name), colour)
        for (name, y), colour in zip(named, COLOURS[1:], strict=False)
    ]
    label_ends(axes, ends, gap=0.06, size=8)


def _losses(figure: Any, scan: Mapping[str, Any]) -> None:
    """Points lost, layer by layer, as classes of colour; what the table takes is marked."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.colors import BoundaryNorm

    layers, told = scan["layers"], scan["settings"]
    reference, curves = layers["reference"]["accuracy"], layers["curves"]
    x = told["sensitivities"]
    lost = np.asarray(
        [[100 * (reference - value) for value in curve["accuracy"]] for curve in curves]
    )
    axes = figure.subplots()
    colours = mpl.colormaps["YlGnBu"].resampled(len(BINS) - 1)
    image = axes.imshow(
        np.clip(lost - 1e-6, BINS[0], None),  # a class holds its upper edge
        aspect="auto",
        cmap=colours,
        norm=BoundaryNorm(BINS, colours.N),
        interpolation="nearest",
    )
    axes.grid(False)
    axes.set_title("Accuracy lost, in points; dot: what table.json takes")
    axes.set_xticks(range(len(x)), [f"{value:.0%}" for value in x])
    size = 7.5 if len(curves) > 25 else 8.5
    names = [_short(curve["name"]) for curve in curves]
    axes.set_yticks(range(len(curves)), names, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("sensitivity: fraction of the layer pruned")
    for edge in axes.spines.values():
        edge.set_visible(False)
    axes.set_xticks(np.arange(len(x) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(curves) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    places = [(x.index(s), row) for row, s in enumerate(layers["table"].values()) if s]
    if places:
        axes.scatter(*zip(*places, strict=True), s=11, color=INK, edgecolors="white", lw=0.6)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, aspect=42, pad=0.015)
    bar.set_ticks(BINS, labels=[f"{edge:g}" for edge in BINS])
    bar.ax.tick_params(length=0, labelsize=8)
    bar.outline.set_visible(False)


def _frame(axes: Axes, curve: Mapping[str, Any], told: Mapping[str, Any], title: str) -> None:
    epochs = curve["epochs"]
    how = f"{epochs} epoch{'s' if epochs > 1 else ''} retrained" if epochs else "no retraining"
    axes.set_title(title, fontsize=10.5)
    axes.set_xlabel(f"sensitivity: fraction pruned ({how})")
    axes.set_ylabel(f"{told['part']} accuracy ({curve['images']:,} images)")
    axes.set_xlim(0, max(told["sensitivities"]) * 1.01)
    percent_axis(axes.xaxis)


def _lift(axes: Axes, values: Sequence[float]) -> None:
    """Limits with room below for a line of text; percent with decimals where they are narrow."""
    low, high = min(values), max(values)
    room = max(high - low, 0.01)
    axes.set_ylim(low - 0.18 * room, min(high + 0.08 * room, 1.005))
    percent_axis(axes.yaxis, decimals=0 if room > 0.06 else 1)


def _largest_within(x: Sequence[float], y: Sequence[float], least: float) -> float:
    best = 0.0
    for sensitivity, accuracy in zip(x, y, strict=True):
        if accuracy < least - 1e-9:
            break
        best = sensitivity
    return best


def _short(name: str) -> str:
    text = one_line(name)
    return text if len(text) <= 32 else f"{text[:14]}…{text[-17:]}"
