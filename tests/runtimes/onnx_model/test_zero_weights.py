"""Zeros that make up whole channels, against looking at each channel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnc.runtimes.onnx_model.zero_weights import whole_zeros, zero_mask


def by_hand(mask: np.ndarray, groups: int) -> int:
    """Mark every zero filter and every zero input channel of each group, one by one."""
    marked = np.zeros_like(mask)
    size = len(mask) // groups
    for group in range(groups):
        rows = slice(group * size, (group + 1) * size)
        for row in range(rows.start, rows.stop):
            if mask[row].all():
                marked[row] = True
        for column in range(mask.shape[1]):
            if mask[rows, column].all():
                marked[rows, column] = True
    return int(marked.sum())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([(), (1,), (2, 2)]),
    st.integers(0, 2**31),
)
def test_whole_channels_of_random_weights(groups, rows, columns, kernel, seed):
    source = np.random.default_rng(seed)
    mask = source.random((groups * rows, columns, *kernel)) < 0.4
    mask[source.random(len(mask)) < 0.3] = True
    assert whole_zeros(mask, groups) == by_hand(mask, groups)


@pytest.mark.parametrize(
    ("shape", "groups"), [((0, 3), 1), ((4,), 1), ((), 1), ((3, 2), 2), ((3, 2), 0)], ids=str
)
def test_odd_shapes_and_groups_that_do_not_divide_them(shape, groups):
    assert whole_zeros(np.zeros(shape, bool), groups) == 0
    size = int(np.prod(shape)) if len(shape) > 1 else 0
    assert whole_zeros(np.ones(shape, bool), groups) == size


def test_zero_is_the_zero_point_of_the_channel_and_nan_is_none():
    values = np.array([[5, 0], [7, 7]], np.uint8)
    zero = np.array([5, 7], np.uint8)
    assert zero_mask(values, zero, 0, 0).tolist() == [[True, False], [True, True]]
    assert zero_mask(values, None, 0, 0).sum() == 1
    assert zero_mask(values, np.uint8(7).reshape(()), 0, 0).sum() == 2
    assert not zero_mask(np.array([np.nan]), None, 0, 0).any()
