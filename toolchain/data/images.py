"""Labelled images, in memory or in files, handed out at the size a network asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["ArrayImages", "FileImages", "Images", "Subset", "opened_image", "resize"]

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Images(Protocol):
    """A labelled part of a data set."""

    @property
    def labels(self) -> Labels:
        """Class index of each image, int64 [N]."""

    def take(self, indices: Sequence[int] | NDArray[Any], height: int, width: int) -> Pixels:
        """The images at ``indices``, resized: uint8 [len(indices), height, width, channels]."""

    def identities(self) -> list[bytes]:
        """For each image 16 bytes that depend on the image alone, not on its place in the file."""

    def __len__(self) -> int: ...


def resize(images: Pixels, height: int, width: int) -> Pixels:
    """Resize uint8 [N, H, W, C] to [N, height, width, C]: bilinear, antialiased when shrinking."""
    if images.shape[1:3] == (height, width):
        return images
    from PIL import Image

    channels = images.shape[3]
    result = np.empty((len(images), height, width, channels), dtype=np.uint8)
    for source, target in zip(images, result, strict=True):
        picture = Image.fromarray(source[..., 0] if channels == 1 else source)
        resized = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
        target[...] = resized.reshape(target.shape)
    return result


class ArrayImages:
    """Images of one size held in memory: pixels uint8 [N, H, W, C], labels [N]."""

    def __init__(self, pixels: Pixels, labels: NDArray[Any]) -> None:
        self._pixels = pixels
        self._labels: Labels = labels.astype(np.int64)

    @property
    def labels(self) -> Labels:
        return self._labels

    def take(self, indices: Sequence[int] | NDArray[Any], height: int, width: int) -> Pixels:
        return resize(self._pixels[np.asarray(indices, dtype=np.intp)], height, width)

    def identities(self) -> list[bytes]:
        return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in self._pixels]

    def __len__(self) -> int:
        return len(self._pixels)


@contextmanager
def opened_image(path: Path) -> Iterator[PIL.Image.Image]:
    """The picture in a file; InputError where it cannot be opened or decoded."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable image ({error})") from error


def _eight_bit(picture: PIL.Image.Image, path: Path) -> PIL.Image.Image:
    """The picture with 8 bits a channel; Pillow would clip 16-bit grey values, not scale them."""
    from PIL import Image

    if picture.mode == "F":
        raise InputError(f"{path} holds floating-point pixels; expected 8 or 16 bits a channel")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.float64)
    return Image.fromarray(np.clip(np.rint(values / 257), 0, 255).astype(np.uint8))


def _file_hash(path: Path) -> bytes:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


class FileImages:
    """Images in files, read when asked for; all are converted to ``channels`` channels."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int], channels: int) -> None:
        self._files = list(files)
        self._identities: list[bytes] | None = None
        self._labels: Labels = np.asarray(labels, dtype=np.int64)
        self._channels = channels

    @property
    def labels(self) -> Labels:
        return self._labels

    def take(self, indices: Sequence[int] | NDArray[Any], height: int, width: int) -> Pixels:
        from PIL import Image

        mode = "L" if self._channels == 1 else "RGB"
        result = np.empty((len(indices), height, width, self._channels), dtype=np.uint8)
        for target, index in zip(result, indices, strict=True):
            with opened_image(self._files[int(index)]) as picture:
                picture.draft(mode, (width, height))
                eight_bit = _eight_bit(picture, self._files[int(index)])
                resized = eight_bit.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
            target[...] = np.asarray(resized).reshape(target.shape)
        return result

    def identities(self) -> list[bytes]:
        """Hashes of the files' bytes: every file is read once."""
        if self._identities is None:
            self._identities = [_file_hash(path) for path in self._files]
        return self._identities

    def __len__(self) -> int:
        return len(self._files)


class Subset:
    """Some images of a larger part, by index."""

    def __init__(self, images: Images, indices: NDArray[Any]) -> None:
        self._images = images
        self._indices = np.asarray(indices, dtype=np.intp)

    @property
    def indices(self) -> NDArray[np.intp]:
        """Where the images stand in the larger part."""
        return self._indices

    @property
    def labels(self) -> Labels:
        return self._images.labels[self._indices]

    def take(self, indices: Sequence[int] | NDArray[Any], height: int, width: int) -> Pixels:
        return self._images.take(self._indices[np.asarray(indices, dtype=np.intp)], height, width)

    def identities(self) -> list[bytes]:
        every = self._images.identities()
        return [every[index] for index in self._indices]

    def __len__(self) -> int:
        return len(self._indices)
