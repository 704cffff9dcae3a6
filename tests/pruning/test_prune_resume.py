"""A prune run that is killed goes on to the very weights of one that was not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from nnc import models
from nnc.errors import NncError
from nnc.toolchain.data import DataSet
from nnc.toolchain.pruning import PruneSettings
from nnc.toolchain.pruning.prune import PruneResult, prune


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


CASES = {
    "channels to a budget": {"target_macs": 0.4, "method": "channel", "round_to": 1},
    "by gradients, fresh weights": {
        "sensitivity": 0.5, "method": "filter", "criterion": "taylor", "recover": "reinit",
    },
    "with patience": {"sensitivity": 0.5, "patience": 1},
}  # fmt: skip


def settings(case: str) -> PruneSettings:
    values = {"epochs": 2, "batch_size": 20, "device": "cpu", "iterations": 2, "schedule": "cubic"}
    return PruneSettings.for_network("tiny", **(values | CASES[case]))


@pytest.fixture(scope="module", params=list(CASES))
def whole(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint: Path,
    small_data: DataSet,
) -> tuple[str, PruneResult, int]:
    """A case, its result when nothing interrupts it, and the steps that its run reports."""
    output = tmp_path_factory.mktemp("whole") / "x.safetensors"
    counting = StopAfter(10**9)
    result = prune(settings(request.param), checkpoint, small_data, output, progress=counting)
    return request.param, result, 10**9 - counting.left


def same(one: Path, other: Path) -> None:
    first, second = models.read_arrays(one), models.read_arrays(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_killed_and_resumed_is_as_if_never_killed(
    tmp_path: Path,
    checkpoint: Path,
    small_data: DataSet,
    whole: tuple[str, PruneResult, int],
    share: float,
) -> None:
    case, expected, steps = whole
    output = tmp_path / "x.safetensors"
    told = settings(case)
    with pytest.raises(StopError):
        prune(told, checkpoint, small_data, output, progress=StopAfter(int(share * steps) - 1))
    assert not output.exists()
    result = prune(told, checkpoint, small_data, output)
    same(output, expected.output)
    assert result.rounds == expected.rounds
    assert result.accuracy_before == expected.accuracy_before
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_killed_at_every_turn(tmp_path: Path, checkpoint: Path, small_data: DataSet) -> None:
    told = settings("channels to a budget")
    output, calm = tmp_path / "x.safetensors", tmp_path / "calm.safetensors"
    prune(told, checkpoint, small_data, calm)
    runs = 0
    while not output.exists() and runs < 20:
        with suppress(StopError):
            prune(told, checkpoint, small_data, output, progress=StopAfter(24))
        runs += 1
    assert runs > 2
    same(output, calm)


def test_the_state_of_another_run_is_left_alone(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    output = tmp_path / "x.safetensors"
    with pytest.raises(StopError):
        prune(settings("with patience"), checkpoint, small_data, output, progress=StopAfter(8))
    assert output.with_name("x.safetensors.resume").exists()
    other = PruneSettings.for_network("tiny", 0.25, epochs=1, batch_size=20, device="cpu")
    result = prune(other, checkpoint, small_data, output)
    assert [one.fraction for one in result.rounds] == [0.25]
    alone = prune(other, checkpoint, small_data, tmp_path / "alone.safetensors")
    same(output, alone.output)


def test_a_full_disk_is_one_line_and_leaves_what_was_done(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    told, output = settings("with patience"), tmp_path / "x.safetensors"
    state = output.with_name("x.safetensors.resume")
    with pytest.raises(StopError):
        prune(told, checkpoint, small_data, output, progress=StopAfter(8))
    whole = state.read_bytes()
    try:
        # The system says of a file over this size what it says of a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
        with pytest.raises(
            NncError, match="resume: no space left on the disk; free some"
        ) as caught:
            prune(told, checkpoint, small_data, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [state.name]
    assert state.read_bytes() == whole
    prune(told, checkpoint, small_data, output)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
