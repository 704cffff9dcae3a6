"""What the stages are fed: balanced limits, no held-out images, only data sets that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard, Stage
from nnc.toolchain import feeds
from nnc.toolchain.data import DataSet
from nnc.toolchain.data.images import Subset

SPEC = InputSpec(1, 28, 28, (0.5,), (0.5,))


@pytest.mark.parametrize("limit", [10, 25, None])
def test_a_limited_test_part_is_balanced_even_where_files_are_sorted(
    small_data: DataSet, limit: int | None
) -> None:
    by_class = np.argsort(small_data.test.labels, kind="stable")
    data = replace(small_data, test=Subset(small_data.test, by_class))
    part = feeds.test_part(data, limit)
    labels = np.concatenate([labels for _, labels in part.batches(SPEC)])
    counts = np.bincount(labels, minlength=10)
    assert part.images == len(labels) == (limit or 40)
    assert counts.max() - counts.min() <= 1


def test_calibration_images_are_training_images_not_held_out(small_data: DataSet) -> None:
    train, _validation = small_data.split()
    pixels = train.take(range(len(train)), 28, 28)
    known = {((image / 255 - 0.5) / 0.5).astype(np.float32).round(4).tobytes() for image in pixels}
    batches = list(feeds.calibration_batches(small_data, SPEC, 30)())
    drawn = [image.transpose(1, 2, 0).round(4).tobytes() for batch in batches for image in batch]
    assert len(drawn) == 30
    assert set(drawn) <= known


@pytest.mark.parametrize("recorded", ["path:small", "small", "/etc"])
def test_a_file_cannot_name_a_path_to_open(recorded: str) -> None:
    card = ModelCard(SPEC, tuple("0123456789"), history=(Stage("train", {"data": recorded}),))
    with pytest.raises(InputError, match="pass --data PATH"):
        feeds.data_for(card, Path("x.onnx"), None, None)
