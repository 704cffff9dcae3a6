"""int8 for TensorRT: calibrated with nnc's own calibrators, judged before any engine is built."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...errors import InputError, NncError
from ...progress import SILENT, Progress
from ...runtimes.reasons import short_reason
from ..guard.plan import Plan
from ..int8.images import Batches, FittingImages
from ..int8.input import input_shape
from ..profiles import TENSORRT
from .qdq import insert_qdq
from .result import Quantised

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...model_card import ModelCard
    from ...runtimes.accuracy.accuracy import TestPart
    from ..guard.builder import Builder
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

    _check_plan(plan, parent_sha256, source)
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
            _sampler(builder, source),
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


def _check_plan(plan: Plan | None, sha256: str, source: str) -> None:
    if plan is None:
        return
    if plan.model_sha256 != sha256:
        raise InputError(
            f"the plan was made for another file than {source} (sha256 "
            f"{plan.model_sha256[:12]}…, found {sha256[:12]}…); quantise without --plan"
        )
    if plan.profile != TENSORRT.name:
        raise InputError(
            f"the plan was made for {plan.profile}, not TensorRT; quantise without --plan"
        )


def _sampler(builder: Builder, source: str) -> Any:
    def sample(count: int) -> np.ndarray[Any, Any]:
        import numpy as np

        fixed = input_shape(builder.prepared, source)[0]
        batch = next(iter(builder.images()))[: fixed or count]
        return np.ascontiguousarray(batch)

    return sample


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
