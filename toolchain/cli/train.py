"""``nnc train``: a network, a data set, a recipe, a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from ..report.plain_text import count
from .console import Console
from .options import (
    arch_option,
    batch_size_option,
    check_suffix,
    data_options,
    device_option,
    learning_rate_option,
    output_options,
    report_options,
    seed_option,
    train_images_option,
)

__all__ = ["train"]


@click.command()
@arch_option
@data_options("fashion-mnist-mini")
@click.option(
    "--recipe",
    metavar="modern|paper|overfit|FILE",
    help="Training recipe: shipped, or a TOML file.  [default: modern; overfit with "
    "--no-regularisation]",
)
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Instead of the recipe's.")
@batch_size_option
@learning_rate_option
@click.option(
    "--image-size",
    type=click.IntRange(1, 1024),
    help="Pixels a side.  [default: the data set's; alexnet: 224]",
)
@train_images_option("Train on this many images, class-balanced.")
@click.option(
    "--no-regularisation",
    "--no-regularization",
    "unregularised",
    is_flag=True,
    help="Leave out Dropout, BatchNorm, weight decay, label smoothing and augmentation.",
)
@click.option(
    "--until-train-accuracy",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="FRACTION",
    help="Stop as soon as this much of the training images is learnt (0.999), and keep that.",
)
@click.option("--half", is_flag=True, help="Store the weights in half precision.")
@seed_option
@device_option("auto", "cpu", "cuda", default="auto")
@output_options(required=True)
@report_options
def train(
    arch: str,
    data: str,
    data_dir: Path | None,
    recipe: str | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    image_size: int | None,
    train_images: int | None,
    unregularised: bool,
    until_train_accuracy: float | None,
    half: bool,
    seed: int,
    device: str,
    output: Path,
    force: bool,
    console: Console,
) -> None:
    """Train a network and write it as a checkpoint (.safetensors).

    20 % of the training images are held out for validation. The state is kept after each epoch
    beside the output: after an interruption the same command goes on from there.
    """
    check_suffix(output, ".safetensors")
    from ...whole_files import check_output
    from ..data import open_data
    from ..training import TrainSettings

    settings = TrainSettings.from_recipe(
        arch,
        recipe,
        image_size=image_size,
        train_images=train_images,
        half=half,
        regularisation=not unregularised,
        until_train_accuracy=until_train_accuracy,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        device=device,
    )
    check_output(output, overwrite=force)
    data_set = open_data(data, data_dir)
    from ..training.train import train as train_network

    result = train_network(settings, data_set, output, progress=console.progress, overwrite=force)
    if result.train_accuracy is not None:
        done = f"{len(result.epochs)} epoch{'s' if len(result.epochs) != 1 else ''}"
        console.say(
            f"training accuracy {result.train_accuracy:.2%} "
            + (
                f"after {done}"
                if result.learnt
                else f"when all {done} were over: {until_train_accuracy:.2%} was not reached; "
                "pass more --epochs"
            )
        )
    console.say(
        f"validation accuracy {result.validation_accuracy:.2%} on the held-out fifth; "
        f"{count(result.parameters)} parameters, {count(result.macs)} MACs"
    )
    console.wrote(output, result.to_json())
