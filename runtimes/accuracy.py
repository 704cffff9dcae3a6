"""Top-1 accuracy on test images, through the same runtime that is timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .preprocess import normalise
from .statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

    from ..model_card import InputSpec, ModelCard
    from .base import Runtime

__all__ = ["Accuracy", "TestPart", "check_batch", "predict"]


@dataclass(frozen=True)
class TestPart:
    """The test part of a data set, as measuring needs it.

    ``batches(spec)`` starts a new pass each time: pairs of uint8 [B, spec.height, spec.width,
    spec.channels] and int64 labels [B], in a fixed order.
    """

    __test__ = False
    """Not a test class, whatever its name makes pytest think."""

    batches: Callable[[InputSpec], Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]]
    images: int
    name: str
    classes: int | None = None
    """Number of classes; None where only the labels tell."""


@dataclass(frozen=True)
class Accuracy:
    """Share of images whose highest score is their label, with Wilson's 95% interval."""

    correct: int
    images: int

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; shares as fractions."""
        low, high = wilson(self.correct, self.images)
        top1 = self.correct / self.images
        return {"top1": top1, "images": self.images, "low": low, "high": high}


def check_batch(
    images: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    card: ModelCard,
    test: TestPart,
    path: Path,
) -> None:
    """Raise InputError unless a batch of ``test`` is of the size and classes that a file takes."""
    spec, data = card.input, test.name
    expected = (spec.height, spec.width, spec.channels)
    if images.ndim != 4 or images.shape[1:] != expected:
        raise InputError(
            f"{path} takes images {list(expected)} (height, width, channels); "
            f"{data} gives {list(images.shape[1:])}"
        )
    if not card.labels:
        raise InputError(
            f"{path}: its output is no scores of classes, which accuracy is counted by; "
            "pass --no-accuracy, and no --data"
        )
    if test.classes not in (None, len(card.labels)):
        raise InputError(
            f"{path} has {len(card.labels)} classes; {data} has {test.classes}; "
            "choose the data it was trained on"
        )
    if len(labels) != len(images) or not len(images):
        raise InputError(f"{data}: {len(images)} images with {len(labels)} labels")
    if int(labels.min()) < 0 or int(labels.max()) >= len(card.labels):
        raise InputError(
            f"{path} has {len(card.labels)} classes; {data} has labels from "
            f"{int(labels.min())} to {int(labels.max())}; choose the data it was trained on"
        )


def predict(
    runtime: Runtime, images: np.ndarray[Any, Any], spec: InputSpec, classes: int, path: Path
) -> np.ndarray[Any, Any]:
    """The class with the highest score for each of uint8 [N, H, W, C], as int64 [N].

    A file with a fixed batch gets its images in such batches, the last one filled up, and one that
    is bound to a range of sizes in batches of that range. The first output holds the scores. Raises
    InputError where these are not ``classes`` finite numbers an image.
    """
    import numpy as np

    first = runtime.inputs[0]
    name, batch = first.name, first.shape[0] or len(images)
    if first.batches is not None:
        batch = max(first.batches[0], min(batch, first.batches[1]))
    found = np.empty(len(images), np.int64)
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        count = len(part)
        if count < batch:
            part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
        result = runtime.run({name: normalise(part, spec)})
        scores = np.asarray(result[runtime.outputs[0].name])
        if scores.size != batch * classes or scores.shape[0] != batch:
            raise InputError(
                f"{path}: its output is {list(scores.shape)} for {batch} images; "
                f"expected [{batch}, {classes}], one score a label"
            )
        scores = scores.reshape(batch, classes)[:count]
        if not np.isfinite(scores.astype(np.float64)).all():
            raise InputError(f"{path} returns NaN or infinite scores; its weights are damaged")
        found[start : start + count] = scores.argmax(axis=1)
    return found
