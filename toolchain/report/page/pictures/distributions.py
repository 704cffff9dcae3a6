"""How the latencies of each file are spread: a hill for each, on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .....runtimes.verdicts.wording import digits
from ..files_view import FileView
from ..markup import Markup
from ..numbers import milliseconds
from ..palette import INK, MUTED
from ..svg import Pictures
from .axes import positive_axis, short

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["density", "distributions"]

ROW = 58.0
MOST_FILES = 12
TAIL = 97
"""Beyond this percentile the axis ends: single slow runs would push all else together."""


def distributions(pictures: Pictures, shown: Sequence[FileView]) -> Markup | None:
    """The picture; None where nothing was timed."""
    files = [one for one in shown if one.latency and one.latency["percentiles"][0] > 0][:MOST_FILES]
    if not files:
        return None
    said = "; ".join(
        f"{one.name}: median {milliseconds(latency['median'])}, "
        f"p5 {digits(latency['p5'])}, p95 {digits(latency['p95'])}"
        for one in files
        if (latency := one.latency)
    )
    height = ROW * len(files) + 58
    label = f"Latency distributions. {said}."
    return pictures.draw(lambda figure: _paint(figure, files), height, label)


def density(percentiles: Sequence[float], grid: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The density of what has these 101 ``percentiles``, at the places of ``grid``, greatest 1.

    A Gaussian kernel of Silverman's width (1986, equation 3.31) over 400 evenly spaced quantiles.
    """
    import numpy as np

    shares = (np.arange(400) + 0.5) / 4
    values = np.interp(shares, np.arange(101), np.asarray(percentiles, float))
    spread = min(float(values.std()), float(np.subtract(*np.percentile(values, [75, 25]))) / 1.34)
    width = 0.9 * (spread or float(values.std())) * len(values) ** -0.2
    step = float(grid[1] - grid[0])
    width = max(width, step)
    heights = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(axis=1)
    found: np.ndarray[Any, Any] = heights / max(float(heights.max()), 1e-12)
    return found


def _paint(figure: Figure, files: Sequence[FileView]) -> None:
    axes = figure.subplots()
    ends = [
        value
        for one in files
        if one.latency
        for value in (one.latency["percentiles"][1], one.latency["percentiles"][TAIL])
    ]
    positive_axis(axes.xaxis, ends, room=0.05)
    for place, one in enumerate(files):
        _hill(axes, one, len(files) - 1 - place)
    axes.set_ylim(-0.35, len(files) - 0.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("latency, ms; dot: median, bar: p5 to p95")


def _hill(axes: Axes, one: FileView, row: int) -> None:
    import numpy as np

    latency = one.latency
    assert latency is not None
    low, high = axes.get_xlim()
    logarithmic = axes.get_xscale() == "log"
    change, back = (np.log, np.exp) if logarithmic else (np.asarray, np.asarray)
    grid = np.linspace(float(change(low)), float(change(high)), 320)
    heights = density(change(np.asarray(latency["percentiles"])).tolist(), grid)
    seen = heights > 0.004
    places = back(grid[seen])
    axes.fill_between(
        places, row, row + 0.56 * heights[seen], color=one.colour, alpha=0.55, lw=0, zorder=2
    )
    axes.plot([latency["p5"], latency["p95"]], [row, row], color=one.colour, lw=3, zorder=3)
    axes.plot(latency["median"], row, "o", ms=8, mfc=INK, mec=INK, mew=0, zorder=4)
    axes.annotate(
        f"{one.number}  {short(one.name, 40)}",
        (0, row + 0.64),
        xycoords=("axes fraction", "data"),
        fontweight="bold",
        fontsize=11,
    )
    axes.annotate(
        milliseconds(latency["median"]),
        (1, row + 0.64),
        xycoords=("axes fraction", "data"),
        ha="right",
        fontsize=11,
    )
    axes.axhline(row, color=MUTED, lw=0.5, zorder=1)
