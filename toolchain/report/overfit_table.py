"""The overfitting study as a Markdown page: table, verdict, how it was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plain_text import count, one_line

__all__ = ["overfit_page", "overfit_rows"]

HEADINGS = (
    "network", "test accuracy", "validation", "training", "parameters", "non-zero", "exported",
    "epochs",
)  # fmt: skip

TITLES = {
    "reference": "reference, with regularisation",
    "overfitted": "overfitted, without",
    "control": "control: overfitted, trained on",
}


def overfit_rows(study: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row a kind and sensitivity, cells in the order of `HEADINGS`, as plain text."""
    return [_row(row, study["chosen_sensitivity"]) for row in study["rows"]]


def overfit_page(study: Mapping[str, Any]) -> str:
    """The page that a study leaves beside its JSON."""
    settings = study["settings"]
    lines = [
        f"# Pruning against overfitting: {one_line(settings['arch'])}, {one_line(study['data'])}",
        "",
        f"**{study['verdict']}**",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "| --- " + "| ---: " * (len(HEADINGS) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in overfit_rows(study)),
        "",
        *(f"- {line}" for line in _notes(study)),
    ]
    return "\n".join(lines) + "\n"


def _row(row: Mapping[str, Any], chosen: float) -> tuple[str, ...]:
    title = TITLES.get(row["kind"], "")
    if row["kind"] == "pruned":
        title = f"overfitted, pruned at {row['sensitivity']:g}"
        title += " (chosen on validation)" if row["sensitivity"] == chosen else ""
    return (
        title,
        _share(row["test_accuracy"]),
        _share(row["validation_accuracy"]),
        "-" if row["train_accuracy"] is None else _share(row["train_accuracy"]),
        count(row["parameters"]),
        count(row["nonzero_parameters"]),
        "-" if row["compact_parameters"] is None else count(row["compact_parameters"]),
        f"{row['epochs']:.3g}",
    )


def _share(spread: Mapping[str, Any]) -> str:
    text = f"{100 * spread['mean']:.2f} %"
    return text if spread["deviation"] is None else f"{text} ± {100 * spread['deviation']:.2f}"


def _notes(study: Mapping[str, Any]) -> list[str]:
    settings = study["settings"]
    seeds = settings["seeds"]
    notes = [
        f"trained on {study['train_images']:,} images"
        + ("" if settings["train_images"] is None else " (a subset of the training part)")
        + f", measured on {study['test_images']:,} test images; {seeds} seed"
        + ("s: mean ± standard deviation" if seeds > 1 else ""),
        f"pruned and control start from the same overfitted network and retrain alike: "
        f"{settings['iterations']} round(s) of up to {settings['retrain_epochs']} epochs"
        + (
            ""
            if settings["patience"] is None
            else f", stopped after {settings['patience']} without a better validation accuracy"
        )
        + ", the best epoch on validation kept, the same learning rate, no regularisation",
        (
            f"the sensitivity was chosen among {len(settings['sensitivities'])} on validation "
            "images; the control had one run a seed, so the choice favours pruning if anything"
        ),
        (
            "parameters: of the network; non-zero: those that pruning left; exported: what the "
            ".onnx file holds, dead channels gone"
        ),
        "test accuracy, points: "
        + "; ".join(_difference(name, one) for name, one in study["differences"].items())
        + " (95 % interval of the mean over seeds; the test images are the same for all)",
    ]
    if study["unfinished_seeds"]:
        notes.append(
            f"seed {', '.join(map(str, study['unfinished_seeds']))}: "
            f"{100 * settings['until_train_accuracy']:.7g} % training accuracy was not reached in "
            f"{settings['overfit_epochs']} epochs; what stands here is how far it got"
        )
    if study["command"]:
        notes.append(f"command: `{one_line(study['command']).replace('`', ' ')}`")
    return notes


def _difference(name: str, difference: Mapping[str, Any]) -> str:
    text = f"{name} {100 * difference['mean']:+.2f}"
    if difference["interval"] is None:
        return text
    low, high = difference["interval"]
    return f"{text} ({100 * low:+.2f} to {100 * high:+.2f})"
