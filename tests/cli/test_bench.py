"""``nnc bench``: its table, its JSON, its endings."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from nnc.model_card import InputSpec, ModelCard
from nnc.runtimes.onnx_model.files import save_model, write_properties
from nnc.toolchain.cli.console import Console


def test_bench_table_in_a_pipe(nnc, tiny_onnx, foreign_onnx, small_npz, tmp_path):
    output = tmp_path / "bench.json"
    arguments = ["--data", small_npz, "--no-roofline", "--seconds", 0.1, "--rounds", 6]
    arguments += ["-o", output]
    result = nnc("bench", tiny_onnx, foreign_onnx, *arguments)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].split() == [
        "accuracy", "size", "params", "MACs", "latency", "ms", "memory", "speed-up",
    ]  # fmt: skip
    assert lines[1].startswith("tiny.onnx ")
    assert lines[3].startswith("foreign.onnx ")
    assert "\x1b" not in result.out
    assert max(map(len, lines[:-1])) <= 120
    assert "against tiny.onnx (ONNX Runtime), the first row" in result.out
    assert result.last_line.startswith(f"wrote {output} (")
    assert len(json.loads(output.read_text())["files"]) == 2


def test_bench_writes_no_file_that_is_not_json(nnc, monkeypatch, tmp_path, foreign_onnx):
    class NotANumber:
        def to_json(self):
            return {"files": [], "results": float("nan")}

    monkeypatch.setattr("nnc.runtimes.bench.bench", lambda *_args, **_named: NotANumber())
    monkeypatch.setattr(Console, "show", lambda *_args: None)
    with pytest.raises(ValueError, match="not JSON compliant"):
        nnc("bench", foreign_onnx, "--no-accuracy", "-o", tmp_path / "bench.json")
    assert not any(tmp_path.iterdir())


def test_bench_never_overwrites_an_input(nnc, tmp_path, foreign_onnx):
    linked, labels = tmp_path / "net.json", tmp_path / "labels.json"
    linked.symlink_to(foreign_onnx)
    labels.write_text("a\nb\n")
    for output, more in ((linked, ()), (labels, ("--labels", labels))):
        before = output.read_bytes()
        arguments = ("--no-accuracy", *more, "-o", output, "--force")
        result = nnc("bench", foreign_onnx, *arguments)
        assert (result.code, result.out) == (2, "")
        assert f"output {output} is the input" in result.err
        assert output.read_bytes() == before


def test_bench_measures_a_balanced_limited_part(nnc, monkeypatch, tmp_path, tiny_onnx):
    parts = []

    class Nothing:
        def to_json(self):
            return {"files": []}

    def measure(_paths, settings, part, **_named):
        parts.append((settings.images, settings.seed, part))
        return Nothing()

    monkeypatch.setattr("nnc.runtimes.bench.bench", measure)
    monkeypatch.setattr(Console, "show", lambda *_args: None)
    assert nnc("bench", tiny_onnx, "--images", 50, "--seed", 3).code == 0
    ((images, seed, part),) = parts
    labels = [
        int(x) for _pixels, y in part.batches(InputSpec(1, 28, 28, (0.5,), (0.5,))) for x in y
    ]
    assert (images, seed, part.images) == (50, 3, 50)
    assert sorted(labels) == sorted(list(range(10)) * 5)


def test_bench_without_accuracy_needs_no_data(nnc, foreign_onnx):
    result = nnc(
        "bench",
        foreign_onnx,
        "--no-accuracy",
        "--no-roofline",
        "--seconds",
        0.1,
        "--rounds",
        6,
        "--json",
    )
    assert json.loads(result.out)["files"][0]["accuracy"] is None


def test_bench_of_a_file_that_fails_shows_and_writes_the_rest_and_exits_with_1(
    nnc, tmp_path, tiny_onnx
):
    model = onnx.load(tiny_onnx)
    (bias,) = (one for one in model.graph.initializer if one.name == "b3")
    bias.CopyFrom(numpy_helper.from_array(np.full(10, np.nan, np.float32), "b3"))
    broken = tmp_path / "broken.onnx"
    onnx.save(model, broken)
    output = tmp_path / "bench.json"
    timed = ("--no-accuracy", "--no-roofline", "--seconds", 0.02, "--rounds", 6, "-o", output)
    result = nnc("bench", tiny_onnx, broken, *timed)
    assert result.code == 1
    assert result.err == (
        f"nnc: error: 1 of 2 files failed: {broken} returns NaN for image 0: its weights are "
        "damaged, or its arithmetic is not defined there\n"
    )
    assert f"broken.onnx failed: {broken} returns NaN" in " ".join(result.out.split())
    first, second = json.loads(output.read_text())["files"]
    assert (first["error"], len(first["latency"])) == (None, 1)
    assert (second["latency"], second["accuracy"]) == ([], None)


def test_bench_sweeps_and_says_what_was_typed(nnc, monkeypatch, tiny_onnx):
    told = ["bench", str(tiny_onnx), "--no-accuracy", "--threads", "2,1", "--batch-size", "1,4"]
    told += ["--no-roofline", "--seconds", "0.02", "--rounds", "6"]
    monkeypatch.setattr("sys.argv", ["nnc", *told])
    result = nnc(*told)
    assert result.code == 0, result.err
    headings = ["threads", "batch", "latency", "ms", "images/s", "CPU", "ms", "speed-up"]
    assert headings in [line.split() for line in result.out.splitlines()]
    value = json.loads(nnc(*told, "--json").out)
    pairs = [(one["threads"], one["batch_size"]) for one in value["files"][0]["latency"]]
    assert pairs == [(2, 1), (2, 4), (1, 1), (1, 4)]
    assert value["command"] == ["nnc", *told]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threads", "1,0"], "'1,0'; expected whole numbers from 1 to 1024, as in 1 or 1,2,4"),
        (["--batch-size", "8,x"], "'8,x'; expected whole numbers from 1 to 65536"),
        (["--batch-size", ""], "''; expected whole numbers from 1 to 65536"),
        (["--threads", "2,2"], "threads 2,2: expected each number once"),
        (["--launches", "1"], "1 is not in the range 2<=x<=1000"),
        (["--rounds", "6", "--launches", "7"], "launches 7: expected a whole number from 2 to 6"),
        (["--runs", "3"], "--runs counts the runs of a --self-check; pass that too, or --rounds"),
    ],
    ids=str,
)
def test_bench_refuses_bad_options_in_one_line(nnc, tiny_onnx, options, message):
    result = nnc("bench", tiny_onnx, "--no-accuracy", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_bench_refuses_files_of_different_tasks(nnc, tiny_onnx, tmp_path):
    other = tmp_path / "other.onnx"
    model = onnx.load(tiny_onnx)
    card = ModelCard(InputSpec(1, 28, 28, (0.1,), (0.5,)), tuple("abcdefghij"))
    write_properties(model, card.to_properties())
    save_model(model, other)
    result = nnc("bench", tiny_onnx, other, "--no-accuracy")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"{other} has normalisation mean 0.1 std 0.5, not mean" in result.err
    assert f"not comparable with {tiny_onnx}" in result.err


def test_self_check(nnc, tiny_onnx, tmp_path):
    output = tmp_path / "check.json"
    timed = ("--no-roofline", "--seconds", 0.02, "--rounds", 6, "--runs", 2)
    result = nnc("bench", "--self-check", tiny_onnx, *timed, "-o", output)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert any(line.startswith("too noisy for a verdict: ") for line in lines)
    assert lines[0] == "tiny.onnx against itself, 6 rounds in 2 launches, 0.02 s each"
    assert any(line.startswith("called different from itself in ") for line in lines)
    assert lines[-1].startswith(f"wrote {output} (")
    value = json.loads(output.read_text())
    assert (value["kind"], len(value["runs"])) == ("self-check", 2)
    refused = nnc("bench", "--self-check", tiny_onnx, tiny_onnx)
    assert (refused.code, refused.err) == (
        2,
        "nnc: error: --self-check takes one file; found 2\n",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--profile", "--images", 5],
            "times one file alone; leave out --images, --profile",
        ),
        (["--data", "fashion-mnist-mini"], "leave out --data"),
        (["--torch-compile"], "leave out --torch-compile"),
        (["--threads", "1,2"], "--self-check takes one --threads; found 1,2"),
        (["--batch-size", "1,8"], "--self-check takes one --batch-size; found 1,8"),
        (["--device", "cuda,cpu"], "--self-check takes one --device; found cuda,cpu"),
        (["--max-drop", 1], "--self-check has no budgets; leave them out"),
        (["--lenient"], "--lenient is for budgets, and there is none"),
    ],
    ids=str,
)
def test_a_self_check_refuses_what_it_would_ignore(nnc, tiny_onnx, options, message):
    result = nnc("bench", "--self-check", tiny_onnx, *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_a_self_check_that_is_missed_exits_with_1(nnc, monkeypatch, tiny_onnx):
    slower = {"ratio": 0.9, "low": 0.85, "high": 0.95, "verdict": "slower", "rounds": [0.9]}
    found = {
        "name": "tiny.onnx",
        "runs": [slower] * 4,
        "different": 4,
        "share": 1.0,
        "low": 0.5,
        "high": 1.0,
        "allowed": 0.05,
        "too_noisy": 0,
        "smallest_difference": 0.056,
        "verdict": "missed",
        "settings": {"rounds": 6, "launches": 2, "seconds": 1.0},
        "noise": {"verdict": "noisy", "reasons": ["other programs kept 2.0 of 2 cores busy"]},
    }
    check = SimpleNamespace(to_json=lambda: found)
    monkeypatch.setattr("nnc.runtimes.bench.self_check", lambda *_args, **_named: check)
    result = nnc("bench", "--self-check", tiny_onnx)
    assert result.code == 1
    assert result.out.splitlines()[1] == "   1  0.900x  0.85-0.95  slower"
    assert "this machine was noisy: other programs kept 2.0 of 2 cores busy" in result.out
    assert (
        "too noisy for a verdict: 0 of 4; half of the runs could show a difference of 5.6% or more"
        in result.out
    )
    assert result.err == (
        "nnc: error: called different from itself in 4 of 4 runs: 100.0% (95 % interval 50.0% to "
        "100.0%), 5% allowed: missed; do not trust its speed-ups on this machine as it is now\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--allow-fallback",), "on the CPU nothing falls back; leave out --allow-fallback"),
        (("--trust",), "--trust is about .engine files, and none is given; leave it out"),
        (("--provider", "cuda"), "provider 'cuda' runs on a GPU; use --device cuda"),
    ],
)
def test_options_that_cannot_apply_are_refused(nnc, tiny_onnx, options, message):
    result = nnc("bench", tiny_onnx, "--no-accuracy", *options)
    assert (result.code, result.err) == (2, f"nnc: error: {message}\n")


def test_fallback_is_about_onnx_files_alone(nnc, tmp_path):
    path = tmp_path / "a.engine"
    path.write_bytes(b"vtrt")
    for option in (("--allow-fallback",), ("--provider", "cuda")):
        result = nnc("bench", path, "--device", "cuda", *option)
        assert result.code == 2
        assert f"{option[0]} is about .onnx files, and none is given" in result.err


def test_inspect_refuses_to_trust_what_is_no_engine(nnc, tiny_onnx):
    result = nnc("inspect", tiny_onnx, "--trust")
    assert result.code == 2
    assert "--trust is about .engine files" in result.err
