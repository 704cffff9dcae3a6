"""The runner: what is done once, what is done again, what is left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nnc.errors import InputError
from nnc.toolchain.pipeline import runner, shipped
from nnc.toolchain.pipeline.runner import run
from nnc.toolchain.pipeline.stage_kinds import KINDS
from nnc.toolchain.pipeline.state import only_run_in

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
        text = json.dumps(dict(job.settings)) + "".join(path.read_text() for path in job.inputs)
        job.output.write_text(text)
        return {"length": len(text)}

    kinds = {name: replace(kind, runner=write) for name, kind in KINDS.items()}
    monkeypatch.setattr(runner, "KINDS", kinds)
    return names


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
output = "b.int8.onnx"
[[stage]]
run = "bench"
files = ["a.safetensors", "b.onnx", "b.int8.onnx"]
rounds = 3
seconds = 0.2
"""
    recipe.write_text(text)
    result = run(recipe, tmp_path / "out", overrides={"prune.epochs": 1}, command="nnc run mine")
    assert result.shipped.name == "b.int8.onnx"
    assert result.bench is not None
    assert [entry["accuracy"]["images"] for entry in result.bench["results"]] == [40, 40, 40]
    page = (tmp_path / "out" / "results.md").read_text()
    assert "| b.int8.onnx | ONNX Runtime |" in page
    assert "- command: `nnc run mine`" in page
    again = run(recipe, tmp_path / "out", overrides={"prune.epochs": 1})
    assert all(stage.kept for stage in again.stages)
