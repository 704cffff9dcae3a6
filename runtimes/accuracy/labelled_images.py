"""The labelled images that accuracy is measured on, and whether they fit a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

    from ...model_card import InputSpec, ModelCard

__all__ = ["TestPart", "check_batch"]


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
