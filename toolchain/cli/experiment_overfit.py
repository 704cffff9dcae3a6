"""``nnc experiment overfit``: reference, overfitted, pruned, and the control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .console import Console
from .options import (
    arch_option,
    data_options,
    device_option,
    folder_options,
    fraction_list,
    report_options,
    seed_option,
    train_images_option,
)

__all__ = ["overfit"]


@click.command()
@arch_option
@data_options("fashion-mnist-mini")
@train_images_option(
    "Use this many images, class-balanced, a fifth of them for validation; 10000 serves on a CPU."
)
@click.option(
    "--sensitivities",
    metavar="S,S,..",
    default="0.05,0.1,0.2,0.4",
    show_default=True,
    callback=fraction_list,
    help="Fractions to prune.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="How many runs."
)
@click.option(
    "--reference-epochs",
    type=click.IntRange(1, 10_000),
    default=15,
    show_default=True,
    help="Epochs of the reference.",
)
@click.option(
    "--overfit-epochs",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="The most epochs that overfitting may take.",
)
@click.option(
    "--until-train-accuracy",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.999,
    show_default=True,
    metavar="FRACTION",
    help="When the overfitted network has learnt enough.",
)
@click.option(
    "--retrain-epochs",
    type=click.IntRange(1, 10_000),
    default=6,
    show_default=True,
    help="Epochs a round of the pruned networks, and of the control.",
)
@click.option(
    "--iterations",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Rounds of pruning and retraining; the control goes through as many.",
)
@click.option(
    "--patience",
    type=click.IntRange(0, 10_000),
    default=3,
    show_default=True,
    help="End a round after so many epochs without a better validation accuracy; 0: never.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 100, min_open=True),
    help="Of the retraining, the control's too.  [default: 0.02; alexnet: 0.01]",
)
@click.option(
    "--image-size",
    type=click.IntRange(1, 1024),
    help="Pixels a side.  [default: the data set's; alexnet: 224]",
)
@seed_option
@device_option("auto", "cpu", "cuda", default="auto")
@folder_options("study")
@report_options
def overfit(
    arch: str,
    data: str,
    data_dir: Path | None,
    output: Path,
    force: bool,
    patience: int,
    console: Console,
    **values: Any,
) -> None:
    """Does pruning cure overfitting, or do more epochs?

    For each seed: a reference with regularisation; a network without Dropout and BatchNorm that
    has learnt its training images; that network pruned and retrained, at each sensitivity; and the
    control, the same network retrained as long without pruning. Writes overfit.json, overfit.md
    and overfit.png. After an interruption the same command goes on; more seeds or sensitivities
    add to what is there.
    """
    from ..data import open_data
    from ..experiments.overfit import overfit as run_study
    from ..experiments.overfit_settings import OverfitSettings
    from .command_line import command_line

    settings = OverfitSettings(arch=arch, patience=patience or None, **values)
    result = run_study(
        settings,
        open_data(data, data_dir),
        output,
        progress=console.progress,
        tell=console.say,
        overwrite=force,
        command=command_line(),
    )
    console.say(result.study.verdict)
    for path in (result.table, result.figure):
        console.say(f"wrote {path}")
    console.wrote(result.report, result.to_json())
