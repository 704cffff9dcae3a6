"""``nnc prune``: a checkpoint in, a pruned and retrained checkpoint out."""

from __future__ import annotations

from pathlib import Path

import click

from ..report.plain_text import count
from .console import Console
from .options import (
    data_options,
    device_option,
    input_argument,
    output_options,
    output_path,
    report_options,
    seed_option,
)

__all__ = ["prune"]


@click.command()
@input_argument("checkpoint")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, max_open=True),
    required=True,
    help="Fraction pruned of every layer at the end.",
)
@click.option(
    "--iterations",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Rounds of pruning and retraining that lead there.",
)
@click.option(
    "--recover",
    type=click.Choice(["finetune", "reinit"]),
    default="finetune",
    show_default=True,
    help="Retrain from the surviving weights, or from fresh ones.",
)
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Epochs a round.  [default: 2]")
@click.option("--batch-size", type=click.IntRange(2, 65_536), help="Instead of the recipe's.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 100, min_open=True),
    help="Instead of the recipe's.",
)
@click.option(
    "--recipe",
    default="modern",
    show_default=True,
    metavar="modern|paper|FILE",
    help="Training recipe of the retraining.",
)
@click.option(
    "--train-images",
    type=click.IntRange(20),
    help="Retrain on this many images, class-balanced.  [default: all]",
)
@data_options(None, "what the checkpoint was trained on")
@seed_option
@device_option("auto", "cpu", "cuda", default="auto")
@output_options(required=False, help_default="CHECKPOINT.pruned.safetensors")
@report_options
def prune(
    checkpoint: Path,
    sensitivity: float,
    iterations: int,
    recover: str,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    recipe: str,
    train_images: int | None,
    data: str | None,
    data_dir: Path | None,
    seed: int,
    device: str,
    output: Path | None,
    force: bool,
    console: Console,
) -> None:
    """Prune a checkpoint and retrain what is left (.safetensors).

    The paper's method: filters by their L2 norm in convolutions, single weights in
    fully-connected layers, masks held through the retraining. CHECKPOINT is a file, or
    shipped:NAME for a network in the package.
    """
    from ...models.checkpoint import read_card
    from ...whole_files import check_output
    from ..feeds import data_for
    from ..pruning import PruneSettings

    checkpoint, output = output_path(checkpoint, output, ".pruned.safetensors")
    card = read_card(checkpoint)
    settings = PruneSettings.for_network(
        card.architecture,
        sensitivity,
        iterations=iterations,
        recover=recover,
        recipe=recipe,
        train_images=train_images,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        device=device,
    )
    check_output(output, overwrite=force)
    data_set = data_for(card, checkpoint, data, data_dir)
    from ..pruning.prune import prune as prune_network

    result = prune_network(
        settings, checkpoint, data_set, output, progress=console.progress, overwrite=force
    )
    left = result.nonzero_parameters / max(result.parameters, 1)
    console.say(
        f"{count(result.nonzero_parameters)} of {count(result.parameters)} parameters left "
        f"({left:.1%}); validation accuracy {result.validation_accuracy:.2%}, "
        f"before {result.accuracy_before:.2%}"
    )
    console.wrote(output, result.to_json())
