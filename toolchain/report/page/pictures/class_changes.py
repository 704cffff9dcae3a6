"""What each class lost or won against the baseline, with what is shown and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

from ...plain_text import one_line
from ..files_view import FileView
from ..markup import Markup
from ..numbers import points
from ..palette import INK, PAPER
from ..svg import Pictures
from .axes import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_CLASSES", "change_of", "class_changes", "compared"]

MOST_CLASSES = 16
MOST_FILES = 4
ROW = 31.0


def compared(shown: Sequence[FileView]) -> list[FileView]:
    """The files whose answers were compared with the baseline's and are not all the same."""
    found = [one for one in shown if (against := one.entry["agreement"]) and against["per_class"]]
    return [
        one for one in found if one.entry["agreement"]["lost"] or one.entry["agreement"]["won"]
    ][-MOST_FILES:]


def class_changes(pictures: Pictures, shown: Sequence[FileView]) -> Markup | None:
    """The picture; None where no file's answers differ from the baseline's."""
    files = compared(shown)
    if not files:
        return None
    order = _order(files[-1])
    said = "; ".join(
        f"{one_line(entry['label'])} {points(change_of(entry)[0])}"
        for entry in (files[-1].entry["agreement"]["per_class"][place] for place in order)
    )
    label = f"Change of accuracy by class, in points. {files[-1].name}: {said}."
    height = ROW * len(order) + 62
    return pictures.draw(lambda figure: _paint(figure, files, order), height, label)


def change_of(entry: Mapping[str, Any]) -> tuple[float, float]:
    """The share of a class's images won less lost, and the half width of its 95 % interval.

    The interval is Wald's for paired shares with half an image added to either side, which keeps
    it from vanishing where nothing changed.
    """
    images = max(entry["images"], 1)
    lost, won = entry["lost"] + 0.5, entry["won"] + 0.5
    share = (entry["won"] - entry["lost"]) / images
    return share, 1.96 * sqrt(max(lost + won - (won - lost) ** 2 / images, 0.0)) / images


def _order(view: FileView) -> list[int]:
    """Places of the classes that changed most, the greatest loss first."""
    entries = view.entry["agreement"]["per_class"]
    most = sorted(range(len(entries)), key=lambda place: -abs(change_of(entries[place])[0]))
    return sorted(most[:MOST_CLASSES], key=lambda place: change_of(entries[place])[0])


def _paint(figure: Figure, files: Sequence[FileView], order: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    axes.axvline(0, color=INK, lw=1)
    step = 0.62 / max(len(files), 2)
    for number, one in enumerate(files):
        entries = one.entry["agreement"]["per_class"]
        for row, place in enumerate(order):
            share, half = change_of(entries[place])
            y = row + (number - (len(files) - 1) / 2) * step
            ends = [100 * (share - half), 100 * (share + half)]
            axes.plot(ends, [y, y], color=one.colour, lw=1.6, alpha=0.6)
            shown = abs(share) > half
            axes.plot(
                100 * share,
                y,
                "o",
                ms=8,
                mfc=one.colour if shown else PAPER,
                mec=one.colour,
                mew=1.6,
                zorder=3,
            )
    labels = files[-1].entry["agreement"]["per_class"]
    axes.set_yticks(
        range(len(order)), [short(one_line(labels[place]["label"]) or "-", 18) for place in order]
    )
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_xlabel("change of accuracy, points; filled: shown, open: not shown")
