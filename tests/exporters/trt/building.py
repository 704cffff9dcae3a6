"""Settings and data that the tests of engines share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nnc.exporters.int8.settings import Int8Settings
from nnc.exporters.trt.settings import TrtSettings
from nnc.runtimes.accuracy.accuracy import TestPart
from nnc.runtimes.artifact import CardOverrides, read_artifact

INT8 = Int8Settings(calibration="minmax", samples=64, never_slower=False)
RTX = TrtSettings(flavour="rtx", target_gpu="89", int8=INT8)
FP32 = replace(RTX, precision="fp32")


def described(path: Path):
    return read_artifact(path, CardOverrides(mean=(0.5,), std=(0.5,), image_size=8))


def held_back(images=600, classes=10, seed=1):
    """Noise, labelled at random: float and int8 are wrong alike."""

    def batches(spec):
        rng = np.random.default_rng(seed)
        shape = (images, spec.height, spec.width, spec.channels)
        yield rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, classes, images)

    return TestPart(batches=batches, images=images, name="noise", classes=classes)
