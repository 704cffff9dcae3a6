"""``nnc compare``: what it prints, and what it ends with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ..made_bench import FILES, bench_result

OLD = bench_result(FILES[:2], images=500)
NEW = bench_result([FILES[0], replace(FILES[1], lost=25, bytes=7_000_000)], images=500, seed=3)


@pytest.fixture
def results(tmp_path):
    paths = []
    for name, value in (("old", OLD), ("new", NEW)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(value))
    return paths


def test_every_figure_of_every_file(nnc, results):
    result = nnc("compare", *results)
    assert (result.code, result.err) == (0, "")
    assert "mobilenet-fashion-mnist.safetensors (the baseline)" in result.out
    lines = result.out.partition("reference.onnx\n")[2].splitlines()
    assert lines[0].split() == [
        "accuracy", "92.80", "%", "->", "87.80", "%", "-5.00", "points", "(-6.92", "to", "-3.04)",
        "worse",
    ]  # fmt: skip
    assert lines[1].strip().startswith("the same 500 images: 25 lost, 0 won, McNemar p < 0.001")
    assert "8.90 MB -> 7.00 MB" in result.out
    assert result.out.count("better") == 1


def test_a_missed_budget_is_exit_code_3_after_everything_is_out(nnc, results):
    result = nnc("compare", *results, "--max-drop", 1, "--max-size-mb", 8, "--json")
    assert result.code == 3
    value = json.loads(result.out)
    assert value["kind"] == "comparison"
    assert [one["verdict"] for one in value["budgets"]] == ["missed", "held"]
    assert result.err.startswith(
        "nnc: error: 1 of 2 budgets not held: reference.onnx drops accuracy by 5.00 points"
    )
    assert result.err.count("\n") == 1


def test_lenient_lets_pass_what_is_not_shown(nnc, results):
    assert nnc("compare", *results, "--max-drop", 5).code == 3
    result = nnc("compare", *results, "--max-drop", 5, "--lenient", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    bare = nnc("compare", *results, "--lenient")
    assert (bare.code, bare.out) == (2, "")
    assert "--lenient is for budgets, and there is none; name one, such as --max-drop" in bare.err


def test_machines_that_differ_are_named(nnc, tmp_path, results):
    results[1].write_text(json.dumps(bench_result(FILES[:2], machine="b")))
    result = nnc("compare", *results)
    assert result.code == 0
    assert (
        "latency: not compared, because the machines differ:\n  cpu: AMD EPYC there" in result.out
    )
    assert result.out.count("not comparable") == 2


def test_a_file_that_died_is_exit_code_1(nnc, results):
    dead = bench_result([FILES[0], replace(FILES[1], error="its process died")], images=500)
    results[1].write_text(json.dumps(dead))
    result = nnc("compare", *results)
    assert result.code == 1
    assert result.err == "nnc: error: 1 of 2 files failed: its process died\n"
    assert "error: its process died" in result.out
    assert nnc("compare", *results, "--max-size-mb", 100, "-q").code == 1
    assert nnc("compare", *results, "--max-latency-ms", 100, "-q").code == 3
    assert nnc("compare", *reversed(results), "-q").code == 0


def test_a_candidate_of_another_name_passes_no_gate(nnc, results):
    new = bench_result([FILES[0], replace(FILES[1], name="v2.onnx", lost=200)], images=500)
    old = bench_result(FILES[:3], images=500)
    for path, value in zip(results, (old, new), strict=True):
        path.write_text(json.dumps(value))
    result = nnc("compare", *results, "--max-drop", 0.5)
    assert result.code == 3
    assert "v2.onnx, max-drop 0.5 points: not shown, because no file of that name" in result.err


def test_a_result_beside_itself_is_warned_of(nnc, results):
    result = nnc("compare", results[0], results[0], "--max-size-mb", 100)
    assert result.code == 0
    assert "OLD and NEW hold one and the same result: nothing can have changed\n" in result.err
    assert "--max-drop 0 is held only by" in nnc("compare", *results, "--max-drop", 0).err


def test_an_older_result_is_refused(nnc, tmp_path, results):
    results[0].write_text('{"schema_version": 1, "results": []}')
    result = nnc("compare", *results)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"nnc: error: {results[0]} has schema version 1; this nnc reads 2; make it anew with: "
        f"nnc bench FILE.. -o {results[0]} --force\n"
    )


def test_names_from_files_cannot_steer_the_terminal(nnc, results):
    evil = json.loads(json.dumps(OLD).replace("reference.onnx", "\\u001b[2Jx\\n.onnx"))
    for path in results:
        path.write_text(json.dumps(evil))
    result = nnc("compare", *results)
    assert result.code == 0
    assert "\x1b" not in result.out
    assert "\n[2Jx .onnx\n" in result.out


@pytest.mark.parametrize("value", ["nan", "-1", "x"])
def test_bad_limits_are_usage_errors(nnc, results, value):
    result = nnc("compare", *results, "--max-drop", value)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
