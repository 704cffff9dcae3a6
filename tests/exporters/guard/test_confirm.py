"""A choice that accuracy had a part in is judged once more, on images it was not made by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnc.errors import BudgetError
from nnc.exporters.guard.candidate import Candidate
from nnc.exporters.guard.confirm import confirmed
from nnc.exporters.guard.drop import paired_drop

from .building import search


def needs_d(candidate: Candidate) -> float:
    """Points lost where one unit must be float, and a little less with another."""
    return (0.1 if "add" in candidate.float_nodes else 0.3) + 3.0 * (
        "d" not in candidate.float_nodes
    )


def test_a_choice_made_by_accuracy_is_confirmed_on_other_images(world) -> None:
    world.points, world.errors = needs_d, {"d": 0.2}
    world.elsewhere = lambda _: 0.4
    looking = search(world, search_seconds=1000)
    trial = looking.run([Candidate()], more_tools=False)
    assert trial.passed
    assert (trial.drop.points, trial.confirmed.points) == pytest.approx((0.3, 0.4))
    assert world.looked_beyond == 1
    assert trial in looking.trials
    assert "on other images +0.40 points" in trial.figures()


def test_what_holds_at_once_needs_no_other_images(world) -> None:
    world.elsewhere = lambda _: 9.0
    trial = search(world).run([Candidate()], more_tools=True)
    assert trial.passed
    assert trial.confirmed is None
    assert world.looked_beyond == 0


def test_where_a_choice_does_not_hold_elsewhere_what_held_by_more_is_taken(world) -> None:
    """The fewest in float held by luck; the search had also seen more of them in float."""
    shares = {"a": 1.0, "add": 1.0, "mean": 0.15, "fc": 0.05}
    world.points = lambda c: sum(v for k, v in shares.items() if k not in c.float_nodes)
    world.errors = {"a": 0.4, "add": 0.3, "mean": 0.2, "fc": 0.1}
    world.elsewhere = lambda c: 0.1 if "mean" in c.float_nodes else 0.9
    looking = search(world, search_seconds=1000)
    trial = looking.run([Candidate()], more_tools=False)
    assert trial.passed
    assert trial.confirmed.points == pytest.approx(0.1)
    assert "mean" in trial.candidate.float_nodes
    lucky = [each for each in looking.trials if each.confirmed and not each.passed]
    assert lucky


@pytest.mark.parametrize("storable", [False, True])
def test_what_holds_nowhere_else_is_refused_with_both_figures(world, storable) -> None:
    world.points, world.errors = needs_d, {"d": 0.2}
    world.elsewhere, world.storable = lambda _: 0.9, storable
    said = r"\+0\.\d0 points.*on other images \+0\.90 points.*allow more \(--max-drop\)"
    with pytest.raises(BudgetError, match=said):
        search(world, search_seconds=1000).run([Candidate()], more_tools=False)
    assert 1 <= world.looked_beyond <= 4


def test_without_other_images_a_choice_is_taken_with_a_warning(world, caplog) -> None:
    world.points, world.errors = needs_d, {"d": 0.2}
    trial = search(world, search_seconds=1000).run([Candidate()], more_tools=False)
    assert trial.passed
    assert trial.confirmed is None
    assert "no held-back images are left to confirm" in caplog.text


def test_what_held_by_more_is_taken_also_when_the_time_is_over(world) -> None:
    """What is known by then needs no more search: only a look at the other images."""
    world.points = lambda c: 3.0 - 2.6 * ("d" in c.float_nodes) - 0.1 * len(c.float_nodes)
    world.errors = {"a": 0.4, "d": 0.2}
    looking = search(world, search_seconds=12)
    found = looking._found([Candidate()], more_tools=False)
    surer = replace(found.candidate, float_nodes=(*found.candidate.float_nodes, "add"))
    looking.trials.append(replace(found, candidate=surer, drop=paired_drop(1, 0, 10_000)))
    world.now += 1000
    world.elsewhere = lambda c: 0.2 if c == surer else 0.8
    trial = confirmed(looking, found)
    assert trial.candidate == surer
    assert trial.passed


def test_weights_that_fail_elsewhere_as_int8_may_hold_as_floats(world) -> None:
    """The same nodes in float, once with int8 and once with float weights, are two choices."""
    world.storable = True
    world.points = lambda c: 3.0 if not c.float_nodes else 0.3 - 0.1 * (c.float_weights != "int8")
    world.errors = {"d": 0.2}
    world.elsewhere = lambda c: 0.9 if c.float_weights == "int8" else 0.35
    looking = search(world, search_seconds=1000)
    trial = looking.run([Candidate()], more_tools=False)
    assert trial.passed
    assert trial.candidate.float_weights != "int8"
    judged = [each.candidate for each in looking.trials if each.confirmed]
    assert len(judged) == len(set(judged)) == 2


def test_a_choice_that_fails_elsewhere_when_time_is_over_asks_for_more(world) -> None:
    world.points, world.errors = needs_d, {"d": 0.2, "add": 0.1}
    looking = search(world, search_seconds=1000)
    found = looking._found([Candidate()], more_tools=False)
    assert not looking.ran_out
    world.now += 2000
    world.elsewhere = lambda _: 0.8
    with pytest.raises(BudgetError, match="give the search longer"):
        confirmed(looking, found)
