"""The roofline: each layer's work a byte moved against what it attains of the machine's peaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

from .....runtimes.verdicts.wording import digits
from ..files_view import FileView
from ..markup import Markup
from ..numbers import counted, percent
from ..palette import INK, MUTED
from ..svg import Pictures
from .axes import positive_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["peak_of", "roofline", "roofs"]

HEIGHT = 300.0

Layer = Mapping[str, Any]
Peak = Mapping[str, Any]


def roofline(pictures: Pictures, view: FileView, peaks: Sequence[Peak] | None) -> Markup | None:
    """The picture of one file; None without measured layers or this machine's peaks."""
    profile, peak = view.entry["profile"], peak_of(view, peaks)
    if profile is None or peak is None:
        return None
    layers = [one for one in profile["layers"] if one["ms"] and one["macs"] and one["bytes"]]
    if not layers:
        return None
    bound = sum(1 for one in layers if one["limit"] == "memory")
    attained = profile["attained"]
    label = (
        f"Roofline of {view.name}: {counted(len(layers), 'layer')}, {bound} of them limited by "
        f"memory; {roofs(view, peak)}"
        + (f"; {percent(attained, 0)} of the limit attained." if attained is not None else ".")
    )
    return pictures.draw(lambda figure: _paint(figure, view, layers, peak), HEIGHT, label)


def peak_of(view: FileView, peaks: Sequence[Peak] | None) -> Peak | None:
    """The machine's peaks with as many threads as the file's profile; None where not known."""
    profile = view.entry["profile"]
    for one in peaks or ():
        if profile and one["threads"] == profile["threads"]:
            return one if one["flops_per_s"] and one["bytes_per_s"] else None
    return None


def roofs(view: FileView, peak: Peak) -> str:
    """The machine's peaks in words, those that the picture has."""
    floor = f"{digits(peak['flops_per_s'] / 1e9)} GFLOP/s in float32"
    words = f"solid: {floor}, {digits(peak['bytes_per_s'] / 1e9)} GB/s from memory"
    more = []
    if peak["cache_bytes_per_s"]:
        more.append(f"{digits(peak['cache_bytes_per_s'] / 1e9)} GB/s within the caches")
    if _int8_peak(view, peak):
        more.append(f"{digits(peak['int8_ops_per_s'] / 1e9)} GOP/s in int8")
    return f"{words}; dashed: {', '.join(more)}" if more else words


def _int8_peak(view: FileView, peak: Peak) -> float:
    """Operations a second on 8-bit integers; 0 where the file has none or that is not known."""
    if not any(layer["int8"] for layer in view.entry["profile"]["layers"]):
        return 0.0
    return float(peak["int8_ops_per_s"] or 0.0)


def _paint(figure: Figure, view: FileView, layers: Sequence[Layer], peak: Peak) -> None:
    axes = figure.subplots()
    work = [2 * one["macs"] / one["bytes"] for one in layers]
    attained = [2 * one["macs"] / (one["ms"] / 1000) / 1e9 for one in layers]
    floor, memory = peak["flops_per_s"] / 1e9, peak["bytes_per_s"] / 1e9
    top = max(floor, _int8_peak(view, peak) / 1e9)
    steep = max(memory, (peak["cache_bytes_per_s"] or 0.0) / 1e9)
    corner = floor / memory
    low, high = min(*work, corner / 4), max(*work, corner * 4)
    positive_axis(axes.xaxis, [low, high], room=0.02)
    positive_axis(axes.yaxis, [min(*attained, low * memory), max(top, *attained)], room=0.06)
    if (steep, top) != (memory, floor):
        upper = [(low, min(low * steep, top)), (top / steep, top), (high, top)]
        axes.plot(*zip(*upper, strict=True), color=MUTED, lw=1.4, ls=(0, (4, 3)), zorder=2)
    axes.plot([low, corner, high], [low * memory, floor, floor], color=INK, lw=1.8, zorder=2)
    total = sum(one["ms"] for one in layers)
    for x, y, layer in zip(work, attained, layers, strict=True):
        axes.plot(
            x,
            y,
            "s" if layer["int8"] else "o",
            ms=5 + 18 * sqrt(layer["ms"] / total),
            mfc=view.colour,
            mec=view.colour,
            alpha=0.55,
        )
    axes.set_xlabel("work: FLOP a byte moved")
    axes.set_ylabel("attained, GFLOP/s")
