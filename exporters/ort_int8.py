"""int8 for ONNX Runtime: static, post-training, per-channel, in QDQ form, and watched over."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BudgetError, InputError
from ..model_card import ModelCard, Stage
from ..progress import SILENT, Progress
from ..whole_files import check_input, check_output, sha256_of
from .guard.outcome import refuse_idle, warn_unsure
from .guard.plan import Plan
from .guard.replay import check_model, compare_images
from .guard.units import COMPUTING
from .int8.images import Batches, FittingImages
from .int8.input import prepare
from .int8.made import NothingInInt8Error, check_made, explained, runs_as_float
from .int8.result import Int8Result
from .int8.search import make_search, sampler
from .int8.settings import Int8Settings
from .int8.stored_weights import float_weights
from .packages import need
from .passes import INT8
from .profiles import TENSORRT, Profile, choose_profile

if TYPE_CHECKING:
    from onnx import ModelProto

    from ..runtimes.accuracy.accuracy import TestPart
    from .guard.builder import Builder
    from .guard.candidate import Candidate

__all__ = ["Int8Result", "Int8Settings", "quantise"]

log = logging.getLogger(__name__)


def quantise(
    model: Path,
    output: Path,
    images: Batches,
    settings: Int8Settings | None = None,
    *,
    held_back: TestPart | None = None,
    plan: Plan | None = None,
    card: ModelCard | None = None,
    data: str = "",
    record: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> Int8Result:
    """Quantise the float32 ONNX file ``model`` to int8 and write it to ``output``.

    ``images()`` yields calibration batches, float32 [N, C, H, W], normalised as the network was
    trained, the same ones each time; ``data`` names the data set they are from, ``seed`` how they
    were drawn, ``record`` which they are. ``held_back`` are other training images, with their
    labels, that the guard judges int8 on; without them there is no guard, and ``auto`` is the first
    calibration. ``plan`` is an earlier search's, to be made again without searching. ``card``
    describes the model in place of the card it carries, if any; it goes into the file with this
    stage added. The float model is not changed.

    Raises InputError for a model that cannot be quantised or run, for images that do not fit it or
    on which it yields NaN, BudgetError where nothing that was tried holds the limits (no file is
    written then, unless ``settings.or_weights_only`` and the weights alone hold them), MissingError
    where ONNX Runtime is not installed.
    """
    settings = settings or Int8Settings()
    make = partial(
        _quantise,
        model,
        output,
        images,
        held_back=held_back,
        plan=plan,
        card=card,
        data=data,
        record=record,
        seed=seed,
        progress=progress,
        overwrite=overwrite,
    )
    try:
        return make(settings)
    except (BudgetError, NothingInInt8Error) as error:
        if not settings.or_weights_only or plan is not None:
            raise
        log.warning("%s: storing the weights alone as int8", error)
        alone = replace(
            settings, weights_only=True, or_weights_only=False, calibration="auto", tools=()
        )
        try:
            return replace(make(alone), instead_of=str(error))
        except (BudgetError, InputError) as other:
            raise BudgetError(f"{error}; nor do the weights alone: {other}") from other


def _quantise(
    model: Path,
    output: Path,
    images: Batches,
    settings: Int8Settings,
    *,
    held_back: TestPart | None,
    plan: Plan | None,
    card: ModelCard | None,
    data: str,
    record: Mapping[str, Any] | None,
    seed: int,
    progress: Progress,
    overwrite: bool,
) -> Int8Result:
    from ..runtimes.onnx_model.files import (
        external_files,
        joined_sha256,
        load_model,
        read_properties,
        save_model,
        write_properties,
    )

    need("quantising", "onnxruntime")
    check_input(model)
    check_output(output, overwrite=overwrite)
    here = _profile("auto")
    profile = _profile(settings.target)
    loaded = load_model(model)
    card = card or ModelCard.from_properties(read_properties(loaded), str(model))
    beside = external_files(model)
    source_size_bytes = sum(file.stat().st_size for file in (model, *beside))
    parent_sha256 = sha256_of(model)
    weights_sha256 = joined_sha256([parent_sha256, *map(sha256_of, beside)])
    images_sha256 = str((record or {}).get("sha256", ""))
    normalisation = (card.input.mean, card.input.std) if card is not None else ((), ())
    if plan is not None:
        check_model(plan, str(model), weights_sha256)
        _check_profile(plan, profile)
        compare_images(plan, images_sha256, normalisation)
    weights_only = plan.choice.weights_only if plan else settings.weights_only
    prepared = prepare(loaded, str(model), passes=() if weights_only else INT8)
    if weights_only and not float_weights(prepared):
        raise InputError(
            f"{model}: no layer of it has weights that int8 would make smaller; ship the float file"
        )
    fitting = FittingImages(images, prepared, settings.samples, str(model))
    judged = held_back is not None and card is not None and bool(card.labels)
    if held_back is not None and not judged and settings.max_drop is not None:
        raise InputError(
            f"{model}: its first output is no scores of classes that accuracy could be judged by; "
            "pass --no-max-drop"
        )
    candidates = (plan.choice,) if plan else settings.candidates()[: None if judged else 1]
    builder = _builder(prepared, fitting, profile, settings, candidates, seed, progress)
    with ExitStack() as stack:
        task = stack.enter_context(progress.task("looking for int8 that holds", 1))
        search = make_search(
            builder,
            settings,
            model,
            held_back,
            card,
            here=here,
            seed=seed,
            task=task,
            stack=stack,
            timed=not (weights_only and runs_as_float(builder, candidates[0], model)),
        )
        if plan is not None:
            trial = search.replay(plan.choice)
        elif weights_only:
            trial = search.only(candidates[0], "weights alone in int8")
        else:
            trial = search.run(candidates, more_tools=settings.search_seconds > 0)
    quantised = builder.build(trial.candidate)
    sample = sampler(builder)(1)
    native = profile.name == here.name
    check_made(prepared, quantised, model, sample)
    explanation = explained(builder, quantised, model, trial.candidate, native=native)
    computed = any(node.int8 and node.op in COMPUTING for node in explanation.nodes)
    if not computed and not weights_only:
        raise NothingInInt8Error(f"{model}: no layer of it would run in int8; ship the float file")
    warn_unsure(trial, settings.max_drop)
    refuse_idle(trial, quantised.ByteSize(), source_size_bytes, str(model))
    made = Plan(
        trial.candidate,
        weights_sha256,
        profile.name,
        settings.samples,
        seed,
        images_sha256,
        normalisation,
        trials=tuple(search.trials),
        units=search.ranked,
    )
    if card is not None:
        stage = Stage(
            "quantise",
            {
                "backend": "ort",
                "target": profile.name,
                **trial.candidate.to_json(),
                "samples": fitting.count,
                **({"data": data, "seed": seed} if data else {}),
                **({"images": _brief(record)} if record else {}),
            },
            {
                "int8_mac_share": explanation.int8_mac_share,
                **trial.accuracy(),
                "pace": None if trial.pace is None else trial.pace.to_json(),
            },
            f"nnc quantise {model.name} --backend ort --target {profile.name} "
            f"--samples {settings.samples} --seed {seed}",
        )
        write_properties(quantised, card.then(stage, parent_sha256=parent_sha256).to_properties())
    _sign(quantised)
    save_model(quantised, output, overwrite=overwrite)
    return Int8Result(
        path=str(output),
        profile=profile.name,
        samples=fitting.count,
        size_bytes=output.stat().st_size,
        source_size_bytes=source_size_bytes,
        sha256=sha256_of(output),
        trial=trial,
        plan=made,
        explanation=explanation,
        ranges=builder.ranges(trial.candidate),
        images=record or {},
    )


def _profile(target: str) -> Profile:
    from ..runtimes.environment import instruction_sets

    return choose_profile(target, instruction_sets(), platform.machine())


def _brief(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of its calibration images: not the place of each one."""
    return {name: value for name, value in record.items() if name != "indices"}


def _check_profile(plan: Plan, profile: Profile) -> None:
    if plan.profile == TENSORRT.name:
        raise InputError(
            "the plan was made for TensorRT; pass --backend trt, or quantise without --plan"
        )
    if plan.profile != profile.name:
        raise InputError(
            f"the plan was made for {plan.profile}, not {profile.name}; "
            f"pass --target {plan.profile}, or quantise without --plan"
        )


def _builder(
    prepared: ModelProto,
    images: FittingImages,
    profile: Profile,
    settings: Int8Settings,
    candidates: Sequence[Candidate],
    seed: int,
    progress: Progress,
) -> Builder:
    from .guard.builder import Builder

    return Builder(
        prepared,
        images,
        profile,
        [candidate.calibration for candidate in candidates],
        images_a_pass=settings.samples,
        threads=settings.threads,
        seed=seed,
        progress=progress,
    )


def _sign(model: ModelProto) -> None:
    from .. import __version__

    model.producer_name = "nnc"
    model.producer_version = __version__
