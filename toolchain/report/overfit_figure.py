"""The figure of the overfitting study: accuracy against sensitivity, with the control beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .figure import BLUE, GREEN, GREY, INK, VERMILION, draw, label_ends, percent_axis
from .plain_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["overfit_figure"]

LEVELS = {
    "reference": (GREEN, "reference"),
    "overfitted": (VERMILION, "overfitted"),
    "control": (INK, "control"),
}


def overfit_figure(study: Mapping[str, Any]) -> bytes:
    """PNG of what ``overfit.json`` holds; MissingError where matplotlib is lacking."""
    return draw(lambda figure: _paint(figure, study), width=10.5, height=4.8)


def _paint(figure: Figure, study: Mapping[str, Any]) -> None:
    settings = study["settings"]
    seeds = settings["seeds"]
    figure.suptitle(
        f"{one_line(settings['arch'])}, {one_line(study['data'])}: {study['train_images']:,} "
        f"training images, {seeds} seed{'s' if seeds != 1 else ''}",
        x=0.01,
        ha="left",
        fontsize=12.5,
        fontweight="bold",
    )
    axes: Any = figure.subplots(1, 2)
    _curve(axes[0], study, "test_accuracy", "Test images")
    _curve(axes[1], study, "validation_accuracy", "Validation images (these choose)")
    figure.supxlabel(
        "fraction pruned of every layer, then retrained; bands and bars: standard deviation "
        "over seeds; dots: single seeds",
        fontsize=9.5,
        color=INK,
    )


def _curve(axes: Axes, study: Mapping[str, Any], measure: str, title: str) -> None:
    pruned = [row for row in study["rows"] if row["kind"] == "pruned"]
    x = [row["sensitivity"] for row in pruned]
    y = [row[measure]["mean"] for row in pruned]
    right = max(x) * 1.05
    labels = [(right, y[-1], "pruned", BLUE)]
    for row in study["rows"]:
        if row["kind"] not in LEVELS:
            continue
        colour, name = LEVELS[row["kind"]]
        mean, deviation = row[measure]["mean"], row[measure]["deviation"] or 0.0
        axes.axhspan(mean - deviation, mean + deviation, color=colour, alpha=0.10, lw=0)
        axes.axhline(mean, color=colour, lw=1.6, ls=(0, (4, 2)))
        labels.append((right, mean, name, colour))
    for row in pruned:
        singles = [network[measure] for network in row["networks"]]
        axes.plot([row["sensitivity"]] * len(singles), singles, "o", color=BLUE, ms=3, alpha=0.45)
    axes.errorbar(
        x, y, [row[measure]["deviation"] or 0.0 for row in pruned],
        color=BLUE, marker="o", lw=2.2, capsize=3, elinewidth=1.2,
    )  # fmt: skip
    chosen = study["chosen_sensitivity"]
    axes.plot(chosen, y[x.index(chosen)], "o", ms=11, mfc="none", mec=BLUE, mew=1.6)
    axes.axvline(chosen, color=GREY, lw=0.8, ls=":")
    axes.set_title(title)
    axes.set_xlim(0, right)
    axes.set_xticks(x)
    axes.set_ylabel("accuracy")
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis, decimals=1)
    label_ends(axes, labels)
