"""One process's share: a network pruned as asked, measured, and restored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nnc import models
from nnc.toolchain.data import DataSet, pick_balanced
from nnc.toolchain.data.images import Subset
from nnc.toolchain.pipeline.shipped import shipped_checkpoint
from nnc.toolchain.scan import ScanSettings
from nnc.toolchain.scan.points import REFERENCE, WHOLE, Point
from nnc.toolchain.scan.trials import Trials
from nnc.toolchain.training.batches import Batches
from nnc.toolchain.training.loop import accuracy

LAYER = "features.2.conv.1.0"
SETTINGS = ScanSettings(sensitivities=(0.6,), images=20, device="cpu")


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return shipped_checkpoint("mobilenet-fashion-mnist")


@pytest.fixture(scope="module")
def trials(checkpoint: Path, small_npz: Path) -> Trials:
    return Trials(SETTINGS, checkpoint, str(small_npz), None)


def test_a_layer_alone_is_measured_with_its_smallest_filters_zeroed(
    trials: Trials, checkpoint: Path, small_data: DataSet, tmp_path: Path
) -> None:
    network, card = models.load(checkpoint)
    convolution = network.get_submodule(LAYER)
    norm = network.get_submodule("features.2.conv.1.1")
    scores = convolution.weight.detach().flatten(1).norm(dim=1)
    gone = scores.argsort(stable=True)[: int(0.6 * len(scores) + 0.5)]
    with torch.no_grad():
        for tensor in (convolution.weight, norm.weight, norm.bias, norm.running_mean):
            tensor[gone] = 0
    part = small_data.split()[1]
    images = Subset(part, pick_balanced(part, SETTINGS.images, SETTINGS.seed))
    expected = accuracy(network, Batches(images, card.input, torch.device("cpu")))
    point = Point(LAYER, 0.6)
    measured = trials.measure(point, point.fractions(trials.parts), tmp_path / "x")
    assert measured.accuracy == pytest.approx(expected)
    assert measured.nonzero_parameters == sum(int(p.count_nonzero()) for p in network.parameters())
    assert trials.parts[LAYER] == len(scores)


def test_measuring_restores_the_network(trials: Trials, checkpoint: Path, tmp_path: Path) -> None:
    pruned = trials.measure(Point(WHOLE, 0.5), 0.5, tmp_path / "x")
    unpruned = trials.measure(Point(REFERENCE), 0.0, tmp_path / "x")
    network, _ = models.load(checkpoint)
    assert unpruned.nonzero_parameters == sum(int(p.count_nonzero()) for p in network.parameters())
    assert pruned.nonzero_parameters < unpruned.nonzero_parameters
    assert trials.measure(Point(WHOLE, 0.5), 0.5, tmp_path / "x") == pruned


def test_criteria_that_judge_by_images_are_given_training_images(
    checkpoint: Path, small_npz: Path, tmp_path: Path
) -> None:
    settings = ScanSettings(
        sensitivities=(0.5,), method="filter", criterion="taylor", images=20, device="cpu"
    )
    trials = Trials(settings, checkpoint, str(small_npz), None)
    point = Point(LAYER, 0.5)
    first = trials.measure(point, point.fractions(trials.parts), tmp_path / "x")
    again = Trials(settings, checkpoint, str(small_npz), None)
    assert again.measure(point, point.fractions(trials.parts), tmp_path / "x") == first


@pytest.mark.slow
def test_a_retrained_point_is_measured_on_all_images_and_leaves_no_network(
    checkpoint: Path, small_npz: Path, small_data: DataSet, tmp_path: Path
) -> None:
    settings = ScanSettings(sensitivities=(0.3,), epochs=1, layers=False, images=5, device="cpu")
    trials = Trials(settings, checkpoint, str(small_npz), None)
    point = Point(WHOLE, 0.3, 1)
    measured = trials.measure(point, 0.3, tmp_path / "work.safetensors")
    images = len(small_data.split()[1])
    assert (measured.accuracy * images) == pytest.approx(round(measured.accuracy * images))
    assert (
        measured.nonzero_parameters
        < trials.measure(Point(REFERENCE), 0.0, tmp_path).nonzero_parameters
    )
    assert list(tmp_path.iterdir()) == []
