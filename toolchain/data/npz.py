"""Data sets in one ``.npz``: x_train, y_train, x_test, y_test (Keras's layout)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ...errors import InputError
from ...whole_files import check_input
from .dataset import DataSet
from .images import ArrayImages

__all__ = ["open_npz", "opened_npz", "pixels"]

MOST_CLASSES = 100_000


def open_npz(path: Path, name: str = "", classes: tuple[str, ...] = ()) -> DataSet:
    """Read x_* uint8 [N, H, W] or [N, H, W, 1 or 3] and y_* integers [N].

    Class names come from ``classes``, else from an optional string array ``classes`` in the file,
    else they are the numbers. Nothing is unpickled. Raises InputError for anything else.
    """
    check_input(path)
    with opened_npz(path) as archive:
        if missing := [
            key for key in ("x_train", "y_train", "x_test", "y_test") if key not in archive.files
        ]:
            raise InputError(
                f"{path} lacks {', '.join(missing)}; it holds {', '.join(archive.files[:8])}"
            )
        x_train, x_test = (pixels(path, key, archive[key]) for key in ("x_train", "x_test"))
        y_train = _labels(path, "y_train", archive["y_train"], len(x_train))
        y_test = _labels(path, "y_test", archive["y_test"], len(x_test))
        if not classes and "classes" in archive.files:
            classes = tuple(str(value) for value in archive["classes"].ravel())
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(
            f"{path}: training images are {list(x_train.shape[1:])}, "
            f"test images {list(x_test.shape[1:])}; expected one size"
        )
    if not classes:
        classes = tuple(str(label) for label in range(int(y_train.max(initial=-1)) + 1))
    return DataSet(
        name=name or path.stem,
        classes=classes,
        channels=x_train.shape[3],
        height=x_train.shape[1],
        width=x_train.shape[2],
        training=ArrayImages(x_train, y_train),
        test=ArrayImages(x_test, y_test),
    )


@contextmanager
def opened_npz(path: Path) -> Iterator[NpzFile]:
    """The arrays in ``path``, none of them unpickled.

    Raises InputError where it is no archive, or damaged, also when that shows in reading an array.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise InputError(
                f"{path} holds one array; expected an archive as numpy.savez writes, with x_train, "
                "y_train, x_test, y_test"
            )
        with archive:
            yield archive
    except (
        OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError,
        NotImplementedError,
    ) as error:  # fmt: skip
        raise InputError(
            f"{path} is not a readable .npz data set: it is damaged, or holds Python objects "
            "(which nnc never unpickles)"
        ) from error


def pixels(path: Path, key: str, array: NDArray[Any]) -> NDArray[np.uint8]:
    """The array ``key`` of ``path`` as uint8 [N, H, W, 1 or 3]; InputError for anything else."""
    if array.dtype != np.uint8:
        raise InputError(f"{path}: {key} is {array.dtype}; expected uint8 pixels 0 to 255")
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:]:
        raise InputError(
            f"{path}: {key} has shape {list(array.shape)}; expected [N, H, W] or [N, H, W, 1 or 3]"
        )
    return array


def _labels(path: Path, key: str, array: NDArray[Any], images: int) -> NDArray[np.int64]:
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{path}: {key} is {array.dtype}; expected whole-number labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (images,):
        raise InputError(f"{path}: {key} has shape {list(array.shape)} for {images} images")
    if images and array.min() < 0:
        raise InputError(f"{path}: {key} holds label {array.min()}; labels start at 0")
    if images and int(array.max()) >= MOST_CLASSES:
        raise InputError(
            f"{path}: {key} holds label {array.max()}; expected labels below {MOST_CLASSES}"
        )
    return array.astype(np.int64)
