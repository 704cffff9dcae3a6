"""TensorRT engines: quantised in explicit Q/DQ form, judged, then built, with a sidecar."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BudgetError, InputError, MissingError, NncError
from ..model_card import ModelCard, Stage
from ..progress import SILENT, Progress
from ..runtimes.trt.sidecar import Sidecar, sidecar_path
from ..whole_files import check_output, write_whole
from .int8.images import Batches
from .int8.input import prepare
from .packages import need
from .trt.describe import describe
from .trt.engine import build_engine, check_parses
from .trt.explicit import is_quantised, prepare_explicit, why_float
from .trt.float_weights import with_float_weights
from .trt.half import in_half
from .trt.int8 import judge_of, quantised_model
from .trt.place import Place, find_place
from .trt.result import EngineResult, Quantised
from .trt.rules import LAYERS
from .trt.settings import DEFAULT_BATCH, TrtSettings

if TYPE_CHECKING:
    from onnx import ModelProto

    from ..runtimes.accuracy.accuracy import TestPart
    from ..runtimes.artifact import Artifact
    from .guard.drop import Drop
    from .guard.held_back import Judge
    from .guard.plan import Plan
    from .int8.settings import Int8Settings

__all__ = [
    "CalibrationData",
    "EngineResult",
    "TrtSettings",
    "check_place",
    "needs_images",
    "qdq_path",
    "quantise",
]

_PASSES = ("spelling", "scale_shift", "dead_code")
"""What is done to a model for TensorRT beyond what is done to any: the rest it does itself."""


@dataclass(frozen=True)
class CalibrationData:
    """The images that int8 is made with, and those that it is judged by."""

    images: Batches
    held_back: TestPart | None = None
    name: str = ""
    """Of the data set, as a file records it."""
    record: Mapping[str, Any] | None = None
    """Which images they are."""
    seed: int = 0
    """How they were drawn."""


def check_place(
    source: Path, output: Path, settings: TrtSettings, *, overwrite: bool = False
) -> None:
    """Raise at once what `quantise` would raise of ``output``, the library and the GPU."""
    kept = _check_outputs(source, output, settings, overwrite=overwrite)
    _place(settings, wait=kept is not None)


def needs_images(path: Path, precision: str) -> bool:
    """Whether building from this ONNX file takes calibration images: int8 of a float one does."""
    from ..runtimes.onnx_model.files import load_model

    return precision == "int8" and not is_quantised(load_model(path))


def qdq_path(output: Path) -> Path:
    """Where the Q/DQ file of an engine is kept."""
    return output.with_name(output.stem + ".qdq.onnx")


def quantise(
    artifact: Artifact,
    output: Path,
    data: CalibrationData | None = None,
    settings: TrtSettings | None = None,
    *,
    plan: Plan | None = None,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> EngineResult:
    """Build the engine of an ONNX file as ``output``, with its sidecar beside it.

    ``data`` is needed for int8 of a float file alone: it is calibrated and judged before anything
    is built. With it, fp16 is judged, too, where the library computes what the file says. A file
    with TensorRT's Q/DQ in it is built at once. ``plan`` is an earlier search's choice, to be made
    again.

    Raises InputError for a model or setting that cannot be built, BudgetError where no int8 holds
    the limits, MissingError where this machine lacks the library or the GPU to build with: with
    ``settings.keep_onnx`` the Q/DQ file is written all the same, to be built elsewhere.
    """
    from ..runtimes.onnx_model.files import load_model

    settings = settings or TrtSettings()
    kept = _check_outputs(artifact.path, output, settings, overwrite=overwrite)
    place, lacking = _place(settings, wait=kept is not None)
    loaded = load_model(artifact.path)
    source = str(artifact.path)
    card = artifact.card
    judge: Judge | None = None
    made: Quantised | None = None
    whys: dict[str, str] = {}
    if is_quantised(loaded):
        if settings.precision != "int8":
            raise InputError(f"{source} is int8 already; build it with --precision int8")
        prepare_explicit(loaded, source)
        model = loaded
    else:
        int8 = settings.precision == "int8"
        # Flags only permit fp16: there is no file to judge then.
        typed = place is not None and place.library.strongly_typed
        judged = typed and settings.precision == "fp16" and settings.int8.max_drop is not None
        judged = judged and data is not None
        if int8 or judged:
            need("calibrating" if int8 else "judging fp16 on --data", "onnxruntime")
        model = prepare(loaded, source, _PASSES, runs_here=int8 or judged)
        if judged and data is not None:
            judge = judge_of(model, data.held_back, card, settings.int8)
        if int8:
            if data is None:
                raise InputError(f"{source} is float; int8 takes calibration images, pass --data")
            if place is not None:
                # Looking for int8 takes minutes; what cannot be built anyway is refused before.
                check_parses(place.library, model, source)
            judge = judge_of(model, data.held_back, card, settings.int8)
            made = quantised_model(
                model,
                data.images,
                settings.int8,
                judge,
                parent_sha256=artifact.sha256,
                plan=plan,
                seed=data.seed,
                progress=progress,
                source=source,
            )
            model = made.model
            card = card.then(
                _stage(artifact.path, settings, data, made), parent_sha256=artifact.sha256
            )
    if settings.precision == "int8":
        whys = why_float(model)
        _refuse_all_float(model, whys, source)
    if kept is not None and not _same_file(kept, artifact.path):
        _keep(model, card, kept, overwrite=overwrite)
    if place is None:
        raise MissingError(_unfinished(lacking, kept, output, settings))
    built_of, drop = model, None
    if not place.library.strongly_typed:
        # There flags bring the rest to fp16, and only 8 is so old that it wants float weights.
        built_of = with_float_weights(model)
    elif settings.precision != "fp32":
        built_of = in_half(model, source)
        drop = _fp16_drop(judge, built_of, settings)
    with progress.task(f"building with {place.library.title}", 1):
        built = build_engine(
            place.library,
            built_of,
            card.input,
            settings,
            targets=place.targets,
            whys=whys,
            timings=place.timings,
            source=source,
        )
    sidecar = describe(artifact, card, settings, place, built, made)
    _write(output, built.plan, sidecar, overwrite=overwrite)
    return EngineResult(
        path=str(output),
        sidecar=sidecar,
        size_bytes=len(built.plan),
        source_size_bytes=artifact.size_bytes,
        warnings=built.warnings,
        quantised=made,
        fp16_drop=drop,
        onnx=kept,
    )


def _check_outputs(
    source: Path, output: Path, settings: TrtSettings, *, overwrite: bool
) -> Path | None:
    """Refuse early what cannot be written; the path of the Q/DQ file, where it is kept.

    A ``source`` that is that very file stays as it is, and is never replaced by another.
    """
    check_output(output, overwrite=overwrite)
    check_output(sidecar_path(output), overwrite=overwrite)
    if not settings.keep_onnx:
        return None
    kept = qdq_path(output)
    if not _same_file(kept, source):
        return check_output(kept, overwrite=overwrite)
    if needs_images(source, settings.precision):
        raise InputError(f"--keep-onnx would replace the model itself, {kept}; choose another -o")
    return kept


def _same_file(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return False


def _place(settings: TrtSettings, *, wait: bool) -> tuple[Place | None, MissingError | None]:
    """What to build with; a lack is raised at once unless there is something to write first."""
    try:
        return find_place(settings.flavour, settings.target_gpu), None
    except MissingError as error:
        if not wait:
            raise
        return None, error


def _unfinished(
    lacking: MissingError | None, kept: Path | None, output: Path, settings: TrtSettings
) -> str:
    words = ["nnc quantise", shlex.quote(kept.name if kept else ""), "--backend trt"]
    if settings.flavour != "auto":
        words.append(f"--flavour {settings.flavour}")
    if settings.target_gpu != "auto":
        words.append(f"--target-gpu {settings.target_gpu}")
    if settings.batch != DEFAULT_BATCH:
        words.append(f"--batch {','.join(map(str, settings.batch))}")
    if settings.workspace_mb is not None:
        words.append(f"--workspace-mb {settings.workspace_mb}")
    words.append(f"-o {shlex.quote(output.name)}")
    return (
        f"{lacking}. The int8 model is in {kept}: on a machine that can build, "
        f"{' '.join(words)} makes the engine at once, without calibrating"
    )


def _refuse_all_float(model: ModelProto, whys: Mapping[str, str], source: str) -> None:
    layers = [node.name for node in model.graph.node if node.op_type in LAYERS]
    if all(name in whys for name in layers):
        first = f" ('{layers[0]}': {whys[layers[0]]})" if layers else ""
        raise InputError(
            f"{source}: no layer of it would be int8{first}; build the float file with "
            "--precision fp16"
        )


def _stage(source: Path, settings: TrtSettings, data: CalibrationData, made: Quantised) -> Stage:
    trial = made.trial
    record = {k: v for k, v in (data.record or {}).items() if k != "indices"}
    return Stage(
        "quantise",
        {
            "backend": "trt",
            **trial.candidate.to_json(),
            "samples": made.samples,
            **({"data": data.name, "seed": data.seed} if data.name else {}),
            **({"images": record} if record else {}),
        },
        trial.accuracy(),
        _command(source, settings.int8, data.seed),
    )


def _command(source: Path, settings: Int8Settings, seed: int) -> str:
    """The line that made it, with what decides which images and ranges."""
    words = [f"nnc quantise {shlex.quote(source.name)} --backend trt --samples {settings.samples}"]
    if settings.calibration != "auto":
        words.append(f"--calibration {settings.calibration}")
    if settings.calibration == "percentile":
        words.append(f"--percentile {settings.percentile:g}")
    words += [f"--tool {tool}" for tool in settings.tools]
    return " ".join((*words, f"--seed {seed}"))


def _keep(model: ModelProto, card: ModelCard, path: Path, *, overwrite: bool) -> None:
    from .. import __version__
    from ..runtimes.onnx_model.files import save_model, write_properties

    write_properties(model, card.to_properties())
    model.producer_name, model.producer_version = "nnc", __version__
    save_model(model, path, overwrite=overwrite)


def _fp16_drop(judge: Judge | None, model: ModelProto, settings: TrtSettings) -> Drop | None:
    """What int8 and fp16 together lose; BudgetError where it is clearly more than allowed."""
    limit = settings.int8.max_drop
    if judge is None or limit is None:
        return None
    int8 = settings.precision == "int8"
    held = f"int8 holds the limit of {limit:g} points, but not with the rest in fp16"
    unlike, more = (held, held) if int8 else ("fp16 fails", f"fp16 loses over {limit:g} points")
    try:
        drop = judge.drop(model, limit)
    except NncError as error:
        raise BudgetError(
            f"{unlike}, which holds nothing over 65504 ({error}); "
            "build the float file with --precision fp32"
        ) from error
    if drop.points > limit:
        raise BudgetError(
            f"{more}: {drop}; allow more (--max-drop), "
            "or build the float file with --precision fp32"
        )
    return drop


def _write(output: Path, plan: bytes, sidecar: Sidecar, *, overwrite: bool) -> None:
    """The engine and its sidecar, both whole or neither."""
    beside = sidecar_path(output)
    stood = beside.exists()
    try:
        with write_whole(output, overwrite=overwrite) as engine:
            engine.write_bytes(plan)
            with write_whole(beside, overwrite=overwrite) as text:
                text.write_text(sidecar.to_text(), encoding="utf-8")
    except BaseException:
        # The engine did not get its name: a sidecar that did says nothing of anything.
        if not stood:
            with suppress(OSError):
                beside.unlink()
        raise
