"""What each class lost or won against the baseline, with what is shown and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...plain_text import one_line
from ..class_verdicts import ClassVerdict, class_verdicts
from ..files_view import FileView
from ..markup import Markup
from ..numbers import points
from ..palette import INK, PAPER
from ..svg import Pictures
from .axes import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_CLASSES", "class_changes", "compared"]

MOST_CLASSES = 16
MOST_FILES = 4
ROW = 31.0


def compared(shown: Sequence[FileView], chosen: FileView) -> list[FileView]:
    """The files of which a class lost or won against the baseline: ``chosen`` and a few more."""
    found = [
        one
        for one in shown
        if (against := one.entry["agreement"])
        and against["per_class"]
        and (against["lost"] or against["won"])
    ]
    others = [one for one in found if one is not chosen]
    kept = others[-(MOST_FILES - (len(found) > len(others))) :]
    return [one for one in found if one is chosen or one in kept]


def class_changes(pictures: Pictures, shown: Sequence[FileView], chosen: FileView) -> Markup | None:
    """The picture, in the order of what ``chosen`` lost; None where no file lost or won any."""
    files = compared(shown, chosen)
    if not files:
        return None
    leading = chosen if chosen in files else files[-1]
    found = [class_verdicts(one.entry["agreement"]["per_class"]) for one in files]
    leader = found[files.index(leading)]
    order = _order(leader)
    said = "; ".join(
        f"{one_line(one.label)} {points(one.share)}{'' if one.shown else ' (not shown)'}"
        for one in (leader[place] for place in order)
    )
    label = f"Change of accuracy by class, in points. {leading.name}: {said}."
    height = ROW * len(order) + 62
    return pictures.draw(lambda figure: _paint(figure, files, found, order), height, label)


def _order(verdicts: Sequence[ClassVerdict]) -> list[int]:
    """Places of the classes that changed most, the greatest loss first."""
    most = sorted(range(len(verdicts)), key=lambda place: -abs(verdicts[place].share))
    return sorted(most[:MOST_CLASSES], key=lambda place: verdicts[place].share)


def _paint(
    figure: Figure,
    files: Sequence[FileView],
    found: Sequence[Sequence[ClassVerdict]],
    order: Sequence[int],
) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    axes.axvline(0, color=INK, lw=1)
    step = 0.62 / max(len(files), 2)
    for number, (one, verdicts) in enumerate(zip(files, found, strict=True)):
        for row, verdict in enumerate(verdicts[place] for place in order):
            y = row + (number - (len(files) - 1) / 2) * step
            ends = [100 * verdict.low, 100 * verdict.high]
            axes.plot(ends, [y, y], color=one.colour, lw=1.6, alpha=0.6)
            axes.plot(
                100 * verdict.share,
                y,
                "o",
                ms=8,
                mfc=one.colour if verdict.shown else PAPER,
                mec=one.colour,
                mew=1.6,
                zorder=3,
            )
    axes.set_yticks(
        range(len(order)), [short(one_line(found[0][place].label) or "-", 18) for place in order]
    )
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_xlabel("change of accuracy, points")
