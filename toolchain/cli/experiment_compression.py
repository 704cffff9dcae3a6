"""``nnc experiment compression``: four ways of pruning side by side, at equal accuracy."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import (
    arch_option,
    data_options,
    device_option,
    folder_options,
    fraction_list,
    patience_option,
    recover_option,
    report_options,
    seed_option,
    train_images_option,
)

__all__ = ["compression"]


@click.command()
@arch_option
@data_options("fashion-mnist")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="The reference: a file, or shipped:NAME.  [default: the shipped one for --arch and "
    "--data, else one is trained]",
)
@click.option(
    "--methods",
    metavar="A,B,..",
    default="paper,element,filter,channel",
    show_default=True,
    help="What to compare.",
)
@click.option(
    "--sensitivities",
    metavar="S,S,..",
    callback=fraction_list,
    help="The ladder each method climbs.  [default: 0.2,0.4,0.6,0.7,0.8,0.9,0.95,0.98]",
)
@click.option(
    "--refine",
    type=click.IntRange(0, 10),
    default=2,
    show_default=True,
    help="How often the gap between the last step that held and the first that did not is halved.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=0.5,
    show_default=True,
    help="Points of validation accuracy that pruning may cost.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=2,
    show_default=True,
    help="Epochs of retraining a step.",
)
@recover_option
@click.option(
    "--criterion",
    metavar="NAME",
    default="",
    help="What goes first in every method: l1, l2, taylor, …  [default: the method's]",
)
@click.option(
    "--scope",
    type=click.Choice(["layer", "global"]),
    default="layer",
    show_default=True,
    help="The same fraction of every layer, or one threshold over all.",
)
@patience_option
@train_images_option("Use this many training images, a fifth of them for validation.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    help="Methods at work at once, a process each.  [default: one a core; on a GPU one]",
)
@seed_option
@device_option("auto", "cpu", "cuda", default="auto")
@folder_options("study")
@report_options
def compression(
    arch: str,
    data: str,
    data_dir: Path | None,
    checkpoint: Path | None,
    methods: str,
    sensitivities: tuple[float, ...] | None,
    refine: int,
    max_drop: float,
    epochs: int,
    recover: str,
    criterion: str,
    scope: str,
    patience: int | None,
    train_images: int | None,
    jobs: int | None,
    seed: int,
    device: str,
    output: Path,
    force: bool,
    console: Console,
) -> None:
    """Table I's row for one network: each way of pruning pushed as far as accuracy allows.

    Every method climbs a ladder of sensitivities with retraining; the smallest network that stays
    within --max-drop of the reference on validation images is exported, and all are measured in
    one run: parameters, bytes, MACs, latency, test accuracy. Writes compression.json,
    compression.md and compression.png. After an interruption the same command goes on.
    """
    from ..experiments.compression_settings import LADDER, CompressionSettings
    from ..pipeline.shipped import input_file
    from .command_line import command_line

    settings = CompressionSettings(
        arch=arch,
        methods=tuple(methods.split(",")),
        sensitivities=sensitivities or LADDER,
        refine=refine,
        max_drop=max_drop,
        epochs=epochs,
        recover=recover,
        criterion=criterion,
        scope=scope,
        patience=patience,
        train_images=train_images,
        seed=seed,
        device=device,
    )
    from ..experiments.compression import compression as run_experiment

    result = run_experiment(
        settings,
        output,
        data=data,
        data_dir=data_dir,
        checkpoint=None if checkpoint is None else input_file(checkpoint),
        jobs=jobs,
        command=command_line(),
        progress=console.progress,
        overwrite=force,
    )
    for line in result.table():
        console.say(line)
    for path in (result.page, result.figure):
        console.say(f"wrote {path}")
    console.wrote(result.record, result.to_json())
