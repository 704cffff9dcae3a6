"""What the stages are fed with: a data set's images at the size a network takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..runtimes.preprocess import normalise
from .data import DataSet, open_data, pick_balanced

if TYPE_CHECKING:
    import numpy as np

    from ..model_card import InputSpec, ModelCard

__all__ = ["calibration_batches", "check_fits", "check_images", "data_for"]

CHECK_IMAGES = 16
CALIBRATION_BATCH = 32


def data_for(
    card: ModelCard | None, source: Path, named: str | None, folder: Path | None
) -> DataSet:
    """The data set called ``named``, else the one that ``source``'s card records.

    Raises InputError, asking for ``--data``, where the card records none or one that is not to be
    found by its name alone.
    """
    if named is not None:
        return open_data(named, folder)
    recorded = card.data if card is not None else ""
    if not recorded:
        raise InputError(f"{source} records no data set; pass --data NAME or --data PATH")
    try:
        return open_data(recorded, folder)
    except InputError as error:
        raise InputError(
            f"{source} was trained on '{recorded}', which is not found by that name; "
            "pass --data PATH"
        ) from error


def check_fits(spec: InputSpec, data: DataSet, source: Path, labels: int | None = None) -> None:
    """Raise InputError unless ``data`` has the channels (and as many classes) as the network."""
    if data.channels != spec.channels:
        raise InputError(
            f"{source} takes images of {spec.channels} channel(s); {data.name} has "
            f"{data.channels}; pass another --data"
        )
    if labels is not None and labels != len(data.classes):
        raise InputError(
            f"{source} knows {labels} classes; {data.name} has {len(data.classes)}; "
            "pass another --data"
        )


def check_images(data: DataSet, spec: InputSpec, seed: int = 0) -> np.ndarray[Any, Any]:
    """A few training images to check an export on: uint8 [N, H, W, C] of ``spec``'s size."""
    indices = pick_balanced(data.training, CHECK_IMAGES, seed)
    return data.training.take(indices, spec.height, spec.width)


def calibration_batches(
    data: DataSet, spec: InputSpec, samples: int, seed: int = 0
) -> Callable[[], Iterator[np.ndarray[Any, Any]]]:
    """Calibration images, class-balanced, from the training part without its held-out fifth.

    Each call of the result goes through the same images again: float32 [N, C, H, W] batches,
    normalised as ``spec`` says. The test part is never read.
    """
    images, _validation = data.split()
    indices = pick_balanced(images, samples, seed)

    def batches() -> Iterator[np.ndarray[Any, Any]]:
        for start in range(0, len(indices), CALIBRATION_BATCH):
            chosen = indices[start : start + CALIBRATION_BATCH]
            yield normalise(images.take(chosen, spec.height, spec.width), spec)

    return batches
