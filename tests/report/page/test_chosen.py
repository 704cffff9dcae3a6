"""The file a page is about: what may ship, else the best trade, never just the last one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnc.runtimes.verdicts import Budgets, judge
from nnc.toolchain.report.page.chosen import choose
from nnc.toolchain.report.page.files_view import views

from ...made_bench import FILES, bench_result

BASE, REFERENCE, PRUNED, INT8 = FILES
FREE = replace(REFERENCE, name="free.onnx", ms=0.3, bytes=4_000_000)
"""Faster and smaller than the reference, and it answers as it does."""


def _chosen(*files, budgets=None):
    result = bench_result(files)
    if budgets is not None:
        result["budgets"] = judge(result, budgets)
    found = choose(result, views(result))
    return found.view.name, found.why


def test_a_worse_file_in_the_last_place_is_not_chosen():
    """An int8 file that collapsed stands last."""
    broken = replace(INT8, name="broken.onnx", ms=0.38, lost=1200)
    assert _chosen(REFERENCE, FREE, PRUNED, broken) == (
        "free.onnx",
        "Why this file: of 3, it alone gains without a loss shown.",
    )


def test_the_order_does_not_matter():
    names = {
        _chosen(REFERENCE, *order)[0] for order in ((FREE, PRUNED, INT8), (INT8, PRUNED, FREE))
    }
    assert names == {"free.onnx"}


def test_of_several_without_a_loss_the_one_that_gains_most():
    smaller = replace(FREE, name="smaller.onnx", bytes=2_000_000)
    assert _chosen(REFERENCE, smaller, FREE, INT8) == (
        "smaller.onnx",
        "Why this file: of 2 that gain without a loss shown, it gains most.",
    )


def test_where_all_lose_the_errors_count_as_much_as_the_speed():
    broken = replace(INT8, name="broken.onnx", ms=0.2, lost=1200)
    assert _chosen(BASE, REFERENCE, PRUNED, INT8, broken) == (
        "pruned.int8.onnx",
        "Why this file: of 4 files, none gains without a loss; it gains most for what it loses.",
    )


@pytest.mark.parametrize(
    ("budgets", "name", "why"),
    [
        (Budgets(max_size_mb=2), "pruned.int8.onnx", "of 3, it alone holds every budget"),
        (Budgets(max_drop=0.5), "free.onnx", "of 3, it alone holds every budget"),
        (Budgets(max_size_mb=6), "pruned.int8.onnx", "of 3 that hold every budget, it gains most"),
        (
            Budgets(max_drop=0.5, max_size_mb=1, max_latency_ms=0.35),
            "free.onnx",
            "none holds every budget; of 3, it misses fewest",
        ),
    ],
)
def test_budgets_come_first(budgets, name, why):
    found = _chosen(REFERENCE, FREE, PRUNED, INT8, budgets=budgets)
    assert found == (name, f"Why this file: {why}.")


def test_no_choice_needs_no_reason():
    assert _chosen(REFERENCE, INT8) == ("pruned.int8.onnx", "")
    assert _chosen(REFERENCE) == ("reference.onnx", "")
    dead = replace(INT8, error="it died")
    assert _chosen(REFERENCE, dead) == ("reference.onnx", "")
    result = bench_result([dead])
    assert choose(result, views(result)) is None


def test_without_a_baseline_the_figures_themselves_tell():
    dead = replace(BASE, error="it died")
    assert _chosen(dead, INT8, REFERENCE)[0] == "pruned.int8.onnx"
