"""The MNIST family's idx files, plain or gzipped (torchvision's and Debian's layouts)."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .dataset import DataSet
from .images import ArrayImages

__all__ = ["holds_idx", "open_idx"]

_STEMS = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def holds_idx(folder: Path) -> bool:
    """Whether all four files lie in ``folder``, plain or with ``.gz``."""
    return all(_file(folder, stem) is not None for stem in _STEMS.values())


def open_idx(folder: Path, name: str, classes: tuple[str, ...]) -> DataSet:
    """Read the four idx files of ``folder``; InputError where one is damaged."""
    arrays = {}
    for key, stem in _STEMS.items():
        path = _file(folder, stem)
        if path is None:
            raise InputError(f"{folder} lacks {stem}")
        arrays[key] = _read(path, dimensions=3 if key.startswith("x") else 1)
    for part in ("train", "test"):
        images, labels = len(arrays[f"x_{part}"]), len(arrays[f"y_{part}"])
        if images != labels:
            raise InputError(f"{folder}: {images} {part} images but {labels} labels")
    height, width = arrays["x_train"].shape[1:]
    return DataSet(
        name=name,
        classes=classes,
        channels=1,
        height=height,
        width=width,
        training=ArrayImages(arrays["x_train"][..., np.newaxis], arrays["y_train"]),
        test=ArrayImages(arrays["x_test"][..., np.newaxis], arrays["y_test"]),
    )


def _file(folder: Path, stem: str) -> Path | None:
    return next((path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()), None)


def _read(path: Path, dimensions: int) -> NDArray[Any]:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, 8, dimensions)):
        raise InputError(f"{path} is not an idx file of {dimensions} dimension(s)")
    shape = tuple(int(n) for n in np.frombuffer(content[4:header], dtype=">u4"))
    if len(content) - header != math.prod(shape):
        raise InputError(
            f"{path} is truncated or damaged: {len(content) - header} bytes for {list(shape)}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
