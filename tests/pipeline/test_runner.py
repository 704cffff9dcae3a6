"""The runner: what is done once, what is done again, what is left alone."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nnc.errors import InputError, MissingError
from nnc.model_card import InputSpec, ModelCard
from nnc.models import checkpoint
from nnc.toolchain.pipeline import runner, shipped
from nnc.toolchain.pipeline.run_report import write_run_report
from nnc.toolchain.pipeline.runner import run
from nnc.toolchain.pipeline.stage_kinds import KINDS
from nnc.toolchain.pipeline.state import only_run_in
from nnc.toolchain.training import settings as training_settings

from ..made_bench import FILES, bench_result
from ..report.page.made_run import run_folder

BENCH = {"n": 1}
BENCH_STAGE = """
[[stage]]
run = "bench"
files = ["a.safetensors"]
"""
RECIPE = """
[recipe]
name = "mine"
data = '{data}'
[[stage]]
run = "train"
arch = "mobilenet"
output = "a.safetensors"
[[stage]]
run = "prune"
from = "a.safetensors"
sensitivity = 0.4
output = "b.safetensors"
[[stage]]
run = "export"
from = "b.safetensors"
output = "b.onnx"
"""


@pytest.fixture
def recipe(tmp_path, small_npz):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.format(data=small_npz))
    return path


@pytest.fixture
def made(monkeypatch):
    """Stages that write their settings and their inputs' text; the list of what was made."""
    names: list[str] = []

    def write(job):
        names.append(job.output.name)
        if job.output.name == "results.json":
            job.output.write_text(json.dumps(BENCH))
            return {}
        text = json.dumps(dict(job.settings)) + "".join(path.read_text() for path in job.inputs)
        job.output.write_text(text)
        return {"length": len(text)}

    kinds = {name: replace(kind, runner=write) for name, kind in KINDS.items()}
    monkeypatch.setattr(runner, "KINDS", kinds)
    card = ModelCard(InputSpec(1, 28, 28, (0.5,), (0.5,)), ("a", "b"), architecture="mobilenet")
    monkeypatch.setattr(checkpoint, "read_card", lambda _path: card)
    monkeypatch.setattr(runner, "write_run_report", _write_report)
    return names


def _write_report(folder, title, command):
    (folder / "report.html").write_text(f"{title}, {command}, {BENCH['n']}")


def test_everything_is_made_once(recipe, tmp_path, made):
    first = run(recipe, tmp_path / "out")
    assert made == ["a.safetensors", "b.safetensors", "b.onnx"]
    assert [stage.kept for stage in first.stages] == [False, False, False]
    assert first.shipped == tmp_path / "out" / "b.onnx"
    made.clear()
    again = run(recipe, tmp_path / "out")
    assert made == []
    assert [stage.kept for stage in again.stages] == [True, True, True]
    assert again.stages[0].result == first.stages[0].result


def test_a_changed_setting_remakes_what_follows(recipe, tmp_path, made):
    run(recipe, tmp_path / "out")
    made.clear()
    run(recipe, tmp_path / "out", overrides={"prune.sensitivity": 0.5})
    assert made == ["b.safetensors", "b.onnx"]


@pytest.mark.parametrize(
    ("stage", "remade"), [("train", "a.safetensors"), ("prune", "b.safetensors")]
)
def test_an_edited_training_recipe_remakes_its_stages(recipe, tmp_path, made, stage, remade):
    training = tmp_path / "tr.toml"
    shipped_text = (Path(training_settings.__file__).parent / "modern.toml").read_text()
    training.write_text(shipped_text)
    overrides = {f"{stage}.recipe": str(training)}
    run(recipe, tmp_path / "out", overrides=overrides)
    made.clear()
    run(recipe, tmp_path / "out", overrides=overrides)
    assert made == []
    training.write_text(shipped_text.replace("momentum = 0.9", "momentum = 0.8"))
    run(recipe, tmp_path / "out", overrides=overrides)
    assert made == [remade]  # it writes what it wrote before, so those after it still hold


@pytest.mark.parametrize("damage", ["touched", "removed"])
def test_a_file_that_is_not_as_it_was_is_made_again(recipe, tmp_path, made, damage):
    run(recipe, tmp_path / "out")
    made.clear()
    path = tmp_path / "out" / "b.safetensors"
    if damage == "touched":
        path.write_text("something else")
    else:
        path.unlink()
    run(recipe, tmp_path / "out")
    assert made == ["b.safetensors"]  # made as before, so its own output still holds


def test_other_data_remakes_everything(recipe, tmp_path, made):
    run(recipe, tmp_path / "out")
    made.clear()
    run(recipe, tmp_path / "out", overrides={"recipe.data": "fashion-mnist-mini"})
    assert made == ["a.safetensors", "b.safetensors", "b.onnx"]


def test_a_stage_that_fails_keeps_those_before_it(recipe, tmp_path, made, monkeypatch):
    def fail(job):
        job.output.write_text("half")
        raise KeyboardInterrupt

    broken = {**runner.KINDS, "prune": replace(runner.KINDS["prune"], runner=fail)}
    with monkeypatch.context() as patch:
        patch.setattr(runner, "KINDS", broken)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / "out")
    made.clear()
    run(recipe, tmp_path / "out")
    assert made == ["b.safetensors", "b.onnx"]


def test_files_of_others_are_left_alone(recipe, tmp_path, made):
    mine = tmp_path / "out" / "b.onnx"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(InputError, match="is not this recipe's; choose another -o or pass --force"):
        run(recipe, tmp_path / "out")
    assert (mine.read_text(), made) == ("mine", [])
    run(recipe, tmp_path / "out", overwrite=True)
    assert mine.read_text() != "mine"


def test_a_page_of_others_is_left_alone(recipe, tmp_path, made, monkeypatch):
    monkeypatch.setattr(runner, "bench_page", lambda bench, **_named: f"page of {bench['n']}")
    recipe.write_text(recipe.read_text() + BENCH_STAGE)
    page = tmp_path / "out" / "results.md"
    page.parent.mkdir()
    page.write_text("mine")
    with pytest.raises(InputError, match=r"results\.md exists and is not this recipe's"):
        run(recipe, tmp_path / "out")
    assert (page.read_text(), made) == ("mine", [])
    run(recipe, tmp_path / "out", overwrite=True)
    assert page.read_text() == "page of 1"
    page.write_text("page of 1, with a remark")
    run(recipe, tmp_path / "out")
    assert page.read_text() == "page of 1, with a remark"
    monkeypatch.setitem(BENCH, "n", 2)
    run(recipe, tmp_path / "out", overrides={"bench.threads": 2})
    assert page.read_text() == "page of 2"


def test_the_report_is_of_the_last_results_and_nobody_elses(recipe, tmp_path, made, monkeypatch):
    monkeypatch.setattr(runner, "bench_page", lambda _bench, **_named: "")
    recipe.write_text(recipe.read_text() + BENCH_STAGE)
    report = tmp_path / "out" / "report.html"
    report.parent.mkdir()
    report.write_text("mine")
    with pytest.raises(InputError, match=r"report\.html exists and is not this recipe's"):
        run(recipe, tmp_path / "out")
    run(recipe, tmp_path / "out", overwrite=True, command="nnc run mine.toml")
    assert report.read_text() == "mine, nnc run mine.toml, 1"
    report.write_text("with a remark")
    run(recipe, tmp_path / "out")
    assert report.read_text() == "with a remark"
    report.unlink()
    run(recipe, tmp_path / "out")
    assert report.read_text() == "mine, nnc run mine, 1"
    monkeypatch.setitem(BENCH, "n", 2)
    run(recipe, tmp_path / "out", overrides={"bench.threads": 2})
    assert report.read_text() == "mine, nnc run mine, 2"


def test_a_report_that_was_cut_off_is_made_by_the_next_run(recipe, tmp_path, made, monkeypatch):
    def cut_off(_folder, _title, _command):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "bench_page", lambda _bench, **_named: "")
    recipe.write_text(recipe.read_text() + BENCH_STAGE)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "write_run_report", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / "out")
    made.clear()
    run(recipe, tmp_path / "out")
    assert made == []
    assert (tmp_path / "out" / "report.html").is_file()


def test_without_matplotlib_there_is_a_line_and_no_report(
    recipe, tmp_path, made, monkeypatch, caplog
):
    monkeypatch.setattr(runner, "bench_page", lambda _bench, **_named: "")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    recipe.write_text(recipe.read_text() + BENCH_STAGE)
    run(recipe, tmp_path / "out")
    assert not (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "results.md").exists()
    (line,) = [one for one in caplog.messages if "report.html" in one]
    assert line.startswith("no report.html: figures need the package matplotlib")


def test_the_report_of_a_run_has_its_name_and_command(tmp_path):
    pytest.importorskip("matplotlib")
    folder = run_folder(tmp_path / "out", bench_result(FILES[:2], images=50), scan=False)
    write_run_report(folder, "the title", "nnc run mine.toml --set bench.rounds=9")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h2>the title</h2>" in text
    assert "nnc run mine.toml --set bench.rounds=9" in text
    assert "Pruning: pruned.safetensors" in text


def test_one_run_at_a_time(recipe, tmp_path, made):
    with (
        only_run_in(tmp_path / "out"),
        pytest.raises(InputError, match="another nnc run is at work in"),
    ):
        run(recipe, tmp_path / "out")
    run(recipe, tmp_path / "out")


def test_a_folder_of_another_recipe(recipe, tmp_path, made):
    run(recipe, tmp_path / "out")
    recipe.write_text(recipe.read_text().replace('"mine"', '"yours"'))
    with pytest.raises(InputError, match="holds a run of recipe 'mine'"):
        run(recipe, tmp_path / "out")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 1}', "\udcff"])
def test_a_damaged_state(recipe, tmp_path, made, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"run.json is damaged; delete it or choose another -o"):
        run(recipe, tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": None},
        {"seconds": "long"},
        {"result": 5},
        {"size_bytes": "y"},
        {"size_bytes": 10**400},
        {"size_bytes": -1},
        {"seconds": float("nan")},
        {"result": {"loss": float("nan")}},
        {"sha256": 3},
        {"fingerprint": None},
        {"stranger": 1},
    ],
    ids=lambda change: f"{change}"[:40],
)
def test_a_damaged_entry_of_the_state(recipe, tmp_path, made, change):
    run(recipe, tmp_path / "out")
    path = tmp_path / "out" / "run.json"
    state = json.loads(path.read_text())
    entry = {**state["stages"]["b.onnx"], **change}
    state["stages"]["b.onnx"] = {key: value for key, value in entry.items() if value is not None}
    path.write_text(json.dumps(state))
    with pytest.raises(InputError, match=r"run.json is damaged; delete it or choose another -o"):
        run(recipe, tmp_path / "out")


def test_missing_data_leaves_no_folder(recipe, tmp_path, made):
    with pytest.raises(InputError):
        run(recipe, tmp_path / "new" / "out", overrides={"recipe.data": str(tmp_path / "no.npz")})
    assert not (tmp_path / "new").exists()


def test_missing_networks_leave_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "none")
    with pytest.raises(MissingError) as caught:
        run("quickstart", tmp_path / "new" / "out")
    assert str(caught.value) == (
        "no shipped checkpoint 'mobilenet-fashion-mnist': this copy of nnc has no trained "
        "networks; reinstall it, or train one with: nnc train"
    )
    assert not (tmp_path / "new").exists()


def test_a_run_that_wrote_nothing_leaves_no_lock(tmp_path):
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "new" / "out", tmp_path / "mine"):
        with pytest.raises(KeyboardInterrupt), only_run_in(folder):
            raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    (tmp_path / "mine" / "run.json").touch()
    with pytest.raises(KeyboardInterrupt), only_run_in(tmp_path / "mine"):
        raise KeyboardInterrupt
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {".run.lock", "run.json"}


def test_a_folder_that_cannot_be_made(recipe, tmp_path, made):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write into"):
        run(recipe, tmp_path / "file" / "out")


def test_unknown_shipped_checkpoints(monkeypatch, tmp_path):
    (tmp_path / "mobilenet-fashion-mnist.safetensors").touch()
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    assert shipped.shipped_checkpoint("shipped:mobilenet-fashion-mnist").parent == tmp_path
    with pytest.raises(InputError, match="did you mean 'mobilenet-fashion-mnist'"):
        shipped.shipped_checkpoint("shipped:mobilenet-fashion")
    assert shipped.input_file(Path("x.onnx")) == Path("x.onnx")


@pytest.mark.slow
def test_a_whole_run_with_real_stages(recipe, tmp_path):
    text = recipe.read_text().replace('arch = "mobilenet"', 'arch = "mobilenet"\nepochs = 1')
    text += """
[[stage]]
run = "quantise"
from = "b.onnx"
samples = 32
never_slower = false
max_drop = 100
output = "b.int8.onnx"
[[stage]]
run = "bench"
files = ["a.safetensors", "b.onnx", "b.int8.onnx"]
rounds = 6
seconds = 0.2
"""
    recipe.write_text(text)
    result = run(recipe, tmp_path / "out", overrides={"prune.epochs": 1}, command="nnc run mine")
    assert result.shipped.name == "b.int8.onnx"
    assert result.bench is not None
    assert [entry["accuracy"]["images"] for entry in result.bench["files"]] == [40, 40, 40]
    page = (tmp_path / "out" / "results.md").read_text()
    assert "| b.int8.onnx | ONNX Runtime |" in page
    assert "- command: `nnc run mine`" in page
    again = run(recipe, tmp_path / "out", overrides={"prune.epochs": 1})
    assert all(stage.kept for stage in again.stages)
