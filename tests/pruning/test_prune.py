"""The prune stage: fractions reached in rounds, masks held and kept, the history told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nnc import models
from nnc.errors import InputError
from nnc.toolchain.data import DataSet
from nnc.toolchain.pruning import PruneSettings
from nnc.toolchain.pruning.prune import prune
from nnc.toolchain.training import TrainSettings
from nnc.toolchain.training.train import train


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, small_data: DataSet) -> Path:
    path = tmp_path_factory.mktemp("trained") / "ref.safetensors"
    fit = TrainSettings.from_recipe(
        "shufflenet", epochs=1, batch_size=20, image_size=16, device="cpu"
    )
    train(fit, small_data, path)
    return path


def settings(sensitivity: float = 0.4, **changes: object) -> PruneSettings:
    values = {"epochs": 1, "batch_size": 20, "device": "cpu"} | changes
    return PruneSettings.for_network("shufflenet", sensitivity, **values)


def dead_filters(network: torch.nn.Module) -> dict[str, int]:
    return {
        name: int((module.weight.flatten(1).abs().amax(1) == 0).sum())
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    }


@pytest.mark.parametrize("recover", ["finetune", "reinit"])
def test_prunes_every_layer_and_holds_it(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, recover: str
) -> None:
    output = tmp_path / "pruned.safetensors"
    result = prune(settings(iterations=2, recover=recover), checkpoint, small_data, output)
    assert [one.fraction for one in result.rounds] == pytest.approx([0.2, 0.4])
    network, card = models.load(output)
    for name, dead in dead_filters(network).items():
        filters = network.get_submodule(name).weight.shape[0]
        assert dead == int(filters * 0.4 + 0.5), name
    assert int(network.fc.weight.count_nonzero()) == 10 * 1024 - 4096
    assert sum(int(p.count_nonzero()) for p in network.parameters()) == result.nonzero_parameters
    assert [stage.name for stage in card.history] == ["train", "prune"]
    assert card.history[-1].settings["recover"] == recover
    assert card.parent_sha256


def test_pruning_a_pruned_checkpoint_keeps_its_masks(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    prune(settings(0.5), checkpoint, small_data, once)
    prune(settings(0.0), once, small_data, twice)
    first, _ = models.load(once)
    second, _ = models.load(twice)
    assert dead_filters(first) == dead_filters(second)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_sensitivity_out_of_range(value: float) -> None:
    with pytest.raises(InputError, match="expected a fraction from 0"):
        settings(value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"recover": "rewind"}, "finetune or reinit"), ({"iterations": 0}, "1 to 1000")],
)
def test_wrong_settings(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(**changes)


def test_data_that_does_not_fit(tmp_path: Path, checkpoint: Path, small_data: DataSet) -> None:
    output = tmp_path / "x.safetensors"
    other = replace(small_data, channels=3)
    with pytest.raises(InputError, match=r"takes images of 1 channel\(s\); small has 3"):
        prune(settings(), checkpoint, other, output)
    other = replace(small_data, classes=(*small_data.classes, "hat"))
    with pytest.raises(InputError, match="knows 10 classes; small has 11"):
        prune(settings(), checkpoint, other, output)
    assert not output.exists()
