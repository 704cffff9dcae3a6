"""The search for an int8 file, with what can be measured on this machine and these images."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .input import input_shape

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...model_card import ModelCard
    from ...progress import Task
    from ...runtimes.accuracy.accuracy import TestPart
    from ..guard.builder import Builder
    from ..guard.held_back import Judge
    from ..guard.pace import Pace
    from ..guard.search import Search
    from ..guard.tries import Stopwatch
    from ..profiles import Profile
    from .settings import Int8Settings

__all__ = ["make_search", "sampler"]

log = logging.getLogger(__name__)


def make_search(
    builder: Builder,
    settings: Int8Settings,
    model: Path,
    held_back: TestPart | None,
    card: ModelCard | None,
    *,
    here: Profile,
    seed: int,
    task: Task,
    stack: ExitStack,
    timed: bool = True,
) -> Search:
    """The search, with what can be measured on this machine and these images.

    ``timed``: whether candidates may be slower than the float file at all.
    """
    from ..guard.held_back import Judge
    from ..guard.search import Search

    judge: Judge | None = None
    pace: Stopwatch | None = None
    native = builder.profile.name == here.name
    if held_back is not None and card is not None:
        judge = Judge(
            builder.prepared,
            held_back,
            card.input,
            len(card.labels),
            simulated=not native,
            threads=settings.threads,
            most_images=settings.guard_images,
        )
        timed = timed and settings.never_slower
        if timed and native:
            pace = _stopwatch(model, judge, builder.prepared, card, seed, stack)
        elif timed:
            log.warning(
                "int8 for %s is not timed on this CPU (%s)", builder.profile.name, here.name
            )
    threads = settings.threads or 1
    return Search(
        builder, settings.limits, judge, pace, task, sampler(builder), threads, runs_here=native
    )


def _stopwatch(
    model: Path,
    judge: Judge,
    prepared: ModelProto,
    card: ModelCard,
    seed: int,
    stack: ExitStack,
) -> Stopwatch:
    """Times an int8 model beside another, or the file ``model``: batches of its own size or 1."""
    from ...runtimes.onnx_model.files import save_model
    from ..guard.pace import measure_pace

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nnc-")))
    pixels = judge.pixels(input_shape(prepared, str(model))[0] or 1)

    def measure(quantised: ModelProto, beside: ModelProto | None) -> Pace:
        path, other = folder / "int8.onnx", folder / "other.onnx"
        save_model(quantised, path, overwrite=True)
        if beside is not None:
            save_model(beside, other, overwrite=True)
        return measure_pace(
            model if beside is None else other, path, card.input, pixels, threads=1, seed=seed
        )

    return measure


def sampler(builder: Builder) -> Callable[[int], np.ndarray[Any, Any]]:
    """Gives so many calibration images, or the batch that the model fixes: float32 [N, C, H, W]."""

    def sample(count: int) -> np.ndarray[Any, Any]:
        import numpy as np

        fixed = input_shape(builder.prepared, "")[0]
        batch = next(iter(builder.images()))[: fixed or count]
        return np.ascontiguousarray(batch)

    return sample
