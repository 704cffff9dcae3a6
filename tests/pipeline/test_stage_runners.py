"""Stages as a recipe runs them: what reaches the stage functions, what they leave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nnc.errors import InputError, NncError
from nnc.model_card import InputSpec
from nnc.progress import SILENT
from nnc.toolchain.data import open_data
from nnc.toolchain.pipeline.stage_job import StageJob
from nnc.toolchain.pipeline.stage_kinds import KINDS
from nnc.toolchain.pipeline.stage_runners import prune_settings, run_bench


class _Result:
    def __init__(self, value: float, error: str | None = None) -> None:
        self.value = value
        self.error = error

    def to_json(self):
        return {"value": self.value, "files": [{"error": self.error}]}


@pytest.fixture
def bench_job(tmp_path):
    return StageJob(
        settings={"images": 50},
        inputs=(Path("a.onnx"),),
        output=tmp_path / "results.json",
        data=open_data("fashion-mnist-mini"),
        seed=3,
        device="cpu",
        progress=SILENT,
    )


def test_bench_measures_a_balanced_limited_part(bench_job, monkeypatch):
    parts = []

    def bench(_paths, settings, part, **_named):
        parts.append((settings.images, settings.seed, part))
        return _Result(1.0)

    monkeypatch.setattr("nnc.runtimes.bench.bench", bench)
    assert run_bench(bench_job) == {"files": ["a.onnx"]}
    ((images, seed, part),) = parts
    spec = InputSpec(1, 28, 28, (0.5,), (0.5,))
    labels = [int(label) for _pixels, batch in part.batches(spec) for label in batch]
    assert (images, seed, part.images) == (50, 3, 50)
    assert sorted(labels) == sorted(list(range(10)) * 5)


def test_bench_leaves_no_file_that_is_not_json(bench_job, monkeypatch):
    monkeypatch.setattr("nnc.runtimes.bench.bench", lambda *_args, **_named: _Result(float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_bench(bench_job)
    assert not any(bench_job.output.parent.iterdir())


def test_a_runtime_that_dies_fails_the_stage_with_its_figures_written(bench_job, monkeypatch):
    dead = _Result(1.0, "b.onnx: killed")
    monkeypatch.setattr("nnc.runtimes.bench.bench", lambda *_args, **_named: dead)
    with pytest.raises(NncError, match=r"^1 of 1 files failed: b\.onnx: killed$"):
        run_bench(bench_job)
    assert json.loads(bench_job.output.read_text()) == dead.to_json()


def test_bench_is_told_the_command_and_batch_size_of_the_run(bench_job, monkeypatch):
    told = {}

    def bench(_paths, settings, _part, **named):
        told.update(named, batch_sizes=settings.batch_sizes)
        return _Result(1.0)

    monkeypatch.setattr("nnc.runtimes.bench.bench", bench)
    run_bench(replace(bench_job, settings={"batch_size": 8}, command=("nnc", "run", "x")))
    assert (told["command"], told["batch_sizes"]) == (("nnc", "run", "x"), (8,))


def test_results_of_an_older_schema_are_measured_anew():
    assert KINDS["bench"].resolve({"seconds": 1.0}, ()) == {"seconds": 1.0, "schema_version": 2}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"sensitivity": 0.3}, {"method": "paper", "criterion": "l2", "sensitivity": 0.3}),
        (
            {"target_macs": 0.5, "method": "channel", "schedule": "cubic", "patience": 2},
            {"target_macs": 0.5, "round_to": 8, "pruning_schedule": "cubic", "patience": 2},
        ),
        (
            {"table": {"features.0.0": 0.25}, "method": "filter", "criterion": "taylor"},
            {"table": {"features.0.0": 0.25}, "criterion": "taylor", "scope": "layer"},
        ),
    ],
)
def test_a_prune_stage_takes_what_the_command_takes(stated, expected):
    KINDS["prune"].check(stated, "stage 1 (prune)")
    resolved = prune_settings(stated).to_json()
    assert {key: resolved[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({}, "stage 1 \\(prune\\): expected one of sensitivity, table, .*; found none"),
        ({"sensitivity": 0.3, "target_macs": 0.5}, "found sensitivity and target_macs"),
        ({"table": 0.5}, "table = 0.5; expected a table"),
        ({"table": {"a": "x"}}, "table: a 'x': expected a fraction"),
        ({"target_macs": "0.5"}, "target_macs = '0.5'; expected a number"),
        ({"sensitivity": 0.3, "method": "magic"}, "pruning method 'magic'"),
    ],
)
def test_a_prune_stage_that_is_wrong(stated, message):
    with pytest.raises(InputError, match=message):
        KINDS["prune"].check(stated, "stage 1 (prune)")
