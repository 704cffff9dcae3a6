"""The guard at the command line: refusals without a file, plans, explanations."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from nnc.errors import InputError
from nnc.exporters import ort_int8
from nnc.exporters.guard import search as search_module
from nnc.exporters.guard.pace import Pace

from .conftest import UNGUARDED

SLOW = Pace(0.5, 0.45, 0.55, 1.0, 2.0, 9)
FAST = Pace(2.0, 1.9, 2.1, 1.0, 0.5, 9)


@pytest.fixture
def timed(monkeypatch):
    """Call with what the stopwatch shall say."""

    def set_pace(pace: Pace) -> None:
        monkeypatch.setattr(search_module.Search, "_paced", lambda *_: pace)

    return set_pace


def test_slower_than_float_is_refused_and_writes_nothing(
    nnc, tmp_path, tiny_onnx, small_npz, timed
) -> None:
    timed(SLOW)
    output = tmp_path / "out.onnx"
    result = nnc("quantise", tiny_onnx, "--data", small_npz, "--search-seconds", 1, "-o", output)
    assert (result.code, result.out) == (3, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("nnc: error: no int8 file holds")
    assert "0.50 times float's speed" in last
    assert list(tmp_path.iterdir()) == []


def test_weights_alone_take_the_place_of_a_refusal_where_that_is_asked(
    nnc, tmp_path, tiny_onnx, small_npz, timed
) -> None:
    timed(SLOW)
    output = tmp_path / "out.onnx"
    told = ("--search-seconds", 1, "--or-weights-only", "-o", output)
    result = nnc("quantise", tiny_onnx, "--data", small_npz, *told)
    assert result.code == 0, result.err
    assert "int8 arithmetic was given up: no int8 file holds" in result.out
    assert "storing the weights alone as int8" in result.err
    assert output.stat().st_size < tiny_onnx.stat().st_size


def test_as_many_images_are_held_back_again_to_confirm_a_choice(
    nnc, tmp_path, tiny_onnx, small_npz, monkeypatch
) -> None:
    def say(*_args, held_back, **_kwargs):
        raise InputError(f"{held_back.images} held back")

    monkeypatch.setattr(ort_int8, "quantise", say)
    told = ("--guard-images", 5, "-o", tmp_path / "out.onnx")
    assert "10 held back" in nnc("quantise", tiny_onnx, "--data", small_npz, *told).err


def test_a_speed_that_is_let_go_is_not_measured(nnc, tmp_path, tiny_onnx, small_npz, timed) -> None:
    timed(SLOW)
    output = tmp_path / "out.onnx"
    result = nnc("quantise", tiny_onnx, "--data", small_npz, "--no-never-slower", "-o", output)
    assert result.code == 0
    assert "latency" not in result.out
    # Labels of an untrained network mean nothing, and 20 images cannot show half a point.
    assert "of the answers changed" in result.out
    assert "20 held-back images cannot show that at most 0.5 points are lost" in result.err


def test_a_plan_makes_the_same_file_again(nnc, tmp_path, tiny_onnx, small_npz, timed) -> None:
    timed(FAST)
    first, second, plan = tmp_path / "a.onnx", tmp_path / "b.onnx", tmp_path / "plan.json"
    told = nnc("quantise", tiny_onnx, "--data", small_npz, "--json", "-o", first)
    assert told.code == 0, told.err
    plan.write_text(told.out)
    again = nnc(
        *("quantise", tiny_onnx, "--data", small_npz, "--json", "--plan", plan, "-o", second)
    )
    assert again.code == 0, again.err
    assert json.loads(again.out)["plan"]["choice"] == json.loads(told.out)["plan"]["choice"]
    weights = [
        {t.name: t.raw_data for t in onnx.load(path).graph.initializer} for path in (first, second)
    ]
    assert weights[0] == weights[1]


def test_the_result_says_which_images_and_ranges(nnc, tmp_path, tiny_onnx, small_npz) -> None:
    output = tmp_path / "out.onnx"
    result = nnc("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "--json", "-o", output)
    value = json.loads(result.out)
    assert len(value["images"]["indices"]) == value["samples"]
    assert len(value["images"]["sha256"]) == 64
    assert all(low <= 0 <= high or low < high for low, high in value["ranges"].values())
    assert 0 < value["int8_mac_share"] <= 1
    assert {"name", "op", "int8", "why"} <= set(value["explanation"]["nodes"][0])


def test_a_plan_for_another_file_is_refused(
    nnc, tmp_path, tiny_onnx, foreign_onnx, small_npz
) -> None:
    told = nnc(
        *("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "--json"),
        *("-o", tmp_path / "a.onnx"),
    )
    plan = tmp_path / "plan.json"
    plan.write_text(told.out)
    result = nnc(
        *("quantise", foreign_onnx, "--data", small_npz, "--plan", plan, "-o", tmp_path / "b.onnx")
    )
    assert result.code == 2
    assert "was made for another file" in result.err
    assert not (tmp_path / "b.onnx").exists()


def test_explain_names_every_layer(nnc, tmp_path, tiny_onnx, small_npz) -> None:
    result = nnc(
        *("quantise", tiny_onnx, *UNGUARDED, "--data", small_npz, "--explain"),
        *("-o", tmp_path / "out.onnx"),
    )
    layers = [node for node in onnx.load(tiny_onnx).graph.node if node.op_type in ("Conv", "Gemm")]
    lines = result.out.splitlines()
    for node in layers:
        assert any(line.startswith("int8") and node.op_type in line for line in lines), result.out


def test_calibration_images_in_the_test_part_are_refused(nnc, tmp_path, tiny_onnx) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.arange(60) % 10
    data = tmp_path / "leak.npz"
    np.savez(data, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    result = nnc("quantise", tiny_onnx, "--data", data, "-o", tmp_path / "out.onnx")
    assert result.code == 2
    assert "calibration images are in its test part" in result.err
    assert not (tmp_path / "out.onnx").exists()
