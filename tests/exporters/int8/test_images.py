"""Calibration images reach a model in batches of its own size, in order, none lost between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.errors import InputError
from nnc.exporters.int8.images import FittingImages

from ..conftest import tiny_model


def numbered(sizes):
    """Batches of those sizes; each image holds its number."""

    def images():
        start = 0
        for size in sizes:
            values = np.arange(start, start + size, dtype=np.float32)
            yield np.broadcast_to(values[:, None, None, None], (size, 1, 8, 8))
            start += size

    return images


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=6),
    st.integers(1, 70),
    st.integers(1, 200),
)
def test_a_fixed_batch_is_filled_across_those_given(sizes, fixed, samples):
    fitting = FittingImages(numbered(sizes), tiny_model(batch=fixed), samples, "m.onnx")
    there = min(sum(sizes), samples)
    if there < fixed:
        with pytest.raises(InputError, match=f"m.onnx takes {fixed} images at a time, and {there}"):
            list(fitting())
        return
    for _ in range(2):
        found = list(fitting())
        assert {batch.shape for batch in found} == {(fixed, 1, 8, 8)}
        used = np.concatenate(found)[:, 0, 0, 0]
        np.testing.assert_array_equal(used, np.arange(there - there % fixed))
        assert fitting.count == len(used)


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 200))
def test_any_batch_takes_them_as_they_come(sizes, samples):
    fitting = FittingImages(numbered(sizes), tiny_model(), samples, "m.onnx")
    found = list(fitting())
    assert all(len(batch) for batch in found)
    assert fitting.count == sum(map(len, found)) == min(sum(sizes), samples)


@pytest.mark.parametrize(("samples", "advice"), [(40, "raise --samples"), (512, "give more")])
def test_too_few_for_one_batch_says_how_many_are_needed(samples, advice):
    fitting = FittingImages(numbered([32, 8]), tiny_model(batch=64), samples, "m.onnx")
    with pytest.raises(InputError, match=f"expected at least 64: {advice}") as caught:
        list(fitting())
    assert "\n" not in str(caught.value)
