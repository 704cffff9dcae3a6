"""Noise with labels, as a test part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nnc.runtimes.bench import TestPart


def noise_part(
    count: int = 50, batch: int = 20, *, classes: int = 3, channels: int = 1
) -> TestPart:
    """Noise images, in batches of 20, 20, 10."""
    source = np.random.default_rng(0)
    labels = source.integers(0, classes, count)

    def batches(spec):
        pixels = np.random.default_rng(1).integers(
            0, 256, (count, spec.height, spec.width, channels), dtype=np.uint8
        )
        for start in range(0, count, batch):
            yield pixels[start : start + batch], labels[start : start + batch]

    return TestPart(batches, count, "noise")


@pytest.fixture
def noise() -> Callable[..., TestPart]:
    """Makes test parts of noise."""
    return noise_part
