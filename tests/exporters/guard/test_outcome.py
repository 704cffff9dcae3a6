"""What saves nothing is refused, and what the images cannot show is said."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from nnc.errors import BudgetError
from nnc.exporters.guard.candidate import Candidate
from nnc.exporters.guard.drop import paired_drop
from nnc.exporters.guard.outcome import refuse_idle, warn_unsure
from nnc.exporters.guard.pace import Pace
from nnc.exporters.guard.trial import Trial


@pytest.mark.parametrize(
    ("low", "source_bytes", "refused"), [(0.98, 100, True), (0.98, 101, False), (1.01, 10, False)]
)
def test_what_saves_neither_time_nor_bytes_is_refused(low, source_bytes, refused) -> None:
    pace = Pace(low + 0.01, low, low + 0.02, 1.0, 1.0, 30, 6)
    trial = Trial(Candidate(float_nodes=("a", "b")), "", pace=pace, passed=True)
    raised = pytest.raises(BudgetError, match=r"m\.onnx: int8 gains nothing: .* ship the float")
    with raised if refused else nullcontext():
        refuse_idle(trial, 100, source_bytes, "m.onnx")


def test_a_file_that_was_not_timed_is_not_refused_for_it() -> None:
    refuse_idle(Trial(Candidate(), ""), 100, 10, "m.onnx")


def test_a_limit_within_the_interval_is_said(caplog) -> None:
    trial = Trial(Candidate(), "", drop=paired_drop(20, 18, 4000))
    warn_unsure(trial, 0.5)
    assert caplog.text == ""
    warn_unsure(trial, 0.1)
    assert "4000 held-back images cannot show that at most 0.1 points are lost" in caplog.text
