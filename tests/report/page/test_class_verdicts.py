"""Which classes changed: exact, corrected for their number, and never at odds with the interval."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.toolchain.report.page.class_verdicts import class_verdicts, holm


def _class(lost, won, images=200):
    return {"label": "x", "images": images, "lost": lost, "won": won}


def test_five_lost_and_none_won_may_be_chance():
    """The exact p is 2 / 32."""
    (found,) = class_verdicts([_class(5, 0)])
    assert found.p == pytest.approx(0.0625)
    assert not found.shown
    assert found.high == 0.0
    assert found.low < found.share == -0.025


def test_many_classes_take_more_to_show_one():
    """Six lost have p = 2 / 64: enough for one class, not for one of two."""
    assert class_verdicts([_class(6, 0)])[0].shown
    first, second = class_verdicts([_class(6, 0), _class(0, 0)])
    assert first.p == pytest.approx(2 * 2 / 64)
    assert not first.shown
    assert not second.shown
    assert class_verdicts([_class(6, 0), _class(0, 0, images=0)])[0].shown  # no test was made


def test_holms_correction():
    """The example of Holm's method in its usual form: times 4, 3, 2, 1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("images", [10, 200, 1000])
def test_the_interval_holds_0_just_where_nothing_is_shown(images):
    for lost in range(10):
        for won in range(10 - lost):
            for found in class_verdicts([_class(lost, won, images), _class(1, 1, images)]):
                assert (found.low <= 0 <= found.high) is not found.shown
                assert found.low <= found.share <= found.high


def test_the_interval_covers_the_true_change():
    """Classes of 200 images, of which 3 % are lost and 3 % won, 500 times: right in 95 of 100."""
    random = np.random.default_rng(0)
    drawn = random.multinomial(200, [0.03, 0.03, 0.94], size=500)
    found = [class_verdicts([_class(int(lost), int(won))])[0] for lost, won, _ in drawn]
    assert sum(one.low <= 0 <= one.high for one in found) / 500 >= 0.95
