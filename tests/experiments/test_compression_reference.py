"""The network that the compression experiment starts from: found, trained once, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnc import models
from nnc.errors import InputError
from nnc.model_card import InputSpec, ModelCard, Stage
from nnc.progress import SILENT
from nnc.toolchain.data import DataSet
from nnc.toolchain.experiments.compression_reference import find_reference
from nnc.toolchain.experiments.compression_settings import CompressionSettings
from nnc.toolchain.training import TrainSettings


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainSettings]:
    """What training was asked for; it writes a fresh network that says so."""
    asked: list[TrainSettings] = []

    def train(
        settings: TrainSettings, data: DataSet, output: Path, *, overwrite: bool, **_named: object
    ) -> None:
        asked.append(settings)
        card = ModelCard(
            InputSpec(1, 28, 28, (0.5,), (0.5,)),
            data.classes,
            settings.arch,
            history=(Stage("train", {**settings.to_json(), "data": data.reference}),),
        )
        models.save(output, models.build("small", 10, 1), card, overwrite=overwrite)

    monkeypatch.setattr("nnc.toolchain.training.train.train", train)
    return asked


@pytest.fixture
def find(small: str, trained: list[TrainSettings], small_data: DataSet, tmp_path: Path):
    """Call `find_reference` on the small network with other settings."""

    def call(*, overwrite: bool = False, checkpoint: Path | None = None, **settings) -> Path:
        told = CompressionSettings(small, methods=("channel",), **settings)
        return find_reference(told, checkpoint, small_data, tmp_path, SILENT, overwrite=overwrite)

    return call


def test_it_is_trained_once(find, trained: list[TrainSettings], tmp_path: Path) -> None:
    reference = tmp_path / "reference.safetensors"
    assert find(train_images=40) == reference
    # What the training does not depend on may change: the device, how pruning goes on.
    assert find(train_images=40, device="cpu", epochs=5, max_drop=3.0) == reference
    assert [told.train_images for told in trained] == [40]


@pytest.mark.parametrize("changed", [{"seed": 1}, {"train_images": 60}, {"train_images": None}])
def test_one_that_was_trained_otherwise_is_refused_or_with_force_replaced(
    find, trained: list[TrainSettings], tmp_path: Path, changed: dict
) -> None:
    reference = find(train_images=40)
    before = reference.read_bytes()
    with pytest.raises(InputError, match=r"not trained by these settings on small; .*--force") as e:
        find(**{"train_images": 40, **changed})
    assert "\n" not in str(e.value)
    assert reference.read_bytes() == before
    assert len(trained) == 1
    assert find(**{"train_images": 40, **changed}, overwrite=True) == reference
    assert len(trained) == 2
    find(**{"train_images": 40, **changed})
    assert len(trained) == 2


@pytest.mark.parametrize("text", ["", "nothing"])
def test_a_damaged_one_is_refused_or_with_force_replaced(
    find, trained: list[TrainSettings], tmp_path: Path, text: str
) -> None:
    (tmp_path / "reference.safetensors").write_text(text)
    with pytest.raises(InputError, match=r"reference\.safetensors"):
        find()
    assert not trained
    find(overwrite=True)
    assert len(trained) == 1
    find()
    assert len(trained) == 1


def test_one_that_is_named_is_taken_as_it_is(find, trained: list, tmp_path: Path) -> None:
    reference = find(train_images=40)
    named = reference.rename(tmp_path / "mine.safetensors")
    assert find(checkpoint=named, seed=5) == named
    assert len(trained) == 1
