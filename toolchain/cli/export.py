"""``nnc export``: a checkpoint as an ONNX file, checked against PyTorch on real images."""

from __future__ import annotations

from pathlib import Path

import click

from ..report.plain_text import count
from .console import Console
from .options import data_options, input_argument, output_options, output_path, report_options

__all__ = ["export"]


@click.command()
@input_argument("checkpoint")
@data_options(None, "what the checkpoint was trained on")
@click.option("--keep-masked", is_flag=True, help="Leave pruned channels in the graph, as zeros.")
@click.option(
    "--round-to",
    type=click.IntRange(1, 1024),
    default=8,
    show_default=True,
    help="Keep pruned channels so that layers have a multiple of this: other counts are slow.",
)
@output_options(required=False, help_default="CHECKPOINT.onnx")
@report_options
def export(
    checkpoint: Path,
    data: str | None,
    data_dir: Path | None,
    keep_masked: bool,
    round_to: int,
    output: Path | None,
    force: bool,
    console: Console,
) -> None:
    """Write a checkpoint as an ONNX file.

    Pruned channels leave the graph. The file is checked against PyTorch on real images; one that
    differs by more than 1e-4 is not written. CHECKPOINT is a file, or shipped:NAME for a network
    in the package.
    """
    from ...models.checkpoint import read_card
    from ...whole_files import check_output
    from ..feeds import check_fits, check_images, data_for
    from ..report.compaction import unprunable_lines

    checkpoint, output = output_path(checkpoint, output, ".onnx")
    card = read_card(checkpoint)
    check_output(output, overwrite=force)
    data_set = data_for(card, checkpoint, data, data_dir)
    check_fits(card.input, data_set, checkpoint)
    from ...exporters.onnx_export import export as export_network

    result = export_network(
        checkpoint,
        output,
        images=check_images(data_set, card.input),
        compact=not keep_masked,
        round_to=round_to,
        overwrite=force,
        progress=console.progress,
    )
    if result.removed:
        console.say(
            f"{count(result.parameters)} of {count(result.network_parameters)} parameters left; "
            f"{len(result.removed)} layers lost pruned channels"
        )
        for line in unprunable_lines(result.unprunable):
            console.say(line)
    console.say(
        f"largest difference from PyTorch on real images: {result.max_abs_difference:.2g} "
        f"({result.max_relative_difference:.2g} relative)"
    )
    console.wrote(output, result.to_json())
