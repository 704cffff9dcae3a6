"""A plan is of one model, and says where it is replayed under other conditions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nnc.errors import InputError
from nnc.exporters.guard.candidate import Candidate
from nnc.exporters.guard.plan import Plan, read_plan
from nnc.exporters.guard.replay import check_model, compare_images

PLAN = Plan(Candidate(), "12ab", "avx2", images_sha256="77", normalisation=((0.5,), (0.25,)))


def test_another_file_is_refused() -> None:
    check_model(PLAN, "m.onnx", "12ab")
    with pytest.raises(InputError, match=r"another file than m\.onnx \(sha256 12ab"):
        check_model(PLAN, "m.onnx", "34cd")


def test_other_images_and_another_normalisation_are_warned_of(caplog) -> None:
    compare_images(PLAN, "77", PLAN.normalisation)
    compare_images(PLAN, "", ((), ()))
    compare_images(replace(PLAN, images_sha256="", normalisation=((), ())), "88", ((1.0,), (1.0,)))
    assert caplog.text == ""
    compare_images(PLAN, "88", PLAN.normalisation)
    assert "found with other calibration images" in caplog.text
    compare_images(PLAN, "77", ((0.3,), (0.25,)))
    assert "mean [0.5] and std [0.25]; these images take [0.3] and [0.25]" in caplog.text


def test_both_are_read_back(tmp_path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN.to_json()))
    read = read_plan(path)
    assert (read.images_sha256, read.normalisation) == ("77", PLAN.normalisation)
    path.write_text(json.dumps({**PLAN.to_json(), "mean": ["much"]}))
    with pytest.raises(InputError, match="the plan's 'mean' is no list of numbers"):
        read_plan(path)
