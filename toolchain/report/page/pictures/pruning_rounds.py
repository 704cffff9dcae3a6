"""How a network was pruned: accuracy after each round, before and after its retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...plain_text import count
from ..markup import Markup
from ..numbers import percent
from ..palette import INK, MUTED, PAPER, SERIES
from ..saved_run import Pruning
from ..svg import Pictures
from .axes import percent_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["pruning_rounds"]

HEIGHT = 280.0


def pruning_rounds(pictures: Pictures, pruning: Pruning) -> Markup:
    """The picture of one prune stage."""
    said = "; ".join(
        f"{count(one['compact_parameters'])} parameters: {percent(one['accuracy_pruned'])} pruned, "
        f"{percent(one['accuracy_retrained'])} retrained"
        for one in pruning.rounds
    )
    label = f"Pruning of {pruning.file} from {percent(pruning.accuracy_before)}. {said}."
    return pictures.draw(lambda figure: _paint(figure, pruning), HEIGHT, label)


def _paint(figure: Figure, pruning: Pruning) -> None:
    axes = figure.subplots()
    whole = max(pruning.whole_parameters, 1)
    x, y = 1.0, pruning.accuracy_before
    lowest = min(y, *(one["accuracy_pruned"] for one in pruning.rounds))
    highest = max(y, *(one["accuracy_retrained"] for one in pruning.rounds))
    axes.axhline(y, color=MUTED, lw=1, ls=(0, (4, 3)))
    axes.plot(x, y, "D", ms=8, color=INK, zorder=4)
    colour = SERIES[1]
    for one in pruning.rounds:
        left = one["compact_parameters"] / whole
        pruned, retrained = one["accuracy_pruned"], one["accuracy_retrained"]
        axes.plot([x, left], [y, pruned], color=colour, lw=1.2, ls=(0, (3, 2)))
        axes.plot([left, left], [pruned, retrained], color=colour, lw=2)
        axes.plot(left, pruned, "o", ms=7, mfc=PAPER, mec=colour, mew=1.6, zorder=3)
        axes.plot(left, retrained, "o", ms=8, color=colour, zorder=3)
        x, y = left, retrained
    for place, height, first in ((1.0, pruning.accuracy_before, True), (x, y, False)):
        axes.annotate(
            percent(height, 1),
            (place, height),
            xytext=(0, 7),
            textcoords="offset points",
            ha="left" if first else "right",
            fontsize=11,
            fontweight="bold",
        )
    room = 0.14 * max(highest - lowest, 0.01)
    percent_axis(axes.yaxis, lowest - room, min(highest + room, 1.0 + room))
    percent_axis(axes.xaxis, max(0.0, x - 0.05), 1.03)
    axes.invert_xaxis()
    axes.set_xlabel("parameters left in the exported file")
    axes.set_ylabel("validation accuracy")
