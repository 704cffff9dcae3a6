"""The outcome of a release gate in words: which budgets, by how much, for which files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnc.runtimes.verdicts import Budgets, judge
from nnc.toolchain.report.page.budget_words import budget_title, with_unit
from nnc.toolchain.report.page.headline import headline

from ...made_bench import FILES, bench_result, spoilt

BASE, REFERENCE, PRUNED, INT8 = FILES


def _gate(*files, **limits):
    result = bench_result(files)
    result["budgets"] = judge(result, Budgets(**limits))
    return headline(result).gate


def test_it_holds():
    one = _gate(REFERENCE, INT8, max_size_mb=2)
    assert (one.sentence, one.mood) == ("The release gate holds.", "good")
    several = _gate(REFERENCE, PRUNED, INT8, max_size_mb=6)
    assert several.sentence == "The release gate holds for all 2 files."
    assert headline(bench_result(FILES)).gate is None


def test_what_was_missed_and_by_how_much():
    found = _gate(REFERENCE, INT8, max_size_mb=1, min_speedup=100, max_drop=1.3)
    assert found.mood == "bad"
    first, missed, last = found.sentence.partition(
        " by 0.66 MB and speed-up \u2265 100\u00d7 by 98"
    )
    assert first == "Not releasable: pruned.int8.onnx missed size \u2264 1 MB"
    assert missed
    assert last.endswith(". It is not shown to hold accuracy lost \u2264 1.3 points.")


def test_not_shown_is_no_miss():
    found = _gate(REFERENCE, INT8, max_drop=1.3)
    assert found.mood == "doubt"
    assert found.sentence == (
        "Not releasable yet: pruned.int8.onnx is not shown to hold accuracy lost \u2264 1.3 points."
    )


def test_what_is_not_shown_passes_leniently():
    result = bench_result([REFERENCE, INT8])
    result["budgets"] = judge(result, Budgets(max_drop=1.3))
    result["command"].append("--lenient")
    assert headline(result).gate.sentence == (
        "The release gate passes, leniently: no budget is shown to be missed, but not all are "
        "shown to be held."
    )
    result["budgets"] = judge(result, Budgets(max_drop=1.3, max_size_mb=1))
    assert headline(result).gate.sentence.startswith("Not releasable: pruned.int8.onnx missed")


def test_one_holds_and_others_do_not():
    found = _gate(BASE, REFERENCE, PRUNED, INT8, max_size_mb=2)
    assert found.mood == "doubt"
    assert found.sentence == (
        "pruned.int8.onnx holds its budget, but the release gate fails because of reference.onnx "
        "and pruned.onnx."
    )


def test_nothing_could_be_measured():
    dead = [replace(made, error="it died") for made in (REFERENCE, INT8)]
    found = _gate(*dead, max_latency_ms=2)
    assert found.sentence == "The release gate fails because of pruned.int8.onnx."
    died = _gate(REFERENCE, dead[1], max_latency_ms=2)
    assert died.sentence == "The release gate fails because of pruned.int8.onnx."


@pytest.mark.parametrize(
    ("budget", "limit", "unit", "title"),
    [
        ("max-drop", 0.5, "points", "accuracy lost \u2264 0.5 points"),
        ("max-drop", 1.0, "points", "accuracy lost \u2264 1 point"),
        ("max-latency-ms", 1.0, "ms", "latency \u2264 1 ms"),
        ("max-size-mb", 2.5, "MB", "size \u2264 2.5 MB"),
        ("min-speedup", 3.0, "x", "speed-up \u2265 3\u00d7"),
        ("of later", 3.0, "cups", "of later 3 cups"),
    ],
)
def test_all_budgets_are_titled_alike(budget, limit, unit, title):
    assert budget_title({"budget": budget, "limit": limit, "unit": unit}) == title


def test_units_have_real_signs():
    assert with_unit(-0.05, "points") == "\u22120.05 points"
    assert with_unit(3.1, "x") == "3.10\u00d7"
    assert with_unit(5.208, "ms") == "5.21 ms"


def test_a_budget_of_a_file_that_is_not_there_is_no_error():
    result = bench_result([REFERENCE, INT8])
    result["budgets"] = judge(result, Budgets(max_size_mb=1))
    found = headline(spoilt(result, lambda value: value["budgets"][0].update(file="gone.onnx")))
    assert found.gate.sentence == "The release gate fails because of gone.onnx."
