"""The search: what it tries, what it takes, when it stops, what it says where nothing holds."""

from __future__ import annotations

import pytest

from nnc.errors import BudgetError, InputError
from nnc.exporters.guard.candidate import Candidate
from nnc.exporters.guard.trial import Limits
from nnc.exporters.guard.tries import OutOfTimeError

from .building import UNITS, search


def test_what_holds_is_taken_at_once(world) -> None:
    looking = search(world)
    trial = looking.run([Candidate()], more_tools=True)
    assert trial.passed
    assert trial.candidate == Candidate()
    assert len(looking.trials) == 1


STEM = ("a", "relu", "pool")


def test_a_float_stem_is_taken_where_it_is_faster(world) -> None:
    world.ratio = lambda candidate: 1.6 if candidate.float_nodes == STEM else 1.5
    looking = search(world)
    trial = looking.run([Candidate()], more_tools=True)
    assert trial.candidate == Candidate(float_nodes=STEM)
    assert trial.passed
    assert trial.pace.ratio == pytest.approx(1.6)


def test_a_faster_float_stem_that_loses_too_much_is_not_taken(world) -> None:
    world.ratio = lambda candidate: 1.6 if candidate.float_nodes else 1.5
    world.points = lambda candidate: 3.0 if candidate.float_nodes else 0.0
    assert search(world).run([Candidate()], more_tools=True).candidate == Candidate()


def test_float_where_int8_is_slower_is_taken_where_that_is_faster(world) -> None:
    world.gains = {"add": -0.4, "mean": -0.3}
    world.ratio = lambda c: 1.7 if {"add", "mean"} <= set(c.float_nodes) else 1.5
    trial = search(world).run([Candidate()], more_tools=True)
    assert {"add", "mean"} <= set(trial.candidate.float_nodes)
    assert "fc" not in trial.candidate.float_nodes
    assert trial.pace.ratio == pytest.approx(1.7)


def test_a_little_that_float_might_save_is_not_timed(world) -> None:
    world.gains = {"add": -0.04}
    world.ratio = lambda c: 1.6 if "add" in c.float_nodes else 1.5
    looking = search(world)
    assert looking.run([Candidate()], more_tools=True).candidate == Candidate()
    assert world.timed == 2  # the whole network, and the stem


def test_weights_of_float_layers_are_stored_as_int8_where_that_holds(world) -> None:
    world.storable = True
    world.ratio = lambda c: 1.6 if c.float_nodes == STEM else 1.5
    looking = search(world)
    trial = looking.run([Candidate()], more_tools=True)
    assert trial.candidate == Candidate(float_nodes=STEM, float_weights="int8")
    assert trial.passed
    assert trial.pace.ratio == pytest.approx(1.6)
    assert world.timed == 3  # the whole, the race, the mixture: stored weights run as they are


def test_weights_of_float_layers_stay_float_where_int8_loses_too_much(world) -> None:
    world.storable = True
    world.ratio = lambda c: 1.6 if c.float_nodes == STEM else 1.5
    world.points = lambda c: 3.0 if c.float_weights == "int8" else 0.0
    trial = search(world).run([Candidate()], more_tools=True)
    assert trial.candidate == Candidate(float_nodes=STEM)


def test_one_candidate_alone_passes_or_is_refused_with_what_it_lost(world) -> None:
    alone = Candidate(float_weights="int8", weights_only=True)
    assert search(world).only(alone, "weights").passed
    world.points = lambda _: 4.0
    with pytest.raises(BudgetError, match=r"float arithmetic.*\+4\.00 points.*allow more \(--max"):
        search(world).only(alone, "weights")


@pytest.mark.parametrize("limits", [{"search_seconds": 0}, {"never_slower": False}])
def test_no_stem_is_tried_without_a_search_or_a_clock(world, limits) -> None:
    world.ratio = lambda candidate: 1.6 if candidate.float_nodes else 1.5
    looking = search(world, timed=limits.get("never_slower", True), **limits)
    assert looking.run([Candidate()], more_tools=True).candidate == Candidate()


def test_the_calibration_nearest_to_float_is_taken(world) -> None:
    costs = {"minmax": 0.4, "mse": 0.1, "entropy": 0.3}
    world.points = lambda candidate: costs[candidate.calibration]
    looking = search(world)
    trial = looking.run([Candidate(name) for name in costs], more_tools=True)
    assert trial.candidate.calibration == "mse"
    assert [entry.divergence for entry in looking.trials[:3]] == pytest.approx([0.04, 0.01, 0.03])


def test_tools_are_used_where_they_help_and_only_those(world) -> None:
    def points(candidate: Candidate) -> float:
        return 2.0 - 1.6 * ("bias-correction" in candidate.tools)

    world.points = points
    trial = search(world).run([Candidate()], more_tools=True)
    assert trial.candidate.tools == ("bias-correction",)
    assert trial.passed


def test_the_unit_that_costs_most_stays_float(world) -> None:
    world.points = lambda c: (
        (0.0 if "d" in c.float_nodes else 3.0) + (0.0 if "fc" in c.float_nodes else 0.1)
    )
    world.errors = {"d": 0.2, "fc": 0.1}
    looking = search(world, search_seconds=1000)
    trial = looking.run([Candidate()], more_tools=False)
    assert trial.candidate.float_nodes == ("d", "clip")
    assert trial.passed
    costs = {entry.unit.name: entry.cost for entry in looking.ranked}
    assert costs["d"] == pytest.approx(0.3)
    assert costs["a"] == pytest.approx(0.0)


def test_two_units_are_found_and_a_third_is_put_back(world) -> None:
    needed = {"a", "add"}
    shares = {"a": 1.0, "add": 1.0, "d": 0.2}
    world.points = lambda c: sum(v for k, v in shares.items() if k not in c.float_nodes) - 0.0
    world.errors = {"d": 0.3, "a": 0.2, "add": 0.1}
    trial = search(world, search_seconds=1000).run([Candidate()], more_tools=False)
    assert needed <= set(trial.candidate.float_nodes)
    assert "d" not in trial.candidate.float_nodes
    assert trial.drop.points == pytest.approx(0.2)


def test_units_that_int8_slows_down_become_float(world) -> None:
    world.gains = {"add": -0.5}
    world.ratio = lambda c: 1.2 if "add" in c.float_nodes else 0.7
    looking = search(world)
    trial = looking.run([Candidate()], more_tools=True)
    assert "add" in trial.candidate.float_nodes
    assert trial.pace.ratio == pytest.approx(1.2)


def test_of_what_is_not_slower_the_fastest_is_taken(world) -> None:
    world.gains = {"a": 5.0, "add": -0.5}
    world.ratio = lambda c: 0.7 if not c.float_nodes else 1.3 if "mean" in c.float_nodes else 1.1
    trial = search(world).run([Candidate()], more_tools=True)
    assert trial.pace.ratio == pytest.approx(1.3)
    assert {"add", "mean"} <= set(trial.candidate.float_nodes)


def test_only_what_gains_most_may_be_left_in_int8(world) -> None:
    world.gains = {"a": 5.0, "add": -0.5}
    world.ratio = lambda c: 1.3 if set(UNITS) - {"a"} <= set(c.float_nodes) else 0.8
    trial = search(world).run([Candidate()], more_tools=True)
    assert set(trial.candidate.float_nodes) >= set(UNITS) - {"a"}
    assert "a" not in trial.candidate.float_nodes


def test_nothing_that_holds_says_the_best_figures(world) -> None:
    world.points = lambda c: 7.0
    with pytest.raises(BudgetError, match=r"at most 0\.5 points lost.*\+7\.00 points of top-1"):
        search(world).run([Candidate()], more_tools=True)


def test_slower_throughout_is_refused_with_the_ratio(world) -> None:
    world.ratio = lambda c: 0.6
    with pytest.raises(BudgetError, match=r"0\.60 times float's speed.*--weights-only"):
        search(world).run([Candidate()], more_tools=True)


def test_no_time_means_no_search(world) -> None:
    world.points = lambda c: 7.0
    looking = search(world, search_seconds=0)
    with pytest.raises(BudgetError, match="--search-seconds"):
        looking.run([Candidate()], more_tools=False)
    assert len(looking.trials) == 1


def test_a_file_all_in_float_is_no_answer(world) -> None:
    world.gains = dict.fromkeys(UNITS, -0.5)
    world.ratio = lambda c: 1.0 if set(UNITS) <= set(c.float_nodes) else 0.5
    with pytest.raises(BudgetError, match="not slower than float"):
        search(world).run([Candidate()], more_tools=True)
    world.points = lambda c: 0.0 if set(UNITS) <= set(c.float_nodes) else 9.0
    with pytest.raises(BudgetError, match=r"at most 0\.5 points lost"):
        search(world, timed=False, search_seconds=500).run([Candidate()], more_tools=True)


def test_the_search_ends_in_time_with_what_holds(world) -> None:
    """Ranking takes half of the time at most, and what holds when it is over is still timed."""
    world.points = lambda c: 0.0 if "d" in c.float_nodes else 3.0
    world.errors = {"d": 0.2}
    trial = search(world, search_seconds=5).run([Candidate()], more_tools=False)
    assert trial.passed
    assert world.now < 12


def test_without_timing_the_fewest_in_float_are_taken(world) -> None:
    needed = {"a", "add", "mean"}
    world.points = lambda c: 2.0 if needed - set(c.float_nodes) else 0.0
    world.errors = {"a": 0.4, "add": 0.3, "mean": 0.2, "d": 0.1}
    looking = search(world, timed=False, search_seconds=1000)
    trial = looking.run([Candidate()], more_tools=False)
    fewest = min(len(t.candidate.float_nodes) for t in looking.trials if t.passed)
    assert len(trial.candidate.float_nodes) == fewest


def test_what_fails_on_accuracy_is_timed_once_also_after_calibrations_were_tried(world) -> None:
    world.points = lambda c: 7.0
    with pytest.raises(BudgetError, match="times float's speed"):
        search(world, search_seconds=0).run([Candidate(), Candidate("mse")], more_tools=True)
    assert world.timed == 1


def test_values_that_int8_cannot_hold_take_both_their_units(world) -> None:
    """Making one of two units float changes nothing; the error shows in the second."""
    world.points = lambda c: 0.0 if {"d", "add"} <= set(c.float_nodes) else 9.0
    world.errors = {"add": 0.9}
    trial = search(world, search_seconds=1000).run([Candidate()], more_tools=False)
    assert {"d", "add"} <= set(trial.candidate.float_nodes)
    assert trial.passed
    assert "fc" not in trial.candidate.float_nodes


def test_a_plan_that_names_unknown_nodes_is_refused(world) -> None:
    with pytest.raises(InputError, match="keeps node 'nowhere' in float; the model has none"):
        search(world).replay(Candidate(float_nodes=("nowhere",)))


def test_limits_switched_off_are_not_measured(world) -> None:
    world.points = lambda c: 50.0
    world.ratio = lambda c: 0.1
    looking = search(world, timed=False, max_drop=None, never_slower=False)
    trial = looking.run([Candidate()], more_tools=True)
    assert (trial.drop, trial.pace, trial.passed) == (None, None, True)


def test_a_plan_is_judged_and_not_searched(world) -> None:
    choice = Candidate("mse", float_nodes=("d", "clip"))
    assert search(world).replay(choice).candidate == choice
    world.points = lambda c: 2.0
    with pytest.raises(BudgetError, match="the plan's choice does not pass here"):
        search(world).replay(choice)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_drop": -1}, "max_drop -1: expected 0 to 100"),
        ({"max_drop": float("nan")}, "max_drop nan"),
        ({"search_seconds": -1}, "search_seconds -1"),
    ],
)
def test_impossible_limits_are_refused(limits, message) -> None:
    with pytest.raises(InputError, match=message):
        Limits(**limits)


def test_choosing_a_calibration_leaves_time_for_the_rest(world) -> None:
    world.seconds_a_build = 20
    world.points = lambda c: 0.4 if c.calibration == "minmax" else 0.1
    looking = search(world, search_seconds=60)
    names = ("minmax", "entropy", "mse", "percentile")
    trial = looking.run([Candidate(name) for name in names], more_tools=True)
    judged = [each.candidate.calibration for each in looking.trials if each.divergence is not None]
    assert judged == ["minmax", "entropy"]
    assert trial.candidate.calibration == "entropy"


def test_longer_is_advised_only_where_time_was_short(world) -> None:
    world.points = lambda c: 7.0
    with pytest.raises(BudgetError) as short:
        search(world, search_seconds=3).run([Candidate()], more_tools=True)
    with pytest.raises(BudgetError) as enough:
        search(world, search_seconds=10_000).run([Candidate()], more_tools=True)
    assert "give the search longer" in str(short.value)
    assert "give the search longer" not in str(enough.value)


def test_a_share_of_the_search_ends_with_the_search(world) -> None:
    looking = search(world, search_seconds=100)
    looking.start_clock()
    with looking.within(1000):
        world.now += 150
        with pytest.raises(OutOfTimeError):
            looking.check_time()
    assert looking.ran_out
