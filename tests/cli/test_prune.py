"""``nnc prune``: what it takes, what it refuses in one line, what it reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnc.errors import BudgetError
from nnc.toolchain.pruning.prune import PruneResult, Round
from nnc.toolchain.pruning.selection import NoPartError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list:
    """Settings that reach the stage; it writes a file of no weights and says what was left."""
    seen: list = []

    def prune(settings, _checkpoint, _data, output: Path, **_named: object) -> PruneResult:
        seen.append(settings)
        if settings.target is not None and settings.target.value < 0.1:
            if not settings.write_anyway:
                raise BudgetError("target of 9 MACs cannot be met: 10 MACs are left")
            missed = "target of 9 MACs cannot be met: 10 MACs are left"
        else:
            missed = ""
        output.write_bytes(b"weights")
        latency = 1.25 if settings.target_latency_ms else None
        last = Round(0.5, 0.6, 0.9, 2, 500, 450, 1000, latency)
        numbers = (7, 1000, 500, 450, 1000, 900, 4000, 0.95, 0.9)
        return PruneResult(output, *numbers, (last,), missed, latency)

    monkeypatch.setattr("nnc.toolchain.pruning.prune.prune", prune)
    return seen


@pytest.fixture
def line(nnc, checkpoint, small_npz, tmp_path):
    """Call ``nnc prune`` with more options."""

    def call(*options: object):
        output = ["--data", small_npz, "-o", tmp_path / "x.safetensors"]
        return nnc("prune", checkpoint, *options, *output)

    return call


def test_a_budget_in_words(line, told) -> None:
    result = line("--method", "channel", "--target-parameters", "1.1M", "--schedule", "cubic",
                  "--iterations", 3, "--patience", 2, "--criterion", "l1")  # fmt: skip
    assert result.code == 0
    (settings,) = told
    assert settings.target_parameters == 1_100_000
    assert (settings.method, settings.criterion, settings.round_to) == ("channel", "l1", 8)
    assert (settings.schedule, settings.iterations, settings.patience) == ("cubic", 3, 2)
    assert settings.sensitivity is None
    assert result.out.splitlines()[:2] == [
        "500 of 1.00 k parameters left (50.0%); validation accuracy 90.00%, before 95.00%",
        "exported: 450 parameters (50.0% of the whole), 1.00 k MACs (25.0%)",
    ]


def test_a_latency_is_reported(line, told) -> None:
    result = line("--target-latency-ms", "1.5")
    assert "1.25 ms an image in ONNX Runtime, one thread" in result.out


def test_a_table_from_a_scan(line, told, tmp_path) -> None:
    table = tmp_path / "table.json"
    table.write_text('{"features.0.0": 0.25}')
    assert line("--table", table).code == 0
    assert told[0].table == {"features.0.0": 0.25}


def test_a_table_of_another_network_is_named(line, monkeypatch, tmp_path) -> None:
    def prune(*_arguments: object, **_named: object) -> None:
        raise NoPartError("'stage2.0' is no part of this network under method 'paper'")

    monkeypatch.setattr("nnc.toolchain.pruning.prune.prune", prune)
    table = tmp_path / "table.json"
    table.write_text('{"stage2.0": 0.5}')
    result = line("--table", table)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"nnc: error: {table}: 'stage2.0' is no part of this network under method 'paper'\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "target_macs, target_parameters and target_latency_ms; found none"),
        (["--sensitivity", "0.5", "--target-macs", "0.5"], "found sensitivity and target_macs"),
        (["--sensitivity", "1"], "--sensitivity"),
        (["--sensitivity", "nan"], "sensitivity nan: expected a fraction"),
        (["--target-macs", "1.1MB"], "'1.1MB': expected a number, as in 0.5, 815K or 1.1M"),
        (["--target-macs", "0"], "target_macs = 0: expected a number above 0"),
        (["--target-parameters", "1.5"], "up to 1 or a whole count; did you mean 1.5M?"),
        (["--target-latency-ms", "nan"], "target_latency_ms = nan: expected a number above 0"),
        (["--sensitivity", "0.5", "--method", "magic"], "pruning method 'magic'"),
        (["--sensitivity", "0.5", "--criterion", "bn-scale"], "does not fit method 'paper'"),
        (["--sensitivity", "0.5", "--round-to", "8"], "only the channel method"),
        (["--table", "none.json"], "none.json does not exist"),
    ],
)  # fmt: skip
def test_refused_in_one_line(line, told, tmp_path, options: list[str], message: str) -> None:
    result = line(*options)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not told
    assert not (tmp_path / "x.safetensors").exists()


def test_a_missed_budget_exits_with_3(line, told, tmp_path) -> None:
    result = line("--target-macs", "0.05")
    assert (result.code, result.out) == (3, "")
    assert result.err == "nnc: error: target of 9 MACs cannot be met: 10 MACs are left\n"
    assert not (tmp_path / "x.safetensors").exists()


def test_a_missed_budget_written_anyway_exits_with_3_too(line, told, tmp_path) -> None:
    result = line("--target-macs", "0.05", "--write-anyway", "--json")
    assert result.code == 3
    assert json.loads(result.out)["missed"].startswith("target of 9 MACs")
    output = tmp_path / "x.safetensors"
    assert result.err.endswith(f"10 MACs are left; {output} holds that network\n")
    assert output.exists()
