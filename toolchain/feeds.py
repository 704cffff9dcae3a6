"""What the stages are fed with: a data set's images at the size a network takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .calibration_images import CalibrationRecord, calibration_images, held_back
from .data import DATA_NAMES, DataSet, LooseImages, open_data, open_images, pick_balanced

if TYPE_CHECKING:
    import numpy as np

    from ..model_card import InputSpec, ModelCard
    from ..runtimes.accuracy.accuracy import TestPart
    from ..runtimes.artifact import Artifact, CardOverrides

__all__ = [
    "CalibrationRecord",
    "artifact_and_data",
    "artifact_and_images",
    "calibration_images",
    "check_fits",
    "check_images",
    "data_defaults",
    "data_for",
    "held_back",
    "test_part",
]

CHECK_IMAGES = 16
TEST_BATCH = 256


def data_for(
    card: ModelCard | None, source: Path, named: str | None, folder: Path | None
) -> DataSet:
    """The data set called ``named``, else the one that ``source``'s card records.

    Only a set known by name is opened again from what a file says; raises InputError, asking for
    ``--data``, where the card records none or one that was given by a path.
    """
    if named is not None:
        return open_data(named, folder)
    recorded = card.data if card is not None else ""
    if not recorded:
        raise InputError(f"{source} records no data set; pass --data NAME or --data PATH")
    if recorded not in DATA_NAMES:
        raise InputError(
            f"{source} was made with data of your own ('{recorded}'); pass --data PATH"
        )
    return open_data(recorded, folder)


def artifact_and_data(
    path: Path, overrides: CardOverrides, named: str | None, folder: Path | None
) -> tuple[Artifact, DataSet]:
    """A file and the data set it is fed with; where the file says nothing, the data set does.

    Raises InputError for a bad file, and where neither ``named`` nor the file names a data set.
    """
    from ..runtimes.artifact import read_artifact

    if named is None:
        artifact = read_artifact(path, overrides)
        return artifact, data_for(artifact.card, path, None, folder)
    data = open_data(named, folder)
    return read_artifact(path, overrides, defaults=data_defaults(data)), data


def artifact_and_images(
    path: Path, overrides: CardOverrides, named: str | None, folder: Path | None
) -> tuple[Artifact, DataSet | LooseImages]:
    """As `artifact_and_data`, but images without labels will do: any ``.npz`` or folder of them."""
    from ..runtimes.artifact import read_artifact

    if named is None:
        return artifact_and_data(path, overrides, None, folder)
    data = open_images(named, folder)
    return read_artifact(path, overrides, defaults=data_defaults(data)), data


def data_defaults(data: DataSet | LooseImages) -> CardOverrides:
    """What a data set says of a file that nnc did not make."""
    from ..runtimes.artifact import CardOverrides

    size = data.height if data.height == data.width else None
    labels = data.classes or None
    return CardOverrides(mean=data.mean, std=data.std, image_size=size, labels=labels)


def check_fits(
    spec: InputSpec, data: DataSet | LooseImages, source: Path, labels: int | None = None
) -> None:
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


def test_part(data: DataSet, limit: int | None = None, seed: int = 0) -> TestPart:
    """The test part of ``data`` for `nnc.runtimes.bench.bench`: for the final measuring alone.

    ``limit`` keeps that many images, class-balanced and drawn by ``seed``: the first ones would be
    of one class where files are sorted by class.
    """
    import numpy as np

    from ..runtimes.accuracy.accuracy import TestPart

    order = np.arange(len(data.test))
    if limit is not None and limit < len(order):
        order = pick_balanced(data.test, limit, seed)

    def batches(spec: InputSpec) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        for start in range(0, len(order), TEST_BATCH):
            chosen = order[start : start + TEST_BATCH]
            yield data.test.take(chosen, spec.height, spec.width), data.test.labels[chosen]

    return TestPart(batches=batches, images=len(order), name=data.name, classes=len(data.classes))
