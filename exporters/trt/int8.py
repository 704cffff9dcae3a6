"""int8 for TensorRT: calibrated with nnc's own calibrators, judged before any engine is built."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ...errors import InputError, NncError
from ...progress import SILENT, Progress
from ...runtimes.reasons import short_reason
from ..guard.plan import Plan
from ..guard.replay import check_model
from ..int8.images import Batches, FittingImages
from ..int8.search import sampler
from ..profiles import TENSORRT
from .qdq import insert_qdq
from .result import Quantised

if TYPE_CHECKING:
    from onnx import ModelProto

    from ...model_card import ModelCard
    from ...runtimes.accuracy.accuracy import TestPart
    from ..guard.held_back import Judge
    from ..int8.settings import Int8Settings

__all__ = ["judge_of", "quantised_model"]


def quantised_model(
    prepared: ModelProto,
    images: Batches,
    settings: Int8Settings,
    judge: Judge | None,
    *,
    parent_sha256: str,
    plan: Plan | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    source: str,
) -> Quantised:
    """The Q/DQ model of a prepared one that holds ``settings.limits``; which it finds by search.

    ``images()`` yields the calibration images; ``judge`` holds others, and None judges nothing.
    ``plan`` is an earlier search's, to be made again without searching. Raises BudgetError where
    nothing that was tried holds the limits, InputError for images that do not fit the model or a
    plan that was made for another file.
    """
    from ..guard.builder import Builder
    from ..guard.search import Search

    if plan is not None:
        check_model(plan, source, parent_sha256)
        if plan.profile != TENSORRT.name:
            raise InputError(
                f"the plan was made for {plan.profile}, not TensorRT; quantise without --plan"
            )
    fitting = FittingImages(images, prepared, settings.samples, source)
    first = settings.candidates()[: None if judge is not None else 1]
    candidates = (plan.choice,) if plan is not None else first
    builder = Builder(
        prepared,
        fitting,
        TENSORRT,
        [candidate.calibration for candidate in candidates],
        images_a_pass=settings.samples,
        threads=settings.threads,
        seed=seed,
        progress=progress,
        insert=insert_qdq,
        fit=None,
    )
    with ExitStack() as stack:
        task = stack.enter_context(progress.task("looking for int8 that holds", 1))
        search = Search(
            builder,
            settings.limits,
            judge,
            None,
            task,
            sampler(builder),
            settings.threads or 1,
            runs_here=False,
            small=False,
        )
        if plan is not None:
            trial = search.replay(plan.choice)
        else:
            trial = search.run(candidates, more_tools=settings.search_seconds > 0)
    model = builder.build(trial.candidate)
    _check_runs(model, source)
    return Quantised(
        model,
        trial,
        Plan(
            trial.candidate,
            parent_sha256,
            TENSORRT.name,
            settings.samples,
            seed,
            trials=tuple(search.trials),
            units=search.ranked,
        ),
        fitting.count,
        builder.ranges(trial.candidate),
    )


def judge_of(
    prepared: ModelProto,
    held_back: TestPart | None,
    card: ModelCard,
    settings: Int8Settings,
) -> Judge | None:
    """What compares a model with the float one ``prepared``; None where nothing limits the loss."""
    from ..guard.held_back import Judge

    if held_back is None:
        return None
    return Judge(
        prepared,
        held_back,
        card.input,
        len(card.labels),
        # ONNX Runtime's own int8 kernels would round where TensorRT does not.
        simulated=True,
        threads=settings.threads,
        most_images=settings.guard_images,
    )


def _check_runs(model: ModelProto, source: str) -> None:
    """Load the model as a user would: what ONNX Runtime refuses must not reach the disk."""
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        onnx.checker.check_model(model)
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise NncError(f"{source}: the Q/DQ model cannot be run ({short_reason(error)})") from error
