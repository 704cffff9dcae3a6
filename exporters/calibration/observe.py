"""Run a network over the calibration images and note which values its tensors take.

One pass finds the least and greatest value of each tensor; methods that need to know how often
which value occurs get a second pass, which fills histograms of that range. Nothing is kept of an
image once it was seen, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .grid import UNSIGNED
from .histogram import Histogram
from .images import Checked
from .minmax import MinMax
from .moving_average import MovingAverage
from .observations import HISTOGRAM_METHODS, Observations, check_method
from .watch import Watch

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...progress import Task
    from .grid import Grid

    Batches = Callable[[], Iterator[np.ndarray[Any, Any]]]

__all__ = ["observe", "passes"]


def passes(methods: Sequence[str]) -> int:
    """How often `observe` goes through the images for ``methods``: once or twice."""
    return 2 if set(methods) & set(HISTOGRAM_METHODS) else 1


def observe(
    model: ModelProto,
    tensors: Sequence[str],
    images: Batches,
    methods: Sequence[str] = ("minmax",),
    grid: Grid = UNSIGNED,
    *,
    threads: int = 0,
    task: Task | None = None,
) -> Observations:
    """What is needed to tell the ranges of ``tensors`` by any of ``methods``.

    ``images()`` yields float32 [N, C, H, W] batches of any size, and the same ones on each call.
    The model is the same afterwards. ``threads`` is what ONNX Runtime may use; 0 leaves it to
    decide. ``task`` advances by every image of every pass (`passes` says how many there are).

    Raises InputError where there is no image, where all images are the same or constant, where the
    model cannot run on them, they differ between the passes, or a tensor (named) becomes NaN or
    infinite.
    """
    for method in methods:
        check_method(method)
    watch = Watch(model, tensors, threads)
    minmax, average = MinMax(len(tensors)), MovingAverage(len(tensors))
    seen = _first_pass(watch, images, minmax, average, task)
    averages = average.result()
    histograms: dict[str, Histogram] = {}
    if passes(methods) == 2:
        made = [
            Histogram(float(low), float(high))
            for low, high in zip(minmax.low, minmax.high, strict=True)
        ]
        if _second_pass(watch, images, made, task) != seen:
            raise InputError(
                f"{seen} calibration images in the first pass and another number in the second; "
                "expected every call to yield the same images"
            )
        histograms = dict(zip(tensors, made, strict=True))
    return Observations(
        grid=grid,
        images=seen,
        minmax=_pairs(tensors, minmax.low, minmax.high),
        averages=_pairs(tensors, *averages),
        histograms=histograms,
    )


def _first_pass(
    watch: Watch, images: Batches, minmax: MinMax, average: MovingAverage, task: Task | None
) -> int:
    import numpy as np

    checked = Checked()
    seen = 0
    low, high = np.zeros(len(minmax.low)), np.zeros(len(minmax.low))
    for count, values in watch.runs(checked.through(images())):
        for index, value in values:
            low[index], high[index] = value.min(), value.max()
        minmax.add(low, high)
        average.add(low, high, count)
        seen += count
        if task is not None:
            task.advance(count)
    if not seen:
        raise InputError(checked.none_fitted())
    checked.refuse_constant()
    return seen


def _second_pass(
    watch: Watch, images: Batches, histograms: Sequence[Histogram], task: Task | None
) -> int:
    seen = 0
    for count, values in watch.runs(images()):
        for index, value in values:
            histograms[index].add(value)
        seen += count
        if task is not None:
            task.advance(count)
    return seen


def _pairs(
    tensors: Sequence[str], low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]
) -> dict[str, tuple[float, float]]:
    return {
        tensor: (float(least), float(greatest))
        for tensor, least, greatest in zip(tensors, low, high, strict=True)
    }
