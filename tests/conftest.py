"""What the tests share: a handful of real images."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from nnc.toolchain.data import DataSet, open_data, pick_balanced
from nnc.toolchain.data.npz import open_npz

# Two OpenMP teams on two cores wait for each other most of the time; tiny networks need one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job starts with Ctrl-C ignored, and so would every process started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def small_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 training and 40 test images of FashionMNIST as an .npz data set."""
    mini = open_data("fashion-mnist-mini")
    arrays = {}
    for part, images, count in (("train", mini.training, 100), ("test", mini.test, 40)):
        chosen = pick_balanced(images, count)
        arrays[f"x_{part}"] = images.take(chosen, 28, 28)[..., 0]
        arrays[f"y_{part}"] = images.labels[chosen]
    path = tmp_path_factory.mktemp("data") / "small.npz"
    with path.open("wb") as stream:
        np.savez(stream, classes=np.array(mini.classes), **arrays)
    return path


@pytest.fixture(scope="session")
def small_data(small_npz: Path) -> DataSet:
    """The same, opened."""
    return open_npz(small_npz)
