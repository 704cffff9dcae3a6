"""A method's climb: up the ladder to the first failure, then halvings of the gap."""

from __future__ import annotations

import pytest

from nnc.toolchain.experiments.climb import Climb, Step

LADDER = (0.2, 0.4, 0.8)


def _climbed(limit: float, refine: int = 2) -> Climb:
    """A climb in which everything up to ``limit`` holds."""
    climb = Climb(LADDER, refine)
    while (sensitivity := climb.next()) is not None:
        before = climb.most_left
        held = sensitivity <= limit
        climb.steps.append(Step(sensitivity, 0.9, 10, 9, 8, held))
        assert climb.most_left < before
    assert climb.most_left == 0
    return climb


@pytest.mark.parametrize(
    ("limit", "tried", "best"),
    [
        (1.0, [0.2, 0.4, 0.8], 0.8),
        (0.65, [0.2, 0.4, 0.8, 0.6, 0.7], 0.6),
        (0.45, [0.2, 0.4, 0.8, 0.6, 0.5], 0.4),
        (0.12, [0.2, 0.1, 0.15], 0.1),
        (0.01, [0.2, 0.1, 0.05], None),
    ],
)
def test_the_gap_that_is_left_is_halved(limit, tried, best) -> None:
    climb = _climbed(limit)
    assert [step.sensitivity for step in climb.steps] == tried
    assert (climb.best and climb.best.sensitivity) == best


def test_without_refinement_the_first_failure_ends_it() -> None:
    assert [step.sensitivity for step in _climbed(0.45, refine=0).steps] == [0.2, 0.4, 0.8]


def test_a_climb_goes_on_from_what_was_written() -> None:
    whole = _climbed(0.65)
    written = [step.to_json() for step in whole.steps]
    for done in range(len(written)):
        climb = Climb.from_json(LADDER, 2, written[:done])
        assert climb.next() == whole.steps[done].sensitivity
    with pytest.raises(TypeError):
        Climb.from_json(LADDER, 2, [{"sensitivity": 0.2}])
