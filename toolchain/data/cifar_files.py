"""CIFAR-10 as torchvision keeps it, read without unpickling, and in its binary form.

torchvision's ``cifar-10-batches-py`` holds pickles. Loading a pickle runs what it says; here the
opcodes are only walked (`pickletools.genops` executes nothing) and the one long byte string, the
pixels, and the list of small integers, the labels, are picked out.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .dataset import DataSet
from .images import ArrayImages

__all__ = ["holds_cifar", "open_cifar"]

_TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_PIXELS = 3 * 32 * 32


def holds_cifar(folder: Path) -> bool:
    """Whether ``folder`` holds the six batch files, in either form."""
    return any(
        all((folder / f"{name}{suffix}").is_file() for name in (*_TRAINING, _TEST))
        for suffix in ("", ".bin")
    )


def open_cifar(folder: Path, name: str, classes: tuple[str, ...]) -> DataSet:
    """Read ``cifar-10-batches-py`` or ``cifar-10-batches-bin``; InputError where one is damaged."""
    binary = (folder / f"{_TEST}.bin").is_file()
    read, suffix = (_read_binary, ".bin") if binary else (_read_opcodes, "")
    batches = [read(folder / f"{batch}{suffix}") for batch in (*_TRAINING, _TEST)]
    pixels = np.concatenate([batch[0] for batch in batches[:-1]])
    labels = np.concatenate([batch[1] for batch in batches[:-1]])
    return DataSet(
        name=name,
        classes=classes,
        channels=3,
        height=32,
        width=32,
        training=ArrayImages(pixels, labels),
        test=ArrayImages(*batches[-1]),
    )


def _read_binary(path: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    content = np.fromfile(path, dtype=np.uint8)
    if len(content) == 0 or len(content) % (1 + _PIXELS):
        raise InputError(f"{path} is truncated: {len(content)} bytes are no whole number of images")
    rows = content.reshape(-1, 1 + _PIXELS)
    return _images(rows[:, 1:]), rows[:, 0]


def _read_opcodes(path: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    pixels = b""
    labels: list[int] = []
    in_labels = False
    try:
        for opcode, argument, _position in pickletools.genops(path.read_bytes()):
            if isinstance(argument, (str, bytes)) and opcode.name not in ("GLOBAL", "PUT", "GET"):
                text = argument.encode("latin-1") if isinstance(argument, str) else argument
                in_labels = text == b"labels"
                if len(text) >= _PIXELS:
                    pixels = text
            elif in_labels and opcode.name in ("BININT1", "BININT", "INT"):
                labels.append(int(argument or 0))
    except (ValueError, OSError, UnicodeEncodeError, IndexError) as error:
        raise InputError(f"{path} is no CIFAR-10 batch ({error})") from error
    if not labels or len(pixels) != len(labels) * _PIXELS:
        raise InputError(
            f"{path} is no CIFAR-10 batch: {len(labels)} labels, {len(pixels)} bytes of pixels"
        )
    return _images(np.frombuffer(pixels, dtype=np.uint8)), np.asarray(labels)


def _images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of red, green and blue planes as [N, 32, 32, 3]."""
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
