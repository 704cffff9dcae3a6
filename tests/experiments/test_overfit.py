"""The overfitting study from end to end on a small network: made once, resumed, added to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnc import models
from nnc.errors import InputError
from nnc.toolchain.data import DataSet
from nnc.toolchain.experiments.overfit import overfit
from nnc.toolchain.experiments.overfit_settings import OverfitSettings


@pytest.fixture(scope="module")
def settings(small: str) -> OverfitSettings:
    return OverfitSettings(
        small, (0.2, 0.5), seeds=2, reference_epochs=2, overfit_epochs=3,
        until_train_accuracy=0.5, retrain_epochs=2, patience=1, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(
    settings: OverfitSettings, small_data: DataSet, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("study")
    overfit(settings, small_data, folder)
    return folder


def copy(source: Path, target: Path) -> Path:
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return target


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "overfit.json").read_text())


def stamps(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*.safetensors")
    }


def test_every_network_stands_there(finished: Path, settings: OverfitSettings) -> None:
    names = {"reference", "overfitted", "control", "pruned-0.2", "pruned-0.5"}
    for seed in (0, 1):
        found = {path.stem for path in (finished / f"seed-{seed}").glob("*.safetensors")}
        assert found == names
        assert found == {path.stem for path in (finished / f"seed-{seed}").glob("*.json")}
    assert {path.name for path in finished.iterdir() if path.is_file()} == {
        "overfit.json", "overfit.md", "overfit.png",
    }  # fmt: skip
    rows = told(finished)["rows"]
    assert [(row["kind"], row["sensitivity"]) for row in rows] == [
        ("reference", None), ("overfitted", None), ("control", None),
        ("pruned", 0.2), ("pruned", 0.5),
    ]  # fmt: skip
    assert all(len(row["networks"]) == 2 for row in rows)
    sizes = [row["nonzero_parameters"] for row in rows[2:]]
    assert sizes == sorted(sizes, reverse=True)
    exported = [row["compact_parameters"] for row in rows[2:]]
    assert exported == sorted(exported, reverse=True)
    assert exported[0] > exported[2]


def test_control_is_the_overfitted_network_trained_on(finished: Path) -> None:
    network, card = models.load(finished / "seed-0" / "control.safetensors")
    assert not card.regularisation
    assert [stage.name for stage in card.history] == ["train", "prune"]
    assert card.history[1].settings["sensitivity"] == 0
    assert all(int((p != 0).sum()) == p.numel() for p in network.parameters() if p.dim() > 1)
    before, _ = models.load(finished / "seed-0" / "overfitted.safetensors")
    assert any(
        not a.equal(b) for a, b in zip(before.parameters(), network.parameters(), strict=True)
    )


def test_a_finished_study_is_only_read(
    finished: Path, settings: OverfitSettings, small_data: DataSet
) -> None:
    before, report = stamps(finished), (finished / "overfit.json").read_bytes()
    lines: list[str] = []
    overfit(settings, small_data, finished, tell=lines.append)
    assert stamps(finished) == before
    assert (finished / "overfit.json").read_bytes() == report
    assert len(lines) == 10
    assert all(line.endswith("(kept)") for line in lines)


def test_more_of_it_adds_to_what_is_there(
    finished: Path, settings: OverfitSettings, small_data: DataSet, tmp_path: Path
) -> None:
    folder = copy(finished, tmp_path)
    before = stamps(folder)
    overfit(replace(settings, sensitivities=(0.2, 0.3, 0.5)), small_data, folder)
    after = stamps(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {f"seed-{s}/pruned-0.3.safetensors" for s in (0, 1)}


class _StopError(Exception):
    pass


class _StopAfter:
    """Progress that breaks off after so many steps, which stands for a kill."""

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


@pytest.mark.parametrize("steps", [1, 3, 6, 11, 18])
def test_killed_and_resumed_is_as_if_never_killed(
    finished: Path, settings: OverfitSettings, small_data: DataSet, tmp_path: Path, steps: int
) -> None:
    one = replace(settings, seeds=1)
    with pytest.raises(_StopError):
        overfit(one, small_data, tmp_path, progress=_StopAfter(steps))
    assert not (tmp_path / "overfit.json").exists()
    overfit(one, small_data, tmp_path)
    for path in (finished / "seed-0").glob("*.json"):
        assert json.loads((tmp_path / "seed-0" / path.name).read_text()) == json.loads(
            path.read_text()
        )


def test_a_lost_checkpoint_is_made_again(
    finished: Path, settings: OverfitSettings, small_data: DataSet, tmp_path: Path
) -> None:
    folder = copy(finished, tmp_path)
    (folder / "seed-1" / "overfitted.safetensors").unlink()
    before = stamps(folder)
    overfit(settings, small_data, folder)
    after = stamps(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"seed-1/overfitted.safetensors"}


def test_other_settings_are_refused_and_named(
    finished: Path, settings: OverfitSettings, small_data: DataSet, tmp_path: Path
) -> None:
    folder = copy(finished, tmp_path)
    longer = replace(settings, seeds=1, retrain_epochs=3)
    with pytest.raises(
        InputError, match=r"control\.json was made with other settings .epochs 2 there, 3"
    ):
        overfit(longer, small_data, folder)
    before = stamps(folder)
    overfit(longer, small_data, folder, overwrite=True)
    after = stamps(folder)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {
        f"seed-0/{name}.safetensors" for name in ("control", "pruned-0.2", "pruned-0.5")
    }


@pytest.mark.parametrize("text", ["{", "[]", "{}", "\xff"])
def test_a_damaged_record_is_one_line(
    settings: OverfitSettings, small_data: DataSet, tmp_path: Path, text: str
) -> None:
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "reference.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"reference\.json"):
        overfit(settings, small_data, tmp_path)


def test_test_labels_choose_nothing(
    finished: Path, settings: OverfitSettings, small_data: DataSet, tmp_path: Path
) -> None:
    """With other test images everything but the test accuracies stays as it was."""

    class Mislabelled:
        labels = (small_data.test.labels + 1) % 10

        def __len__(self) -> int:
            return len(self.labels)

        def take(self, *arguments: Any) -> Any:
            return small_data.test.take(*arguments)

        def identities(self) -> list[bytes]:
            return small_data.test.identities()

    data = replace(small_data, test=Mislabelled())
    overfit(replace(settings, seeds=1), data, tmp_path)
    for path in (finished / "seed-0").glob("*.json"):
        ours, theirs = (json.loads(p.read_text()) for p in (tmp_path / "seed-0" / path.name, path))
        assert ours["weights"] == theirs["weights"]
        assert ours["results"] == theirs["results"]
