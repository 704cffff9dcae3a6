"""``nnc bench`` as a release gate: exit code 3 where a budget is missed, once all is out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ..made_bench import FILES, bench_result

RESULT = bench_result([FILES[1], FILES[3]], images=500)


@pytest.fixture
def bench(nnc, monkeypatch, tmp_path, tiny_onnx, foreign_onnx):
    """The command on two files, its measuring replaced by ``RESULT``."""
    measured = []

    class Measured:
        def to_json(self):
            return json.loads(json.dumps(measured[0]))

    monkeypatch.setattr("nnc.runtimes.bench.bench", lambda *_args, **_named: Measured())

    def call(*arguments, result=RESULT, files=(tiny_onnx, foreign_onnx)):
        measured[:] = [result]
        return nnc("bench", *files, *arguments)

    return call


def test_budgets_that_hold(bench, tmp_path):
    output = tmp_path / "bench.json"
    result = bench("--max-size-mb", 2, "--min-speedup", 1.5, "-o", output)
    assert (result.code, result.err) == (0, "")
    assert "max-size-mb: pruned.int8.onnx has 1.66 MB (exact), 2 MB allowed: held by" in result.out
    verdicts = json.loads(output.read_text())["budgets"]
    assert [(one["budget"], one["verdict"]) for one in verdicts] == [
        ("max-size-mb", "held"), ("min-speedup", "held"),
    ]  # fmt: skip


def test_a_missed_budget_is_exit_code_3_after_table_and_json(bench, tmp_path):
    output = tmp_path / "bench.json"
    result = bench("--max-drop", 0.5, "--max-size-mb", 2, "-o", output)
    assert result.code == 3
    assert "pruned.int8.onnx" in result.out
    assert result.last_line.startswith(f"wrote {output} (")
    assert json.loads(output.read_text())["budgets"][0]["verdict"] == "missed"
    assert result.err.startswith(
        "nnc: error: 1 of 2 budgets not held: pruned.int8.onnx drops accuracy by 5.40 points (95 %"
    )
    assert result.err.count("\n") == 1


def test_what_is_not_shown_fails_unless_lenient(bench):
    result = bench("--max-drop", 5.4, "-q")
    assert result.code == 3
    assert "not shown, because the interval straddles the budget" in result.err
    assert bench("--max-drop", 5.4, "--lenient", "-q").code == 0


def test_a_file_that_died_misses_its_budgets(bench):
    dead = bench_result([FILES[1], replace(FILES[3], error="its process died")])
    assert bench(result=dead).code == 1
    assert bench("--max-size-mb", 100, "-q", result=dead).code == 1
    result = bench("--max-latency-ms", 100, "--lenient", result=dead)
    assert result.code == 3
    assert "missed, because it could not be measured: its process died" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-drop", 1], "--max-drop is judged against the first file, and there is only one"),
        (["--min-speedup", 1], "--min-speedup is judged against the first file"),
        (["--self-check", "--max-size-mb", 1], "--self-check has no budgets; leave them out"),
    ],
)
def test_budgets_that_cannot_be_judged_are_refused_at_once(bench, tiny_onnx, arguments, message):
    result = bench(*arguments, files=(tiny_onnx,))
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_drop_without_accuracy(bench):
    result = bench("--max-drop", 1, "--no-accuracy")
    assert (result.code, result.out) == (2, "")
    assert "--max-drop needs accuracy; leave out --no-accuracy and name --data" in result.err
