"""``nnc scan``: accuracy against the fraction pruned, of the whole network and of each layer."""

from __future__ import annotations

from pathlib import Path

import click

from ..report.plain_text import byte_size
from .console import Console
from .options import (
    data_options,
    device_option,
    folder_options,
    fraction_list,
    input_argument,
    patience_option,
    recover_option,
    report_options,
    seed_option,
    train_images_option,
)

__all__ = ["scan"]


@click.command()
@input_argument("checkpoint")
@click.option(
    "--sensitivities",
    metavar="S,S,..",
    callback=fraction_list,
    help="Fractions to prune.  [default: 0.1 to 0.9 in steps of 0.1]",
)
@click.option(
    "--method",
    metavar="NAME",
    default="paper",
    show_default=True,
    help="What goes: paper, element, filter or channel.",
)
@click.option(
    "--criterion", metavar="NAME", help="How it is chosen: l1, l2, …  [default: the method's]"
)
@click.option(
    "--round-to",
    type=click.IntRange(1, 1024),
    help="Keep channels in multiples of it.  [default: 8 for channel]",
)
@click.option(
    "--epochs",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="Retrain the whole network so long at each sensitivity.",
)
@click.option("--layers/--no-layers", default=True, help="Scan each layer alone too, or not.")
@click.option(
    "--layer-epochs",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="Retrain so long where a layer is pruned alone.",
)
@recover_option
@patience_option
@train_images_option("Retrain on this many images, class-balanced.")
@click.option(
    "--on",
    "part",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="What accuracy is measured on.",
)
@click.option(
    "--images",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Images of it, class-balanced, where nothing is retrained; then all.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Points of accuracy that a layer's entry in the table may cost.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), help="Processes at work.  [default: one a core]"
)
@data_options(None, "what the checkpoint was trained on")
@seed_option
@device_option("auto", "cpu", "cuda", default="auto")
@folder_options("scan")
@report_options
def scan(
    checkpoint: Path,
    sensitivities: tuple[float, ...] | None,
    method: str,
    criterion: str | None,
    round_to: int | None,
    epochs: int,
    layers: bool,
    layer_epochs: int,
    recover: str,
    patience: int | None,
    train_images: int | None,
    part: str,
    images: int,
    max_drop: float,
    jobs: int | None,
    data: str | None,
    data_dir: Path | None,
    seed: int,
    device: str,
    output: Path,
    force: bool,
    console: Console,
) -> None:
    """Measure accuracy against the fraction pruned: of the whole network, and of each layer alone.

    Writes scan.json, scan.png and table.json (the largest sensitivity of each layer that costs no
    more than --max-drop, for nnc prune --table). An interrupted scan goes on where it stopped.
    CHECKPOINT is a file, or shipped:NAME for a network in the package.
    """
    from ..pipeline.shipped import input_file
    from ..scan.settings import SENSITIVITIES, ScanSettings

    settings = ScanSettings(
        sensitivities=sensitivities or SENSITIVITIES,
        method=method,
        criterion=criterion or "",
        round_to=round_to,
        epochs=epochs,
        layers=layers,
        layer_epochs=layer_epochs,
        recover=recover,
        patience=patience,
        train_images=train_images,
        part=part,
        images=images,
        max_drop=max_drop,
        seed=seed,
        device=device,
    )
    from ..scan.scan import scan as scan_network

    result = scan_network(
        settings,
        input_file(checkpoint),
        output,
        data=data,
        data_dir=data_dir,
        jobs=jobs,
        progress=console.progress,
        overwrite=force,
    )
    console.say(_whole(result.values))
    if (layers_found := result.values["layers"]) is not None:
        at_once = layers_found["table_at_once"]
        console.say(
            f"the table's {sum(1 for s in layers_found['table'].values() if s)} layers at once, "
            f"not retrained: {at_once['accuracy']:.2%}"
            if not layer_epochs
            else f"the table at once, {layer_epochs} epochs retrained: {at_once['accuracy']:.2%}"
        )
    for path in (result.figure, result.table):
        if path is not None:
            console.say(f"wrote {path} ({byte_size(path.stat().st_size)})")
    console.wrote(result.record, result.to_json())


def _whole(values: dict[str, object]) -> str:
    """The whole network's curve as one line."""
    whole, told = values["whole"], values["settings"]
    assert isinstance(whole, dict)
    assert isinstance(told, dict)
    pairs = zip(told["sensitivities"], whole["accuracy"], strict=True)
    points = ", ".join(f"{sensitivity:g} {accuracy:.2%}" for sensitivity, accuracy in pairs)
    return f"{told['part']} accuracy {whole['reference']['accuracy']:.2%} unpruned; {points}"
