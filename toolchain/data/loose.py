"""Images without labels: enough to calibrate on, and to compare two networks' answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...whole_files import check_input
from .dataset import VALIDATION_SHARE, DataSet
from .folder import common_form
from .images import ArrayImages, FileImages, Images, Subset
from .npz import opened_npz, pixels
from .sources import DATA_NAMES, open_data

__all__ = ["LooseImages", "open_images"]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_KEYS = ("x_train", "images", "x")


@dataclass(frozen=True)
class LooseImages:
    """Images of which nothing is known but themselves; their labels are all 0.

    ``test`` are those that must not be calibrated on, where the set tells them apart.
    """

    name: str
    channels: int
    height: int
    width: int
    training: Images
    test: Images | None = None

    def __post_init__(self) -> None:
        if len(self.training) < 2:
            raise InputError(
                f"{self.name}: {len(self.training)} image(s); expected at least 2, one to "
                "calibrate on and one to judge by"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """None are known."""
        return ()

    @property
    def reference(self) -> str:
        """What a file records of the set."""
        return f"path:{self.name}"

    @property
    def mean(self) -> tuple[float, ...]:
        return (0.5,) * self.channels

    @property
    def std(self) -> tuple[float, ...]:
        return (0.5,) * self.channels

    def split(self) -> tuple[Subset, Subset]:
        """The images as (train, validation), 80 % and 20 %, by their content alone."""
        identities = self.training.identities()
        order = np.asarray([int.from_bytes(each[:8], "little") for each in identities], np.uint64)
        count = min(max(round(len(order) * VALIDATION_SHARE), 1), len(order) - 1)
        held_out = np.zeros(len(order), dtype=bool)
        # By value, so that identical images land on one side.
        held_out[order <= np.sort(order)[count - 1]] = True
        if held_out.all():
            raise InputError(f"{self.name}: all {len(order)} images are the same")
        return (
            Subset(self.training, np.flatnonzero(~held_out)),
            Subset(self.training, np.flatnonzero(held_out)),
        )


def open_images(name: str, data_dir: Path | None = None) -> DataSet | LooseImages:
    """A data set as `open_data` finds it, else the images of any ``.npz`` or folder.

    An ``.npz`` without labels has its images in ``x_train``, ``images``, ``x`` or its only array,
    uint8 [N, H, W] or [N, H, W, 1 or 3], and may have ``x_test``. A folder that is not laid out as
    train/CLASS and test/CLASS is searched for images all through, below ``train`` where it has
    that; its folder ``test`` is kept apart. Raises InputError for anything else.
    """
    path = Path(name)
    if name in DATA_NAMES or not path.exists():
        return open_data(name, data_dir)
    if path.is_dir():
        return open_data(name) if _holds_classes(path) else _open_folder(path)
    if path.suffix == ".npz":
        return _open_npz(path)
    return open_data(name)


def _holds_classes(path: Path) -> bool:
    return all(
        (path / part).is_dir() and any(entry.is_dir() for entry in (path / part).iterdir())
        for part in ("train", "test")
    )


def _open_folder(path: Path) -> LooseImages:
    parted = (path / "train").is_dir()
    files = _files(path / "train" if parted else path)
    test = _files(path / "test") if (path / "test").is_dir() else []
    files = sorted(set(files) - set(test))
    if not files:
        raise InputError(f"{path} holds no .png or .jpg image to calibrate on")
    channels, height, width = common_form(files)
    return LooseImages(
        name=path.resolve().name,
        channels=channels,
        height=height,
        width=width,
        training=FileImages(files, [0] * len(files), channels),
        test=FileImages(test, [0] * len(test), channels) if test else None,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _open_npz(path: Path) -> DataSet | LooseImages:
    check_input(path)
    with opened_npz(path) as archive:
        names = archive.files
        if "y_train" in names:
            return open_data(str(path))
        key = next((key for key in _KEYS if key in names), names[0] if names else "")
        if key not in _KEYS and len(names) != 1:
            raise InputError(
                f"{path} holds {', '.join(names[:8]) or 'nothing'}; expected the images as "
                "x_train, images or x"
            )
        training = pixels(path, key, archive[key])
        test = pixels(path, "x_test", archive["x_test"]) if "x_test" in names else None
    return LooseImages(
        name=path.stem,
        channels=training.shape[3],
        height=training.shape[1],
        width=training.shape[2],
        training=_unlabelled(training),
        test=None if test is None else _unlabelled(test),
    )


def _unlabelled(images: NDArray[np.uint8]) -> ArrayImages:
    return ArrayImages(images, np.zeros(len(images), np.int64))
