"""Image batches for training and evaluation: shuffled, augmented, normalised on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...model_card import InputSpec
from ..data import Images

__all__ = ["Batches"]

CACHE_BYTES = 2 << 30
"""Parts whose resized pixels fit in this are resized once and kept."""


class Batches:
    """One part of a data set as batches of (float32 [B, C, H, W], int64 [B]) on ``device``."""

    def __init__(self, images: Images, spec: InputSpec, device: torch.device) -> None:
        self._images = images
        self._spec = spec
        self._device = device
        self._labels = torch.from_numpy(images.labels).to(device)
        shape = (1, 1, 1, spec.channels)
        self._scale = 1 / (255 * torch.tensor(spec.std, device=device).view(shape))
        self._shift = -(
            torch.tensor(spec.mean, device=device) / torch.tensor(spec.std, device=device)
        ).view(shape)
        needed = len(images) * spec.height * spec.width * spec.channels
        self._pixels: torch.Tensor | None = None
        if needed <= CACHE_BYTES:
            self._pixels = self._read(np.arange(len(images))).to(device)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def channels(self) -> int:
        return self._spec.channels

    def shuffled(
        self, batch_size: int, generator: np.random.Generator, *, flip: bool, crop: float
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One epoch in random order, augmented; a last batch of one image is left out."""
        order = generator.permutation(len(self))
        for start in range(0, len(order) - 1, batch_size):
            chosen = order[start : start + batch_size]
            pixels = _augment(self._at(chosen), generator, flip=flip, crop=crop)
            yield self._normalise(pixels), self._labels[torch.from_numpy(chosen).to(self._device)]

    def in_order(self, batch_size: int = 256) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every image once, as it is."""
        for start in range(0, len(self), batch_size):
            chosen = np.arange(start, min(start + batch_size, len(self)))
            yield self._normalise(self._at(chosen)), self._labels[start : start + batch_size]

    def _at(self, chosen: NDArray[Any]) -> torch.Tensor:
        if self._pixels is not None:
            return self._pixels[torch.from_numpy(chosen).to(self._device)]
        return self._read(chosen).to(self._device)

    def _read(self, chosen: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(self._images.take(chosen, self._spec.height, self._spec.width))

    def _normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 [B, H, W, C] to float32 [B, C, H, W], contiguous."""
        images = pixels.float() * self._scale + self._shift
        return images.permute(0, 3, 1, 2).contiguous()


def _augment(
    pixels: torch.Tensor, generator: np.random.Generator, *, flip: bool, crop: float
) -> torch.Tensor:
    """Mirror half of the images, shift each by up to ``crop`` of its side (edges repeat)."""
    count, height, width, _ = pixels.shape
    device = pixels.device
    rows = torch.arange(height).expand(count, -1)
    columns = torch.arange(width).expand(count, -1)
    if (reach := round(crop * height)) > 0:
        rows = rows + torch.from_numpy(generator.integers(-reach, reach + 1, (count, 1)))
        columns = columns + torch.from_numpy(generator.integers(-reach, reach + 1, (count, 1)))
    if flip:
        mirrored = torch.from_numpy(generator.random((count, 1)) < 0.5)
        columns = torch.where(mirrored, width - 1 - columns, columns)
    elif reach == 0:
        return pixels
    rows = rows.clamp(0, height - 1).to(device)
    columns = columns.clamp(0, width - 1).to(device)
    every = torch.arange(count, device=device)
    return pixels[every[:, None, None], rows[:, :, None], columns[:, None, :]]
