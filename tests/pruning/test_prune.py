"""The prune stage: fractions reached in rounds, masks held and kept, the history told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nnc import models
from nnc.errors import InputError
from nnc.toolchain.data import DataSet
from nnc.toolchain.pruning import PruneSettings
from nnc.toolchain.pruning.prune import prune


def settings(sensitivity: float | None = 0.5, **changes: object) -> PruneSettings:
    values = {"epochs": 1, "batch_size": 20, "device": "cpu"} | changes
    return PruneSettings.for_network("tiny", sensitivity, **values)


def dead_filters(path: Path) -> dict[str, int]:
    network, _ = models.load(path)
    return {
        name: int((module.weight.flatten(1).abs().amax(1) == 0).sum())
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    }


def zeros(path: Path) -> dict[str, np.ndarray]:
    return {name: values == 0 for name, values in models.read_arrays(path).items()}


@pytest.mark.parametrize("recover", ["finetune", "reinit"])
def test_prunes_every_layer_and_holds_it(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, recover: str
) -> None:
    output = tmp_path / "pruned.safetensors"
    result = prune(settings(iterations=2, recover=recover), checkpoint, small_data, output)
    assert [one.fraction for one in result.rounds] == pytest.approx([0.25, 0.5])
    assert dead_filters(output) == {"first": 8, "branch": 8, "depthwise": 8, "last": 16}
    network, card = models.load(output)
    assert sum(int(p.count_nonzero()) for p in network.parameters()) == result.nonzero_parameters
    assert result.compact_parameters < result.whole_parameters
    assert [stage.name for stage in card.history] == ["train", "prune"]
    assert card.history[-1].settings["recover"] == recover
    assert card.history[-1].settings["criterion"] == "l2"
    assert card.parent_sha256
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


@pytest.mark.parametrize("method", ["paper", "element", "filter", "channel"])
def test_a_pruned_checkpoint_keeps_its_masks_when_trained_further(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, method: str
) -> None:
    once, further = tmp_path / "once.safetensors", tmp_path / "further.safetensors"
    hard = {"weight_decay": 0.5, "momentum": 0.99, "learning_rate": 0.05}
    prune(settings(method=method), checkpoint, small_data, once)
    prune(settings(0.0, epochs=2, **hard), once, small_data, further)
    before, after = models.read_arrays(once), models.read_arrays(further)
    lost = 0
    for name, values in before.items():
        if name.endswith("weight") and values.ndim > 1:
            assert (after[name][values == 0] == 0).all(), name
            assert not np.array_equal(after[name], values), name
            lost += int((values == 0).sum())
    assert lost > 500
    for norm in ("first_norm", "branch_norm", "depthwise_norm"):
        dead = (before[f"{norm}.weight"] == 0) & (before[f"{norm}.bias"] == 0)
        for part in ("weight", "bias", "running_mean"):
            assert (after[f"{norm}.{part}"][dead] == 0).all(), norm


def test_channels_leave_the_exported_file_as_the_result_says(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    from nnc.exporters.onnx_export import export
    from nnc.runtimes.artifact import read_artifact

    output, exported = tmp_path / "pruned.safetensors", tmp_path / "pruned.onnx"
    result = prune(settings(method="channel"), checkpoint, small_data, output)
    dead = dead_filters(output)
    assert (dead["first"], dead["depthwise"], dead["last"]) == (8, 8, 16)
    assert dead["branch"] == dead["first"], "a residual's two sides lose the same channels"
    export(output, exported, images=small_data.training.take(range(4), 12, 12))
    file = read_artifact(exported)
    assert (file.parameters, file.macs) == (result.compact_parameters, result.compact_macs)
    assert result.compact_macs < 0.5 * result.whole_macs


def test_the_best_epoch_of_the_last_round_is_kept(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    from nnc.toolchain.training.batches import Batches
    from nnc.toolchain.training.loop import accuracy

    output = tmp_path / "pruned.safetensors"
    told = settings(0.9, iterations=2, epochs=3, schedule="cubic", learning_rate=0.05)
    result = prune(told, checkpoint, small_data, output)
    assert [one.fraction for one in result.rounds] == pytest.approx([0.9 * 0.875, 0.9])
    network, card = models.load(output)
    held_out = Batches(small_data.split()[1], card.input, torch.device("cpu"))
    assert accuracy(network, held_out) == result.validation_accuracy
    assert result.validation_accuracy == result.rounds[-1].accuracy_retrained


def test_patience_ends_a_round(tmp_path: Path, checkpoint: Path, small_data: DataSet) -> None:
    told = settings(0.3, epochs=30, patience=1, learning_rate=1e-9)
    result = prune(told, checkpoint, small_data, tmp_path / "a.safetensors")
    # Nothing moves, so no epoch is better than the first.
    assert result.rounds[0].epochs == 2


def test_a_table_prunes_each_layer_by_its_own_fraction(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    output = tmp_path / "pruned.safetensors"
    told = settings(None, table={"first": 0.25, "last": 0.75}, method="filter", iterations=2)
    result = prune(told, checkpoint, small_data, output)
    assert [one.fraction for one in result.rounds] == pytest.approx([0.375, 0.75])
    assert dead_filters(output) == {"first": 4, "branch": 0, "depthwise": 0, "last": 24}
    with pytest.raises(InputError, match="'frist' is no part of this network"):
        prune(
            settings(None, table={"frist": 0.5}), checkpoint, small_data, tmp_path / "b.safetensors"
        )


def test_data_that_does_not_fit(tmp_path: Path, checkpoint: Path, small_data: DataSet) -> None:
    output = tmp_path / "x.safetensors"
    other = replace(small_data, channels=3)
    with pytest.raises(InputError, match=r"takes images of 1 channel\(s\); small has 3"):
        prune(settings(), checkpoint, other, output)
    other = replace(small_data, classes=(*small_data.classes, "hat"))
    with pytest.raises(InputError, match="knows 10 classes; small has 11"):
        prune(settings(), checkpoint, other, output)
    assert not output.exists()


def test_weights_that_are_not_finite(tmp_path: Path, checkpoint: Path, small_data: DataSet) -> None:
    network, card = models.load(checkpoint)
    with torch.no_grad():
        network.branch.weight[0, 0, 0, 0] = float("nan")
    broken = tmp_path / "nan.safetensors"
    models.save(broken, network, card)
    with pytest.raises(InputError, match=r"'branch.weight' holds NaN or infinite values"):
        prune(settings(), broken, small_data, tmp_path / "x.safetensors")
