"""The one style of every figure: drawn without a display, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, cast

from ...errors import MissingError
from ...runtimes.install import install_command
from ...whole_files import write_whole
from .plain_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "check_drawing",
    "draw",
    "headline",
    "label_ends",
    "percent_axis",
    "write_figure",
]

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY = "#E69F00", "#AA4499", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""Told apart by every kind of colour vision (Okabe and Ito 2008), in the order to use them."""
INK, GREY = "#222222", "#8A8A8A"

DPI = 160
HEADLINE_LETTERS = 8.8
"""Bold letters of the headline that an inch holds, wide ones too."""
_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
}


def check_drawing() -> None:
    """Raise MissingError where matplotlib is not installed; call it before the long work."""
    try:
        import matplotlib  # noqa: F401, ICN001
    except ImportError as error:
        raise MissingError(
            "figures need the package matplotlib, which is not installed; add it with: "
            f"{install_command('report')}"
        ) from error


def draw(paint: Callable[[Figure], None], *, width: float, height: float) -> bytes:
    """The PNG that ``paint`` makes of an empty figure of ``width`` x ``height`` inches.

    Everything that ``paint`` creates takes the one style, whatever the user's own settings are;
    margins are fitted to the labels. The same numbers give the same bytes with the same version
    of matplotlib. Raises MissingError where that is not installed.
    """
    check_drawing()
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _STYLE.items():
            cast("dict[str, Any]", mpl.rcParams)[name] = value
        margins = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)
        figure = Figure(figsize=(width, height), dpi=DPI, layout=margins)
        FigureCanvasAgg(figure)
        paint(figure)
        stream = BytesIO()
        figure.savefig(stream, format="png", facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def write_figure(path: Path, png: bytes, *, overwrite: bool = False) -> None:
    """Write what `draw` returned, whole or not at all."""
    with write_whole(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(png)


def headline(figure: Figure, text: str) -> None:
    """Put ``text`` above everything, from the left edge on, in as many lines as it needs."""
    letters = int(figure.get_figwidth() * HEADLINE_LETTERS)
    figure.suptitle(
        fill(one_line(text), letters), x=0.01, ha="left", fontsize=12.5, fontweight="bold"
    )


def percent_axis(axis: Any, decimals: int = 0) -> None:
    """Show fractions of 1 on ``axis`` (``axes.xaxis`` or ``axes.yaxis``) as percent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))


def label_ends(
    axes: Axes,
    labels: Iterable[tuple[float, float, str, str]],
    *,
    gap: float = 0.052,
    size: float = 9,
) -> None:
    """Name curves at their right ends instead of in a legend: (x, y, text, colour) each.

    Call it when the limits are set. Labels that would touch move apart, ``gap`` of the axes'
    height from one to the next, and stand right of the rightmost end.
    """
    entries = [(*_in_axes(axes, x, y), text, colour) for x, y, text, colour in labels]
    if not entries:
        return
    entries.sort(key=lambda entry: entry[1])
    start = max(entry[0] for entry in entries)
    wanted = [entry[1] for entry in entries]
    for height, (_, _, text, colour) in zip(_spread(wanted, gap), entries, strict=True):
        axes.annotate(
            text,
            (start, height),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            color=colour,
            fontsize=size,
            annotation_clip=False,
        )


def _in_axes(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """A point of the data as fractions of the axes' width and height."""
    place = (axes.transData + axes.transAxes.inverted()).transform((x, y))
    return float(place[0]), float(place[1])


def _spread(wanted: list[float], gap: float) -> list[float]:
    """Rising positions at least ``gap`` apart, as near to ``wanted`` (rising) as can be.

    Pool adjacent violators: labels that collide form a block around the mean of their places.
    """
    blocks: list[list[float]] = []  # [sum of (place - gap * index), number]
    for index, place in enumerate(wanted):
        blocks.append([place - gap * index, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, number = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += number
    places = [total / number for total, number in blocks for _ in range(int(number))]
    return [place + gap * index for index, place in enumerate(places)]
