"""``nnc compact``: an ONNX file without its dead channels; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import input_argument, output_options, output_path, report_options, seed_option

__all__ = ["compact"]


@click.command()
@input_argument("model")
@click.option(
    "--round-to",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Keep dead channels so that pruned layers have a multiple of this. 8 makes the fastest "
    "file on CPU, 1 the smallest.",
)
@seed_option
@output_options(required=False, help_default="MODEL.compact.onnx")
@report_options
def compact(
    model: Path, round_to: int, seed: int, output: Path | None, force: bool, console: Console
) -> None:
    """Remove zeroed filters, neurons and channel shuffles from an ONNX file.

    Any convolutional ONNX model: channels that are zero or constant for every image, and those
    that nobody reads, leave all layers they pass through; a channel shuffle becomes the order of
    the filters before it. The outputs stay what they were, which is checked. Works where torch is
    not installed.
    """
    from ...exporters.onnx_compact import compact_file
    from ..report.compaction import compaction_lines

    model, output = output_path(model, output, ".compact.onnx")
    result = compact_file(
        model,
        output,
        round_to=round_to,
        seed=seed,
        progress=console.progress,
        overwrite=force,
    )
    for line in compaction_lines(result):
        console.say(line)
    console.wrote(output, result.to_json())
