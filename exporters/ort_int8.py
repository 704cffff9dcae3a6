"""int8 for ONNX Runtime: static, post-training, per-channel, in QDQ form, and watched over."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NncError
from ..model_card import ModelCard, Stage
from ..progress import SILENT, Progress
from ..runtimes.reasons import short_reason
from ..whole_files import check_input, check_output, sha256_of
from .executed.graph import executed_graph
from .guard.candidate import FLOAT_WEIGHTS
from .guard.outcome import refuse_idle, warn_unsure
from .guard.plan import Plan
from .guard.replay import check_model, compare_images
from .guard.sessions import run_once
from .guard.units import COMPUTING
from .int8.images import Batches, FittingImages
from .int8.input import prepare
from .int8.result import Int8Result
from .int8.search import make_search, sampler
from .int8.settings import Int8Settings
from .int8.stored_weights import float_weights
from .packages import need
from .passes import INT8
from .profiles import TENSORRT, Profile, choose_profile

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ..runtimes.accuracy.accuracy import TestPart
    from .executed.explain import Explanation
    from .executed.graph import Executed
    from .guard.builder import Builder
    from .guard.candidate import Candidate

__all__ = ["Int8Result", "Int8Settings", "quantise"]


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
    written then), MissingError where ONNX Runtime is not installed.
    """
    from ..runtimes.onnx_model.files import (
        external_files,
        joined_sha256,
        load_model,
        read_properties,
        save_model,
        write_properties,
    )

    settings = settings or Int8Settings()
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
            timed=not (weights_only and _runs_as_float(builder, candidates[0], model)),
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
    _check(prepared, quantised, model, sample)
    explanation = _explained(builder, quantised, model, trial.candidate, native=native)
    computed = any(node.int8 and node.op in COMPUTING for node in explanation.nodes)
    if not computed and not weights_only:
        raise InputError(f"{model}: no layer of it would run in int8; ship the float file")
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


def _runs_as_float(builder: Builder, candidate: Candidate, source: Path) -> bool:
    """Whether ONNX Runtime executes the same nodes as of the float model: as fast, then."""
    return _executed(builder.build(candidate), source).operators == (
        _executed(builder.prepared, source).operators
    )


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


def _check(
    prepared: ModelProto, quantised: ModelProto, source: Path, sample: np.ndarray[Any, Any]
) -> None:
    """Run the result once as a user would; what ONNX Runtime refuses must not reach the disk."""
    import onnx

    try:
        run_once(quantised, sample)
        onnx.checker.check_model(quantised)
    except onnx.checker.ValidationError as error:
        with suppress(onnx.checker.ValidationError):
            onnx.checker.check_model(prepared)
            raise NncError(f"{source}: the int8 model is not valid ({error})") from error
    except Exception as error:
        raise NncError(f"{source}: the int8 model cannot be run ({short_reason(error)})") from error


def _explained(
    builder: Builder, quantised: ModelProto, source: Path, candidate: Candidate, *, native: bool
) -> Explanation:
    """Of the nodes that compute: weights that are stored as int8 are made by nodes that do not."""
    from .executed.explain import explain

    executed = _executed(quantised, source)
    floats = candidate.float_nodes
    if candidate.weights_only:
        shown = builder.prepared
        floats = tuple(node.name for node in shown.graph.node)
    else:
        shown = builder.build(replace(candidate, float_weights=FLOAT_WEIGHTS[0]))
    return explain(shown, executed, float_nodes=floats, native=native)


def _executed(model: ModelProto, source: Path) -> Executed:
    try:
        return executed_graph(model)
    except OSError as error:
        raise NncError(
            f"{source}: no room for a temporary copy of the model ({error.strerror}); "
            "free some disk, or set TMPDIR"
        ) from error


def _sign(model: ModelProto) -> None:
    from .. import __version__

    model.producer_name = "nnc"
    model.producer_version = __version__
