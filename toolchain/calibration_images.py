"""Which images int8 is calibrated on and judged by: training images, never one of the test part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..runtimes.preprocess import normalise
from .data import pick_balanced

if TYPE_CHECKING:
    import numpy as np

    from ..model_card import InputSpec
    from ..runtimes.accuracy.accuracy import TestPart
    from .data import DataSet, Images, LooseImages

__all__ = ["CalibrationImages", "CalibrationRecord", "calibration_images", "held_back"]

_AT_ONCE = 32
_JUDGED_AT_ONCE = 256


@dataclass(frozen=True)
class CalibrationRecord:
    """Which images a network was calibrated on."""

    data: str
    """The data set, as a file records it."""
    seed: int
    """By which they were drawn."""
    images: int
    sha256: str
    """Of all their pixels, uint8 [N, H, W, C] at the size the network takes, in their order."""
    indices: tuple[int, ...]
    """Their places in the training part."""

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return {**asdict(self), "indices": list(self.indices)}


class CalibrationImages:
    """Calibration batches; each call goes through the same images again.

    They are float32 [N, C, H, W], normalised as the network takes them.
    """

    def __init__(
        self, images: Images, indices: Sequence[int], spec: InputSpec, *, data: str, seed: int
    ) -> None:
        self._images, self._indices, self._spec = images, [int(each) for each in indices], spec
        self._data, self._seed = data, seed
        self._record: CalibrationRecord | None = None

    def __call__(self) -> Iterator[np.ndarray[Any, Any]]:
        for pixels in self._pixels():
            yield normalise(pixels, self._spec)

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def record(self) -> CalibrationRecord:
        """Which images they are; all are read once to hash them."""
        if self._record is None:
            digest = hashlib.sha256()
            for pixels in self._pixels():
                digest.update(pixels.tobytes())
            self._record = CalibrationRecord(
                data=self._data,
                seed=self._seed,
                images=len(self),
                sha256=digest.hexdigest(),
                indices=tuple(self._indices),
            )
        return self._record

    def _pixels(self) -> Iterator[np.ndarray[Any, Any]]:
        for start in range(0, len(self._indices), _AT_ONCE):
            chosen = self._indices[start : start + _AT_ONCE]
            yield self._images.take(chosen, self._spec.height, self._spec.width)


def calibration_images(
    data: DataSet | LooseImages,
    spec: InputSpec,
    samples: int,
    seed: int = 0,
    *,
    batch: int | None = None,
) -> CalibrationImages:
    """``samples`` calibration images, class-balanced and drawn by ``seed``, fewer where there are.

    They are from the training part without its held-out fifth. Where the network fixes its
    ``batch``, they are as many as fill whole batches, if they fill one: quantising uses no others.
    Raises InputError where one of them is in the test part too: what is then measured there would
    flatter.
    """
    train, _ = data.split()
    samples = min(samples, len(train))
    if batch is not None:
        samples -= samples % batch if samples > batch else 0
    indices = train.indices[pick_balanced(train, samples, seed)]
    if data.test is not None:
        _refuse_overlap(data, indices.tolist(), data.test)
    return CalibrationImages(data.training, indices.tolist(), spec, data=data.reference, seed=seed)


def held_back(
    data: DataSet | LooseImages, spec: InputSpec, limit: int | None = None, seed: int = 0
) -> TestPart:
    """Training images that calibration never sees, to judge int8 by: the held-out fifth.

    ``limit`` keeps that many, class-balanced and drawn by ``seed``. A set without labels is of one
    class, which no network is of. Raises InputError where the set has other channels than ``spec``.
    """
    from ..runtimes.accuracy.accuracy import TestPart

    if data.channels != spec.channels:
        raise InputError(
            f"{data.name} has {data.channels} channel(s); expected images of {spec.channels}"
        )
    _, validation = data.split()
    order = pick_balanced(validation, len(validation) if limit is None else limit, seed)
    labels = validation.labels

    def batches(spec: InputSpec) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        for start in range(0, len(order), _JUDGED_AT_ONCE):
            chosen = order[start : start + _JUDGED_AT_ONCE]
            yield validation.take(chosen, spec.height, spec.width), labels[chosen]

    classes = max(len(data.classes), 1)
    return TestPart(batches=batches, images=len(order), name=data.name, classes=classes)


def _refuse_overlap(data: DataSet | LooseImages, indices: list[int], test: Images) -> None:
    """Compare the raw pixels, at the data set's own size, by their hashes."""
    size = (data.height, data.width)
    known = {digest for _, digest in _digests(test, range(len(test)), size)}
    found = [index for index, digest in _digests(data.training, indices, size) if digest in known]
    if found:
        shown = ", ".join(map(str, sorted(found)[:5])) + (", ..." if len(found) > 5 else "")
        raise InputError(
            f"{data.name}: {len(found)} of {len(indices)} calibration images are in its test part "
            f"too (training images {shown}, counted from 0); expected none: remove them from one "
            "of the two parts"
        )


def _digests(
    images: Images, indices: Sequence[int], size: tuple[int, int]
) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(indices), _AT_ONCE):
        chosen = indices[start : start + _AT_ONCE]
        for index, pixels in zip(chosen, images.take(chosen, *size), strict=True):
            yield index, hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
