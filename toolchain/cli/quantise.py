"""``nnc quantise``: a float ONNX file in, an int8 one out; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Console
from .options import (
    card_overrides,
    data_options,
    foreign_options,
    input_argument,
    output_options,
    output_path,
    report_options,
    seed_option,
)

__all__ = ["quantise"]


@click.command()
@input_argument("model")
@click.option(
    "--backend",
    type=click.Choice(["ort"]),
    default="ort",
    show_default=True,
    help="What will run the file: ONNX Runtime.",
)
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    help="Calibration images, from the training part.",
)
@click.option(
    "--target",
    type=click.Choice(["auto", "avx2", "vnni", "arm64"]),
    default="auto",
    show_default=True,
    help="The CPU it is for; auto: this one.",
)
@data_options(None, "what the model was trained on")
@seed_option
@foreign_options
@output_options(required=False, help_default="MODEL.int8.onnx")
@report_options
def quantise(
    model: Path,
    backend: str,
    samples: int,
    target: str,
    data: str | None,
    data_dir: Path | None,
    seed: int,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    image_size: int | None,
    labels: str | None,
    output: Path | None,
    force: bool,
    console: Console,
) -> None:
    """Make an int8 file of an ONNX file (static, per-channel, QDQ).

    Also spelled quantize. Works where torch is not installed.
    """
    del backend  # ONNX Runtime is the only one so far
    from ...exporters.ort_int8 import Int8Settings
    from ...exporters.ort_int8 import quantise as quantise_model
    from ...whole_files import check_output
    from ..feeds import artifact_and_data, calibration_batches, check_fits

    model, output = output_path(model, output, ".int8.onnx")
    settings = Int8Settings(target=target, samples=samples)
    artifact, data_set = artifact_and_data(
        model, card_overrides(mean, std, image_size, labels), data, data_dir
    )
    check_output(output, overwrite=force)
    check_fits(artifact.card.input, data_set, model)
    result = quantise_model(
        model,
        output,
        calibration_batches(data_set, artifact.card.input, samples, seed),
        settings,
        card=artifact.card,
        data=data_set.reference,
        seed=seed,
        progress=console.progress,
        overwrite=force,
    )
    left = ", ".join(f"{number} {name}" for name, number in result.float_nodes.items())
    console.say(
        f"profile {result.profile}, calibrated on {result.samples} images; "
        f"{result.quantised_nodes} layers in int8{f', in float: {left}' if left else ''}; "
        f"{result.size_bytes / result.source_size_bytes:.1%} of the float file's bytes"
    )
    console.wrote(output, result.to_json())
