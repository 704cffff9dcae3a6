"""The guard's 99% interval of points lost: figures that were so before its formula moved."""

from __future__ import annotations

import pytest

from nnc.exporters.guard.drop import paired_drop


@pytest.mark.parametrize(
    ("lost", "won", "images", "labelled", "low", "high"),
    [
        (0, 0, 500, True, -0.5131134070814543, 0.5131134070814543),
        (0, 0, 500, False, 0.0, 0.5131134070814543),
        (7, 2, 500, True, -0.6225457289668344, 2.6145776014767947),
        (12, 0, 500, False, 0.5609066946546275, 4.219969799369276),
        (125, 25, 10000, True, 0.6843895389085926, 1.3152105410754105),
        (3, 40, 2000, True, -2.694946488275281, -1.001357208028415),
        (1, 0, 1, True, -77.51271105908823, 100.0),
        (500, 0, 500, True, 98.71403618273865, 100.0),
    ],
)
def test_the_interval_is_what_it_was_to_the_last_bit(lost, won, images, labelled, low, high):
    drop = paired_drop(lost, won, images, labelled=labelled)
    assert (drop.low, drop.high) == (low, high)
    assert drop.low <= drop.points <= drop.high


def test_a_gain_is_told_as_one():
    gained = paired_drop(1, 11, 3000, float_top1=0.9)
    assert str(gained).startswith("+0.33 points of top-1 gained of 90.00 (99% interval ")
    assert f"{-gained.high:+.2f} to {-gained.low:+.2f}, 3000 images)" in str(gained)
    assert str(paired_drop(11, 1, 3000)).startswith("+0.33 points of top-1 lost (")
