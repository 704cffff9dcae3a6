"""Scales and zero points: real numbers that every kernel can divide by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnc.exporters.calibration import SIGNED, UNSIGNED, Grid

VALUES = st.floats(-(2.0**99), 2.0**99, width=32)


@given(VALUES, VALUES, st.sampled_from([SIGNED, UNSIGNED, Grid(-127, 127, symmetric=True)]))
def test_the_scale_is_a_normal_number_and_zero_is_on_the_grid(low, high, grid) -> None:
    scale, zero = grid.parameters(min(low, high), max(low, high))
    assert np.float32(scale) >= np.finfo(np.float32).tiny
    assert grid.lowest <= zero <= grid.highest


@pytest.mark.parametrize("high", [0.0, 1e-45, 1e-40])
def test_a_range_without_width_has_a_small_scale(high: float) -> None:
    scale, zero = UNSIGNED.parameters(0.0, high)
    assert zero == 0
    assert 1e-6 < scale < 1e-3
