"""Training until the images are learnt, without what keeps a network from learning them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nnc import models
from nnc.errors import InputError
from nnc.toolchain.data import DataSet, open_data
from nnc.toolchain.training import TrainSettings
from nnc.toolchain.training.batches import Batches
from nnc.toolchain.training.loop import accuracy
from nnc.toolchain.training.train import train

CPU = torch.device("cpu")


def settings(**changes: object) -> TrainSettings:
    values = {
        "epochs": 6, "batch_size": 20, "image_size": 16, "device": "cpu",
        "regularisation": False, "until_train_accuracy": 0.2,
    } | changes  # fmt: skip
    return TrainSettings.from_recipe("shufflenet", **values)


@pytest.mark.parametrize("recipe", [None, "modern", "paper", "overfit"])
def test_nothing_regularises_whatever_the_recipe(recipe: str | None) -> None:
    fit = TrainSettings.from_recipe("mobilenet", recipe, regularisation=False).fit
    assert (fit.weight_decay, fit.label_smoothing, fit.crop, fit.flip) == (0, 0, 0, "never")


def test_the_recipe_that_is_taken() -> None:
    assert TrainSettings.from_recipe("mobilenet").recipe == "modern"
    assert TrainSettings.from_recipe("mobilenet", regularisation=False).recipe == "overfit"
    assert TrainSettings.from_recipe("mobilenet", regularisation=False, crop=0.1).fit.crop == 0.1


@pytest.mark.parametrize("goal", [0.0, 1.5, float("nan")])
def test_impossible_goals(goal: float) -> None:
    with pytest.raises(InputError, match="until_train_accuracy"):
        settings(until_train_accuracy=goal)


def test_stops_when_learnt_and_keeps_that(tmp_path: Path, small_data: DataSet) -> None:
    result = train(settings(epochs=40), small_data, tmp_path / "a.safetensors")
    assert result.learnt
    assert len(result.epochs) < 40
    assert [epoch.reached_goal for epoch in result.epochs].index(True) == len(result.epochs) - 1
    assert result.validation_accuracy == result.epochs[-1].validation_accuracy
    network, card = models.load(result.output)
    assert not card.regularisation
    learnt = accuracy(network, Batches(small_data.split()[0], card.input, CPU))
    assert learnt == result.train_accuracy
    assert learnt >= 0.2
    stage = card.history[0]
    assert stage.results["train_accuracy"] == learnt
    assert "--no-regularisation --until-train-accuracy 0.2" in stage.command


def test_says_when_the_epochs_were_over_first(tmp_path: Path, small_data: DataSet) -> None:
    result = train(
        settings(epochs=2, until_train_accuracy=1.0), small_data, tmp_path / "a.safetensors"
    )
    assert result.learnt is False
    assert result.train_accuracy is not None
    assert result.train_accuracy < 1
    assert result.validation_accuracy == result.epochs[-1].validation_accuracy


class _StopError(Exception):
    pass


class _StopAfter:
    def __init__(self, steps: int) -> None:
        self.left = steps

    def task(self, description: str, total: int) -> _StopAfter:
        return self

    def __enter__(self) -> _StopAfter:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= steps
        if self.left < 0:
            raise _StopError


def test_killed_and_resumed_is_as_if_never_killed(tmp_path: Path, small_data: DataSet) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    first = train(settings(), small_data, whole)
    with pytest.raises(_StopError):
        train(settings(), small_data, cut, progress=_StopAfter(5))
    second = train(settings(), small_data, cut)
    assert (first.train_accuracy, first.learnt) == (second.train_accuracy, second.learnt)
    one, other = models.read_arrays(whole), models.read_arrays(cut)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_clipped_gradients_take_short_steps(tmp_path: Path, small_data: DataSet) -> None:
    """Every step is at most rate x norm long, without momentum: four steps move no further."""
    still = {
        "epochs": 1, "momentum": 0.0, "nesterov": False, "schedule": "constant",
        "warmup_epochs": 0.0, "learning_rate": 1.0, "until_train_accuracy": None,
    }  # fmt: skip
    ends = {}
    for norm in (1e-6, 1e-3):
        path = tmp_path / f"{norm}.safetensors"
        train(settings(**still, clip_norm=norm), small_data, path)
        ends[norm] = models.read_arrays(path)
    gap = np.sqrt(sum(float(np.square(ends[1e-6][n] - ends[1e-3][n]).sum()) for n in ends[1e-6]))
    assert 0 < gap <= 4.1 * (1e-3 + 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["mobilenet", "shufflenet"])
def test_learns_a_thousand_images_by_heart(tmp_path: Path, arch: str) -> None:
    told = TrainSettings.from_recipe(
        arch, regularisation=False, until_train_accuracy=0.999, epochs=40, train_images=1000,
        device="cpu",
    )  # fmt: skip
    result = train(told, open_data("fashion-mnist-mini"), tmp_path / "a.safetensors")
    assert result.learnt, result.train_accuracy
    assert result.validation_accuracy > 0.7
