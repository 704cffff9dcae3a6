"""Evidence: images that criteria judge by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from ...errors import InputError

__all__ = ["Evidence"]


class _Source(Protocol):
    """What `training.batches.Batches` offers."""

    def __len__(self) -> int: ...

    def shuffled(
        self, batch_size: int, generator: np.random.Generator, *, flip: bool, crop: float
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]: ...


class Evidence:
    """At most ``images`` images of ``source`` in batches, the same ones every time it is read."""

    def __init__(
        self, source: _Source, *, images: int = 512, batch_size: int = 16, seed: int = 0
    ) -> None:
        if len(source) < 2 or images < 2 or batch_size < 2:
            raise InputError(
                f"{min(len(source), images)} image(s) in batches of {batch_size} to judge by; "
                "expected at least 2 of each"
            )
        self._source = source
        self._batches = -(-images // batch_size)
        self._batch_size = batch_size
        self._seed = seed
        self.images = min(len(source), self._batches * batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of (float32 [B, C, H, W], int64 [B]), neither mirrored nor shifted."""
        generator = np.random.default_rng([self._seed, 7])
        batches = self._source.shuffled(self._batch_size, generator, flip=False, crop=0.0)
        for _, batch in zip(range(self._batches), batches, strict=False):
            yield batch
