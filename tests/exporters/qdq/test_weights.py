from __future__ import annotations

import numpy as np
import pytest

from nnc.errors import InputError
from nnc.exporters.qdq.weights import QuantisedWeight

VALUES = np.array([[1, -2, 3], [4, 5, -6]], np.int8)


@pytest.mark.parametrize(
    ("values", "scales", "axis", "message"),
    [
        (VALUES.astype(np.int16), np.ones(2, np.float32), 0, "of int16 with scales of float32"),
        (VALUES, np.ones(2), 0, "of int8 with scales of float64"),
        (VALUES, np.ones(3, np.float32), 0, r"\[2, 3\] with scales \[3\]; expected one .* axis 0"),
        (VALUES, np.ones(2, np.float32), 2, "axis 2"),
        (VALUES, np.array([1, 0], np.float32), 0, "no positive number"),
        (VALUES, np.array([1, np.nan], np.float32), 0, "no positive number"),
    ],
)
def test_what_does_not_fit_is_refused(values, scales, axis, message):
    with pytest.raises(InputError, match=message):
        QuantisedWeight(values, scales, axis)
