"""What ``nnc quantise --backend trt`` takes and does: an ONNX file in, a TensorRT engine out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...errors import InputError

if TYPE_CHECKING:
    from ...exporters.guard.plan import Plan
    from ...exporters.int8.settings import Int8Settings
    from ...runtimes.artifact import Artifact, CardOverrides
    from ..data import DataSet, LooseImages
    from .console import Console

__all__ = ["EngineOptions", "Source", "build", "check_backend", "engine_options"]

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

TARGET_GPUS = (
    *("auto", "75", "80", "86", "87", "89", "90"),
    *("100", "103", "110", "120", "121"),
)
"""Those of `nnc.exporters.trt.settings`, which help must not load."""

_OF_BACKEND = {
    "ort": ("target", "never_slower", "weights_only", "or_weights_only"),
    "trt": ("flavour", "precision", "batch", "workspace_mb", "target_gpu", "keep_onnx"),
}
"""Parameters that mean something for one backend alone."""

_OF_CALIBRATION = ("samples", "calibration", "percentile", "tools", "search_seconds", "plan")
"""Parameters that mean something only where int8 is made here."""

_OF_JUDGING = ("max_drop", "no_max_drop", "guard_images", "seed")
"""Parameters that mean something where accuracy is judged: of int8 that is made, of fp16."""


@dataclass(frozen=True)
class EngineOptions:
    """What was said of the engine."""

    flavour: str
    precision: str
    batch: tuple[int, int, int] | None
    workspace_mb: int | None
    target_gpu: str
    keep_onnx: bool


@dataclass(frozen=True)
class Source:
    """What an int8 file or an engine is made of."""

    model: Path
    overrides: CardOverrides
    data: str | None
    data_dir: Path | None
    seed: int


def _batches(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    parts = value.split(",")
    whole = all(part.isascii() and part.strip().isdecimal() and len(part) < 8 for part in parts)
    if len(parts) != 3 or not whole:
        raise click.BadParameter(
            f"'{value}' is not MIN,OPT,MAX; expected three whole numbers, as in 1,8,64",
            param=parameter,
        )
    return tuple(int(part) for part in parts)


def _target(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A compute capability as its digits; 8.9 is 89."""
    whole, point, part = value.partition(".")
    digits = whole + part if point and len(part) == 1 else value
    if digits not in TARGET_GPUS:
        raise click.BadParameter(
            f"'{value}' is not one of {', '.join(TARGET_GPUS)} (8.9 will do for 89)",
            param=parameter,
        )
    return digits


def engine_options(function: F) -> F:
    """The options of the engine; the command receives them as its ``engine``."""

    @click.option(
        "--flavour",
        "--flavor",
        type=click.Choice(["auto", "tensorrt", "rtx"]),
        default="auto",
        show_default=True,
        help="trt: TensorRT or TensorRT for RTX; auto: what is installed.",
    )
    @click.option(
        "--precision",
        type=click.Choice(["int8", "fp16", "fp32"]),
        default="int8",
        show_default=True,
        help="trt: int8 leaves the rest in fp16; fp16 and fp32 take no images.",
    )
    @click.option(
        "--batch",
        metavar="MIN,OPT,MAX",
        callback=_batches,
        help="trt: batch sizes the engine takes, and the one it is tuned for.  [default: 1,1,64]",
    )
    @click.option(
        "--workspace-mb",
        type=click.IntRange(1, 1 << 20),
        metavar="N",
        help="trt: memory a layer may take for itself.  [default: TensorRT's]",
    )
    @click.option(
        "--target-gpu",
        callback=_target,
        metavar="auto|75|80|86|87|89|90|...",
        default="auto",
        show_default=True,
        help="trt: compute capability it is for; auto: the GPU here, or with RTX all from 8.0 on.",
    )
    @click.option(
        "--keep-onnx", is_flag=True, help="trt: write the Q/DQ file, too: OUTPUT.qdq.onnx."
    )
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        flavour: str,
        precision: str,
        batch: tuple[int, int, int] | None,
        workspace_mb: int | None,
        target_gpu: str,
        keep_onnx: bool,
        **kwargs: Any,
    ) -> Any:
        engine = EngineOptions(flavour, precision, batch, workspace_mb, target_gpu, keep_onnx)
        return function(*args, engine=engine, **kwargs)

    return wrapper  # type: ignore[return-value]


def check_backend(context: click.Context, backend: str) -> None:
    """Raise InputError where an option was given that the backend does not have."""
    for other, names in _OF_BACKEND.items():
        option = _first_given(context, names) if other != backend else None
        if option is not None:
            raise InputError(
                f"{option} is an option of --backend {other}; leave it out with {backend}"
            )


def _first_given(context: click.Context, names: Sequence[str]) -> str | None:
    """The option, as it is typed, of the first of these parameters that the line gives."""
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            return next(p.opts[0] for p in context.command.params if p.name == name)
    return None


def _refuse_calibration(model: Path, precision: str, *, judged: bool) -> None:
    """Raise InputError where the line says how to calibrate or judge, and nothing of it is done."""
    context = click.get_current_context()
    why = f"{model} is int8 already" if precision == "int8" else f"{precision} takes no images"
    option = _first_given(context, _OF_CALIBRATION)
    if option is None and not judged:
        option = _first_given(context, _OF_JUDGING)
        why = "fp16 is judged with --data alone" if precision == "fp16" else why
    if option is not None:
        raise InputError(f"{why}, so {option} says nothing here; leave it out")


def _described(source: Source) -> tuple[Artifact, DataSet | LooseImages | None]:
    """The model, which needs no images: a data set that is named says what the file does not."""
    from ...runtimes.artifact import read_artifact
    from ..feeds import artifact_and_images, check_fits

    if source.data is not None:
        artifact, data_set = artifact_and_images(
            source.model, source.overrides, source.data, source.data_dir
        )
        check_fits(artifact.card.input, data_set, source.model)
        return artifact, data_set
    artifact = read_artifact(source.model, source.overrides)
    said = source.overrides
    if not artifact.own_metadata and (said.mean is None or said.std is None):
        log.warning(
            "%s does not say how its images are normalised: the sidecar records mean %s and std "
            "%s; pass --data, or --mean and --std, if that is wrong",
            *(source.model, artifact.card.input.mean, artifact.card.input.std),
        )
    return artifact, None


def build(
    source: Source,
    output: Path,
    int8: Int8Settings,
    engine: EngineOptions,
    plan: Plan | None,
    console: Console,
    *,
    explain: bool,
    force: bool,
) -> None:
    """Build the engine and report."""
    from ...exporters.trt.settings import DEFAULT_BATCH, TrtSettings
    from ...exporters.trt_engine import CalibrationData, check_place, needs_images, quantise
    from ..feeds import artifact_and_images, calibration_images, check_fits, held_back
    from ..report.engine import engine_lines, layer_lines

    settings = TrtSettings(
        precision=engine.precision,
        flavour=engine.flavour,
        batch=engine.batch or DEFAULT_BATCH,
        workspace_mb=engine.workspace_mb,
        target_gpu=engine.target_gpu,
        keep_onnx=engine.keep_onnx,
        int8=int8,
    )
    check_place(source.model, output, settings, overwrite=force)
    given = None
    if needs_images(source.model, settings.precision):
        artifact, images_of = artifact_and_images(
            source.model, source.overrides, source.data, source.data_dir
        )
        spec = artifact.card.input
        check_fits(spec, images_of, source.model)
        images = calibration_images(images_of, spec, int8.samples, source.seed)
        given = CalibrationData(
            images,
            held_back(images_of, spec, int8.held_back_images, source.seed),
            images_of.reference,
            images.record.to_json(),
            source.seed,
        )
    else:
        judged = settings.precision == "fp16" and source.data is not None
        _refuse_calibration(source.model, settings.precision, judged=judged)
        artifact, known = _described(source)
        if judged and known is not None:
            part = held_back(known, artifact.card.input, int8.held_back_images, source.seed)
            given = CalibrationData(lambda: iter(()), part, known.reference, None, source.seed)
    result = quantise(
        artifact,
        output,
        given,
        settings,
        plan=plan,
        progress=console.progress,
        overwrite=force,
    )
    for line in engine_lines(result):
        console.say(line)
    if explain:
        for line in layer_lines(result):
            console.say(line)
    console.wrote(output, result.to_json())
