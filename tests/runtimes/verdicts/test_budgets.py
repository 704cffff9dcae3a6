"""Budgets: held, missed, not shown, by how much; and what can be asked for at all."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from nnc.errors import BudgetError, InputError
from nnc.runtimes.verdicts import Budgets, enforce, judge
from nnc.runtimes.verdicts.saved import check_bench

from ...made_bench import FILES, Made, bench_result, spoilt

RESULT = bench_result(FILES)
LAST = FILES[-1].name


def _of(verdicts, file=LAST):
    return {one["budget"]: one for one in verdicts if one["file"] == file}


def _planted(**figures):
    """The result with the last file's figures replaced."""

    def change(result):
        file = result["files"][-1]
        for name, (value, low, high) in figures.items():
            target = file["agreement"] if name == "difference" else file["latency"][0]["speedup"]
            target.update({name: value, "low": low, "high": high})

    return spoilt(RESULT, change)


@pytest.mark.parametrize(
    ("difference", "verdict", "sentence"),
    [
        (
            (-0.0020, -0.0045, 0.0005),
            "held",
            ("drops accuracy by 0.20 points (95 % interval -0.05 to 0.45), 0.5 points allowed: "
            "held by 0.30 points, by at least 0.05 points"),
        ),
        (
            (-0.0135, -0.0209, -0.0061),
            "missed",
            ("drops accuracy by 1.35 points (95 % interval 0.61 to 2.09), 0.5 points allowed: "
            "missed by 0.85 points, by at least 0.11 points"),
        ),
        (
            (-0.0040, -0.0090, 0.0010),
            "not shown",
            ("drops accuracy by 0.40 points (95 % interval -0.10 to 0.90), 0.5 points allowed: "
            "not shown, because the interval straddles the budget; more test images narrow it"),
        ),
        ((-0.005, -0.005, -0.005), "held", None),
    ],
)  # fmt: skip
def test_a_drop(difference, verdict, sentence):
    found = _of(judge(_planted(difference=difference), Budgets(max_drop=0.5)))["max-drop"]
    assert found["verdict"] == verdict
    assert found["unit"] == "points"
    assert found["value"] == pytest.approx(-100 * difference[0])
    assert (found["low"], found["high"]) == pytest.approx(
        (-100 * difference[2], -100 * difference[1])
    )
    if sentence is not None:
        assert found["sentence"] == f"{LAST} {sentence}"


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [((3.4, 3.1, 3.6), "held"), ((2.8, 2.6, 2.9), "missed"), ((3.1, 2.9, 3.3), "not shown")],
)
def test_a_speed_up_is_a_budget_from_below(ratio, verdict):
    found = _of(judge(_planted(ratio=ratio), Budgets(min_speedup=3)))["min-speedup"]
    assert (found["verdict"], found["unit"]) == (verdict, "x")
    if verdict == "missed":
        assert found["sentence"].endswith("3x asked for: missed by 0.20x, by at least 0.10x")


def test_size_is_counted_in_millions_of_bytes():
    (found,) = judge(bench_result(FILES[:1]), Budgets(max_size_mb=4.71))
    assert (found["verdict"], found["low"], found["high"]) == ("held", 4.71, 4.71)
    (found,) = judge(bench_result(FILES[:1]), Budgets(max_size_mb=4.6))
    assert found["sentence"] == (
        "mobilenet-fashion-mnist.safetensors has 4.71 MB (exact), 4.6 MB allowed: missed by 0.11 MB"
    )


def test_latency_is_judged_by_an_interval_of_the_median_not_by_p5_and_p95():
    latency = RESULT["files"][-1]["latency"][0]
    found = _of(judge(RESULT, Budgets(max_latency_ms=latency["p95"])))["max-latency-ms"]
    assert latency["p5"] < found["low"] < latency["median"] < found["high"] < latency["p95"]
    assert found["verdict"] == "held"
    near = Budgets(max_latency_ms=latency["median"])
    assert _of(judge(RESULT, near))["max-latency-ms"]["verdict"] == "not shown"
    tight = Budgets(max_latency_ms=0.9 * latency["p5"])
    assert _of(judge(RESULT, tight))["max-latency-ms"]["verdict"] == "missed"


def test_all_but_the_baseline_are_judged_or_the_only_one():
    budgets = Budgets(max_drop=5, max_size_mb=100)
    assert [one["file"] for one in judge(RESULT, budgets)] == [
        name for made in FILES[1:] for name in (made.name, made.name)
    ]
    assert len(judge(bench_result(FILES[:1]), Budgets(max_latency_ms=100))) == 1


def test_a_file_on_two_devices_has_two_verdicts_told_apart():
    def both(result):
        result["files"].append(copy.deepcopy(result["files"][1]))
        result["files"][-1].update(device="cuda", provider="tensorrt")

    verdicts = judge(spoilt(bench_result(FILES[:2], images=50), both), Budgets(max_size_mb=9))
    assert [one["file"] for one in verdicts] == [
        "reference.onnx (onnxruntime cpu)",
        "reference.onnx (onnxruntime cuda tensorrt)",
    ]


@pytest.mark.parametrize("name", ["max-drop", "min-speedup"])
def test_one_file_has_nothing_to_be_judged_against(name):
    budgets = Budgets(**{name.replace("-", "_"): 1})
    with pytest.raises(InputError, match=f"--{name} is judged against the first file"):
        judge(bench_result(FILES[:1]), budgets)
    with pytest.raises(InputError, match="name the baseline before it"):
        budgets.check(1)


def test_a_drop_needs_accuracy():
    with pytest.raises(InputError, match="--max-drop needs accuracy"):
        Budgets(max_drop=1).check(2, accuracy=False)
    found = judge(bench_result(FILES[:2], accuracy=False), Budgets(max_drop=1))
    assert found[0]["verdict"] == "not shown"
    assert found[0]["value"] is None


def test_a_file_that_died_misses_what_was_not_measured():
    result = bench_result([FILES[0], Made("dead.onnx", 1, 10_000, error="its process died")])
    verdicts = judge(result, Budgets(5, 1000, 1000, 0.1, lenient=True))
    assert [one["verdict"] for one in verdicts] == ["missed", "missed", "held", "missed"]
    assert verdicts[2]["sentence"].startswith("dead.onnx has 0.010 MB (exact), 1000 MB allowed")
    assert verdicts[0]["sentence"] == (
        "dead.onnx, max-drop 5 points: missed, because it could not be measured: its process died"
    )
    with pytest.raises(BudgetError):
        enforce(verdicts, lenient=True)


def test_what_a_file_measured_before_it_died_is_judged():
    def died(result):
        result["files"][-1].update(error="its process died", accuracy=None, agreement=None)

    verdicts = _of(judge(spoilt(RESULT, died), Budgets(0.5, 0.001, 100, 2)))
    assert {name: one["verdict"] for name, one in verdicts.items()} == {
        "max-drop": "missed", "max-latency-ms": "missed",
        "max-size-mb": "held", "min-speedup": "held",
    }  # fmt: skip
    assert "because it could not be measured: its process died" in verdicts["max-drop"]["sentence"]
    assert "missed by" in verdicts["max-latency-ms"]["sentence"]


def test_where_the_baseline_died_nothing_is_shown():
    result = bench_result([Made("dead.onnx", 1, 10, error="its process died"), FILES[1]])
    (found,) = judge(result, Budgets(min_speedup=2))
    assert found["verdict"] == "not shown"


@pytest.mark.parametrize(
    ("limit", "verdict", "ending"),
    [
        (2, "missed", "2x asked for: missed by 1.00x, by at least 0.70x"),
        (0.5, "held", "0.5x asked for: held by 0.50x, by at least 0.20x"),
        (
            1,
            "not shown",
            ("not shown, because the interval straddles the budget: the machine was too noisy; "
            "more launches narrow it"),
        ),
    ],
)  # fmt: skip
def test_on_too_noisy_a_machine_the_interval_decides(limit, verdict, ending):
    """Too noisy to tell from 1 is not too noisy to tell from 2."""
    noisy = _planted(ratio=(1.0, 0.7, 1.3))
    noisy["files"][-1]["latency"][0]["speedup"]["verdict"] = "too noisy"
    found = _of(judge(noisy, Budgets(min_speedup=limit, lenient=True)))["min-speedup"]
    assert found["verdict"] == verdict
    assert found["sentence"].endswith(ending)


def test_the_verdicts_fit_the_schema():
    verdicts = judge(RESULT, Budgets(0.5, 0.3, 2, 3))
    result = json.loads(json.dumps({**RESULT, "budgets": verdicts}))
    assert check_bench(result, Path("x"))["budgets"] == verdicts


def test_the_gate_fails_on_missed_and_on_not_shown_unless_lenient():
    def verdict(word):
        return {"verdict": word, "sentence": f"it is {word}", "value": 2.0, "limit": 1.0}

    enforce([verdict("held")])
    enforce([])
    enforce([verdict("held"), verdict("not shown")], lenient=True)
    with pytest.raises(BudgetError) as raised:
        enforce([verdict("held"), verdict("not shown")])
    assert str(raised.value) == (
        "1 of 2 budgets not held: it is not shown; --lenient lets pass what is not shown"
    )
    with pytest.raises(BudgetError) as raised:
        enforce([verdict("missed"), verdict("not shown")], lenient=True)
    assert str(raised.value) == "1 of 2 budgets not held: it is missed"
    assert raised.value.exit_code == 3


def test_of_many_that_fail_the_worst_are_named_and_the_rest_counted():
    def verdict(word, value):
        return {"verdict": word, "sentence": f"{word} at {value}", "value": value, "limit": 1.0}

    every = [verdict("not shown", 9.0), *(verdict("missed", value) for value in (2.0, 5.0, 3.0))]
    with pytest.raises(BudgetError) as raised:
        enforce([*every, verdict("missed", None), verdict("held", 1.0)])
    assert str(raised.value) == (
        "5 of 6 budgets not held: missed at None; missed at 5.0; missed at 3.0; "
        "and 2 more (1 missed, 1 not shown)"
    )


def test_a_gain_is_called_one_and_its_interval_is_that_of_the_gain():
    gained = _planted(difference=(0.005, -0.001, 0.011))
    found = _of(judge(gained, Budgets(max_drop=1)))["max-drop"]
    assert (found["value"], found["low"], found["high"]) == pytest.approx((-0.5, -1.1, 0.1))
    assert found["sentence"] == (
        f"{LAST} gains 0.50 points of accuracy (95 % interval -0.10 to 1.10), a drop of 1 point "
        "allowed: held by 1.50 points, by at least 0.90 points"
    )


def test_no_drop_at_all_is_no_minus_zero():
    found = _of(judge(_planted(difference=(0.0, 0.0, 0.0)), Budgets(max_drop=1)))["max-drop"]
    assert [str(found[key]) for key in ("value", "low", "high")] == ["0.0"] * 3
    assert "drops accuracy by 0.00 points" in found["sentence"]


def test_a_drop_of_nothing_is_said_to_be_hard_to_hold():
    assert Budgets(max_drop=1, max_size_mb=1).warnings == ()
    (line,) = Budgets(max_drop=0).warnings
    assert line.startswith("--max-drop 0 is held only by a file that is shown to be better")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_drop": -1}, "max-drop -1: expected a number from 0 to 100 points"),
        ({"max_drop": float("nan")}, "max-drop nan: expected"),
        ({"max_drop": True}, "max-drop True: expected"),
        ({"max_size_mb": 0}, "max-size-mb 0: expected a number above 0"),
        ({"min_speedup": float("inf")}, "min-speedup inf: expected a number up to 1e+09"),
        ({"max_latency_ms": "5"}, "max-latency-ms 5: expected a number above 0"),
    ],
)
def test_limits_are_checked_when_they_are_given(limits, message):
    with pytest.raises(InputError) as raised:
        Budgets(**limits)
    assert message in str(raised.value)
