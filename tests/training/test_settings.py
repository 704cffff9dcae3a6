"""Recipes say what the paper says, and wrong numbers are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnc.errors import InputError
from nnc.toolchain.training import RECIPES, TrainSettings
from nnc.toolchain.training.loop import learning_rate


def test_paper_recipe_is_the_papers() -> None:
    fit = TrainSettings.from_recipe("mobilenet", "paper").fit
    assert (fit.epochs, fit.batch_size, fit.learning_rate) == (50, 50, 0.01)
    assert (fit.momentum, fit.weight_decay, fit.nesterov) == (0.9, 1e-5, False)
    assert fit.flip == "colour"
    assert TrainSettings.from_recipe("alexnet", "paper").fit.learning_rate == 0.001


def test_paper_rate_falls_by_ten_in_steps() -> None:
    fit = TrainSettings.from_recipe("mobilenet", "paper").fit
    rates = [learning_rate(fit, epoch) for epoch in (0, 24.9, 25, 37.4, 37.5, 49.9)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])


def test_cosine_warms_up_and_ends_near_zero() -> None:
    fit = TrainSettings.from_recipe("mobilenet", "modern").fit
    rates = [learning_rate(fit, epoch / 10) for epoch in range(fit.epochs * 10)]
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < fit.learning_rate / 1000


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("arch", ["alexnet", "mobilenet", "shufflenet"])
def test_shipped_recipes_fit_every_network(recipe: str, arch: str) -> None:
    assert TrainSettings.from_recipe(arch, recipe).fit.epochs > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs = 0: expected a whole number from 1"),
        ({"epochs": 1.5}, "whole number"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"momentum": True}, "momentum = True"),
        ({"schedule": "linear"}, "expected one of constant, cosine, steps"),
        ({"device": "tpu"}, "expected one of auto, cpu, cuda"),
        ({"epoch": 3}, "unknown setting 'epoch'; did you mean epochs"),
        ({"image_size": 8}, "16 to 1024"),
        ({"train_images": 3}, "at least 20"),
    ],
)
def test_wrong_settings(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainSettings.from_recipe("mobilenet", **change)


def test_alexnet_refuses_28_pixels() -> None:
    with pytest.raises(InputError, match="AlexNet takes 63"):
        TrainSettings.from_recipe("alexnet", image_size=28)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "is not TOML"),
        ("epochs = 3", "lacks "),
        ("arch = 3", "expected .arch.NAME. tables"),
        ("[arch.resnet]\nepochs = 1", "unknown .arch.resnet."),
        ("bogus = 1", "unknown setting 'bogus'"),
    ],
)
def test_own_recipe_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        TrainSettings.from_recipe("mobilenet", str(path))


def test_unknown_recipe_suggests() -> None:
    with pytest.raises(InputError, match="did you mean modern"):
        TrainSettings.from_recipe("mobilenet", "modrn")
