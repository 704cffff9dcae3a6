"""``nnc quantise``: a float ONNX file in, an int8 one or an engine out; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import Console
from .engine_options import EngineOptions, Source, build, check_backend, engine_options
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

if TYPE_CHECKING:
    from ...exporters.guard.plan import Plan
    from ...exporters.int8.settings import Int8Settings

__all__ = ["quantise"]


@click.command()
@input_argument("model")
@click.option(
    "--backend",
    type=click.Choice(["ort", "trt"]),
    default="ort",
    show_default=True,
    help="What will run the file: ONNX Runtime on a CPU, or TensorRT on a GPU.",
)
@engine_options
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
    help="ort: the CPU it is for; auto: this one.",
)
@click.option(
    "--calibration",
    type=click.Choice(["auto", "minmax", "moving-average", "percentile", "entropy", "mse"]),
    default="auto",
    show_default=True,
    help="How ranges follow from the images; auto tries all and keeps the best "
    "(without search: minmax).",
)
@click.option(
    "--weights-only",
    is_flag=True,
    help="ort: store the weights as int8 and compute in float, where int8 is not faster.",
)
@click.option(
    "--or-weights-only",
    is_flag=True,
    help="ort: do that where nothing else holds the limits, in place of failing.",
)
@click.option(
    "--percentile",
    type=click.FloatRange(50, 100, min_open=True),
    default=99.99,
    show_default=True,
    help="Of a tensor's values, for --calibration percentile.",
)
@click.option(
    "--tool",
    "tools",
    multiple=True,
    type=click.Choice(["equalise", "bias-correction", "adaround"]),
    help="Apply this in any case; give it again for more.  [default: as needed]",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=0.5,
    show_default=True,
    help="Points of top-1 that may be lost, on held-back training images.",
)
@click.option("--no-max-drop", is_flag=True, help="Let accuracy fall as it may.")
@click.option(
    "--never-slower/--no-never-slower",
    default=True,
    show_default=True,
    help="ort: refuse a file that is slower than MODEL on this machine.",
)
@click.option(
    "--search-seconds",
    type=click.FloatRange(0, 86_400),
    default=120,
    show_default=True,
    help="Time to find what to leave in float, where all of it in int8 fails.",
)
@click.option(
    "--guard-images",
    type=click.IntRange(1),
    default=4000,
    show_default=True,
    help="Held-back images to judge accuracy on, at most; as many others confirm a choice.",
)
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="Make the choice of an earlier run again: its saved --json.",
)
@click.option("--explain", is_flag=True, help="Say of every layer whether it is int8, and why.")
@data_options(None, "what the model was trained on")
@seed_option
@foreign_options
@output_options(required=False, help_default="MODEL.int8.onnx, MODEL.engine")
@report_options
@click.pass_context
def quantise(
    context: click.Context,
    model: Path,
    backend: str,
    engine: EngineOptions,
    samples: int,
    target: str,
    calibration: str,
    weights_only: bool,
    or_weights_only: bool,
    percentile: float,
    tools: tuple[str, ...],
    max_drop: float,
    no_max_drop: bool,
    never_slower: bool,
    search_seconds: float,
    guard_images: int,
    plan: Path | None,
    explain: bool,
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
    """Make an int8 file, or a TensorRT engine, of an ONNX file (static, per-channel, Q/DQ).

    Also spelled quantize. Works where torch is not installed. Judges int8 on held-back training
    images, and for ONNX Runtime times it beside MODEL; writes none that loses or slows down too
    much. An engine gets a sidecar, OUTPUT.json; a MODEL with TensorRT's Q/DQ is built at once.
    """
    from ...exporters.guard.plan import read_plan
    from ...exporters.int8.settings import Int8Settings

    check_backend(context, backend)
    suffix = ".engine" if backend == "trt" else ".int8.onnx"
    model, output = output_path(model, output, suffix)
    replayed = None if plan is None else read_plan(plan)
    if replayed is not None:
        samples, seed = _as_planned(replayed, samples, seed)
    _check_percentile(calibration, search_seconds, weights_only=weights_only)
    settings = Int8Settings(
        target=target,
        samples=samples,
        calibration=calibration,
        percentile=percentile,
        weights_only=weights_only,
        or_weights_only=or_weights_only,
        tools=tools,
        max_drop=None if no_max_drop else max_drop,
        never_slower=never_slower and backend == "ort",
        search_seconds=search_seconds,
        guard_images=guard_images,
    )
    source = Source(model, card_overrides(mean, std, image_size, labels), data, data_dir, seed)
    if backend == "trt":
        build(source, output, settings, engine, replayed, console, explain=explain, force=force)
    else:
        _quantise_for_cpu(source, output, settings, replayed, console, explain=explain, force=force)


def _quantise_for_cpu(
    source: Source,
    output: Path,
    settings: Int8Settings,
    plan: Plan | None,
    console: Console,
    *,
    explain: bool,
    force: bool,
) -> None:
    from ...exporters.ort_int8 import quantise as quantise_model
    from ...whole_files import check_output
    from ..feeds import artifact_and_images, calibration_images, check_fits, held_back
    from ..report.int8 import explanation_lines, int8_lines

    model, seed = source.model, source.seed
    artifact, data_set = artifact_and_images(model, source.overrides, source.data, source.data_dir)
    check_output(output, overwrite=force)
    check_fits(artifact.card.input, data_set, model)
    images = calibration_images(
        data_set, artifact.card.input, settings.samples, seed, batch=artifact.input_shape[0]
    )
    result = quantise_model(
        model,
        output,
        images,
        settings,
        held_back=held_back(data_set, artifact.card.input, settings.held_back_images, seed),
        plan=plan,
        card=artifact.card,
        data=data_set.reference,
        record=images.record.to_json(),
        seed=seed,
        progress=console.progress,
        overwrite=force,
    )
    for line in int8_lines(result):
        console.say(line)
    if explain:
        for line in explanation_lines(result.explanation):
            console.say(line)
    console.wrote(output, result.to_json())


def _check_percentile(calibration: str, search_seconds: float, *, weights_only: bool) -> None:
    """InputError where --percentile was given and no percentile is taken."""
    source = click.get_current_context().get_parameter_source("percentile")
    searched = calibration == "auto" and search_seconds > 0
    if source is not click.core.ParameterSource.COMMANDLINE or (
        not weights_only and (searched or calibration == "percentile")
    ):
        return
    from ...errors import InputError

    raise InputError("--percentile is for --calibration percentile, or auto with a search")


def _as_planned(plan: Plan, samples: int, seed: int) -> tuple[int, int]:
    """Samples and seed of ``plan``; InputError where the line names what the plan decides."""
    from ...errors import InputError

    context = click.get_current_context()
    decided = ("calibration", "percentile", "weights_only", "or_weights_only", "tools")
    for name in (*decided, "samples", "seed"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "tool" if name == "tools" else name.replace("_", "-")
            raise InputError(f"--plan decides --{option}, too; drop one of the two")
    return plan.samples or samples, plan.seed or seed
