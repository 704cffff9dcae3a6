"""Training learns, repeats itself, survives a kill, and leaves the test part alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nnc import models
from nnc.errors import InputError, NncError
from nnc.model_card import InputSpec
from nnc.toolchain.data import DataSet
from nnc.toolchain.training import TrainSettings
from nnc.toolchain.training.batches import Batches, _augment
from nnc.toolchain.training.loop import Epoch, out_of_patience
from nnc.toolchain.training.train import train


class StopError(Exception):
    """Stands for a kill."""


class StopAfter:
    """Progress that breaks off after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def task(self, description: str, total: int) -> StopAfter:
        return self

    def __enter__(self) -> StopAfter:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= steps
        if self.left < 0:
            raise StopError


def settings(**changes: object) -> TrainSettings:
    values = {"epochs": 3, "batch_size": 20, "image_size": 16, "device": "cpu"} | changes
    return TrainSettings.from_recipe("shufflenet", **values)


def weights(path: Path) -> dict[str, np.ndarray]:
    return models.read_arrays(path)


def assert_same(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_learns_and_says_so(tmp_path: Path, small_data: DataSet) -> None:
    result = train(settings(epochs=12, learning_rate=0.05), small_data, tmp_path / "a.safetensors")
    assert result.epochs[-1].train_loss < 0.8 * result.epochs[0].train_loss
    assert result.validation_accuracy == max(e.validation_accuracy for e in result.epochs)
    _, card = models.load(result.output)
    assert card.labels == small_data.classes
    assert card.input == InputSpec(1, 16, 16, (0.5,), (0.5,))
    assert card.data == "path:small"
    command = card.history[0].command
    assert command.startswith("nnc train --arch shufflenet --data small --recipe modern")
    assert "--image-size 16" in command
    assert str(tmp_path) not in command
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_same_seed_same_weights(tmp_path: Path, small_data: DataSet) -> None:
    for name in ("a", "b"):
        train(settings(epochs=1), small_data, tmp_path / f"{name}.safetensors")
    train(settings(epochs=1, seed=1), small_data, tmp_path / "c.safetensors")
    assert_same(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "a.safetensors", tmp_path / "c.safetensors")


@pytest.mark.parametrize("steps", [2, 5, 11])
def test_killed_and_resumed_is_as_if_never_killed(
    tmp_path: Path, small_data: DataSet, steps: int
) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    train(settings(), small_data, whole)
    with pytest.raises(StopError):
        train(settings(), small_data, cut, progress=StopAfter(steps))
    assert not cut.exists()
    train(settings(), small_data, cut)
    assert_same(whole, cut)
    assert not list(tmp_path.glob("*.resume"))


def test_state_of_another_run_is_not_resumed(tmp_path: Path, small_data: DataSet) -> None:
    cut = tmp_path / "cut.safetensors"
    with pytest.raises(StopError):
        train(settings(), small_data, cut, progress=StopAfter(5))
    result = train(settings(epochs=1, seed=7), small_data, cut)
    assert len(result.epochs) == 1


def test_a_damaged_resume_file_starts_anew(tmp_path: Path, small_data: DataSet) -> None:
    (tmp_path / "a.safetensors.resume").write_bytes(b"\x80\x04garbage")
    assert len(train(settings(epochs=1), small_data, tmp_path / "a.safetensors").epochs) == 1


def test_test_part_is_not_read(tmp_path: Path, small_data: DataSet) -> None:
    class Forbidden:
        labels = small_data.test.labels

        def __len__(self) -> int:
            return len(self.labels)

        def take(self, *arguments: object) -> None:
            raise AssertionError("the test part was read")

        identities = take

    data = replace(small_data, test=Forbidden())
    train(settings(epochs=1), data, tmp_path / "a.safetensors")


def test_divergence_is_one_line(tmp_path: Path, small_data: DataSet) -> None:
    with pytest.raises(NncError, match="training diverged in epoch"):
        train(
            settings(learning_rate=100.0, warmup_epochs=0.0, momentum=0.99, epochs=4),
            small_data,
            tmp_path / "a.safetensors",
        )
    assert not (tmp_path / "a.safetensors").exists()


def test_existing_output_is_refused_before_training(tmp_path: Path, small_data: DataSet) -> None:
    path = tmp_path / "a.safetensors"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists"):
        train(settings(), small_data, path, progress=StopAfter(0))
    assert path.read_text() == "mine"


def test_half_measures_what_it_stores(tmp_path: Path, small_data: DataSet) -> None:
    result = train(settings(epochs=1, half=True), small_data, tmp_path / "a.safetensors")
    assert weights(result.output)["fc.weight"].dtype == np.float16
    assert result.size_bytes < 0.6 * 4 * result.parameters


@pytest.mark.parametrize(
    ("accuracies", "stops"),
    [([], False), ([0.5], False), ([0.5, 0.4], False), ([0.5, 0.4, 0.4], True),
     ([0.5, 0.5, 0.5], True), ([0.5, 0.4, 0.6], False), ([0.5, 0.4, 0.6, 0.5, 0.6], True)],
)  # fmt: skip
def test_patience_counts_epochs_since_the_best(accuracies: list[float], stops: bool) -> None:
    epochs = [Epoch(n, 0.1, 1.0, 0.5, one, 1.0) for n, one in enumerate(accuracies, 1)]
    assert out_of_patience(2)(epochs) == stops


def test_augmentation_moves_whole_images() -> None:
    images = torch.arange(6 * 8 * 8, dtype=torch.uint8).view(6, 8, 8, 1)
    generator = np.random.default_rng(0)
    assert torch.equal(_augment(images, generator, flip=False, crop=0.0), images)
    for before, after in zip(images, _augment(images, generator, flip=True, crop=0.0), strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(1))
    shifted = _augment(images, generator, flip=False, crop=0.25)
    assert shifted.shape == images.shape
    for before, after in zip(images, shifted, strict=True):
        assert set(after.unique().tolist()) <= set(before.unique().tolist())


def test_batches_cover_every_image_once(small_data: DataSet) -> None:
    spec = InputSpec(1, 28, 28, (0.5,), (0.25,))
    batches = Batches(small_data.training, spec, torch.device("cpu"))
    images = torch.cat([inputs for inputs, _ in batches.in_order(32)])
    pixels = small_data.training.take(range(100), 28, 28)[..., 0]
    expected = (pixels / 255 - 0.5) / 0.25
    np.testing.assert_allclose(images[:, 0].numpy(), expected, rtol=1e-5, atol=1e-5)
    shuffled = batches.shuffled(32, np.random.default_rng(0), flip=False, crop=0.0)
    labels = torch.cat([labels for _, labels in shuffled])
    assert sorted(labels.tolist()) == sorted(small_data.training.labels.tolist())
