"""Pruning towards a budget: it is met closely, or refused in one line with nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nnc.errors import BudgetError
from nnc.toolchain.data import DataSet
from nnc.toolchain.pruning import PruneSettings
from nnc.toolchain.pruning.budget import bisect
from nnc.toolchain.pruning.prune import prune
from nnc.toolchain.pruning.sizes import Sizes
from nnc.toolchain.training.loop import _epoch


def settings(**changes: object) -> PruneSettings:
    values = {"epochs": 1, "batch_size": 20, "device": "cpu", "method": "channel", "round_to": 1}
    return PruneSettings.for_network("tiny", **(values | changes))


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_macs_are_met_and_not_by_much(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, scope: str
) -> None:
    told = settings(target_macs=0.5, scope=scope, iterations=2, schedule="linear")
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    assert 0.4 * result.whole_macs <= result.compact_macs <= 0.5 * result.whole_macs
    first, last = result.rounds
    assert first.fraction == pytest.approx(0.5 * last.fraction, abs=0.1)
    assert first.compact_macs > last.compact_macs


@pytest.mark.parametrize("method", ["filter", "paper"])
def test_layers_that_choose_alone_meet_macs_too(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, method: str
) -> None:
    told = settings(target_macs=0.9, method=method, round_to=None)
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    # Export keeps 8 channels of each layer, or all 16.
    assert 0.2 * result.whole_macs <= result.compact_macs <= 0.9 * result.whole_macs


@pytest.mark.parametrize("target", [0.4, 1600])
def test_parameters_in_the_file_count(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, target: float
) -> None:
    told = settings(target_parameters=target)
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    limit = target * result.whole_parameters if target < 1 else target
    assert 0.85 * limit <= result.compact_parameters <= limit


def test_zeros_do_not_count_where_single_weights_go(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    told = settings(target_parameters=0.3, method="element", round_to=None)
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    assert result.rounds[0].fraction < 0.8
    # Batch-norms, folded in the file, count in the checkpoint.
    assert result.nonzero_parameters <= 0.3 * result.whole_parameters + 96
    assert result.compact_parameters > 0.5 * result.whole_parameters


def test_a_pruned_checkpoint_meets_its_target_already(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    once, twice = tmp_path / "once.safetensors", tmp_path / "twice.safetensors"
    first = prune(settings(target_macs=0.5), checkpoint, small_data, once)
    again = prune(settings(target_macs=0.5), once, small_data, twice)
    assert again.rounds[0].fraction == 0
    assert again.compact_macs == first.compact_macs
    assert again.whole_macs == first.whole_macs


def test_what_cannot_be_met_is_refused_and_nothing_is_written(
    tmp_path: Path, checkpoint: Path, small_data: DataSet
) -> None:
    with pytest.raises(BudgetError) as caught:
        prune(settings(target_macs=0.001), checkpoint, small_data, tmp_path / "x.safetensors")
    line = str(caught.value)
    assert line.startswith("target of ")
    assert "cannot be met: with all pruned that can go, " in line
    assert line.endswith("or pass --write-anyway to keep that network")
    assert "\n" not in line
    assert not list(tmp_path.iterdir())


def test_written_anyway_where_asked(tmp_path: Path, checkpoint: Path, small_data: DataSet) -> None:
    told = settings(target_macs=0.001, write_anyway=True, iterations=2)
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    assert "cannot be met" in result.missed
    assert result.compact_macs < 0.1 * result.whole_macs
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_latency_is_measured_and_bought_with_channels(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = Sizes.latency_ms
    real: list[float] = []

    def by_macs(self: Sizes, network: object, kept: object = None) -> float:
        """A clock without noise, once the real one has run."""
        if not real:
            real.append(timed(self, network, kept))
        return self.of(network, kept).macs / 1e4

    monkeypatch.setattr(Sizes, "latency_ms", by_macs)
    told = settings(target_latency_ms=5.0)
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    assert 0 < real[0] < 1000
    assert result.latency_ms == result.rounds[0].latency_ms == result.compact_macs / 1e4 <= 5.0
    with pytest.raises(BudgetError, match=r"target of 1e-06 ms cannot be met: .* ms are left"):
        prune(settings(target_latency_ms=1e-6), checkpoint, small_data, tmp_path / "y.safetensors")


def test_a_latency_is_aimed_at_with_headroom(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_macs(self: Sizes, network: object, kept: object = None) -> float:
        """The retrained network takes a little longer than it did when it was chosen."""
        return self.of(network, kept).macs / 1e4 * (1 if kept is not None else 1.04)

    monkeypatch.setattr(Sizes, "latency_ms", by_macs)
    told = settings(target_latency_ms=5.0)
    result = prune(told, checkpoint, small_data, tmp_path / "x.safetensors")
    assert result.latency_ms == result.compact_macs / 1e4 * 1.04 <= 5.0
    assert result.missed == ""


def test_a_latency_missed_after_the_retraining_is_said(
    tmp_path: Path, checkpoint: Path, small_data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[float] = []

    def slow(self: Sizes, network: object, kept: object = None) -> float:
        """Quick while it is chosen; retrained, slower than the target each time it is measured:
        in the first round, and three times in the last."""
        if kept is not None:
            return self.of(network, kept).macs / 1e4
        measured.append(7.0 if len(measured) == 2 else 8.0)
        return measured[-1]

    trained: list[int] = []
    monkeypatch.setattr(Sizes, "latency_ms", slow)
    monkeypatch.setattr("nnc.toolchain.training.loop._epoch", counted(trained))
    output = tmp_path / "x.safetensors"
    told = settings(target_latency_ms=5.0, iterations=2)
    line = r"^target of 5 ms missed: retrained, the network has 7 ms; nothing was written: the same"
    with pytest.raises(BudgetError, match=line) as caught:
        prune(told, checkpoint, small_data, output)
    assert "\n" not in str(caught.value)
    assert not output.exists()
    assert len(trained) == 2
    result = prune(replace(told, write_anyway=True), checkpoint, small_data, output)
    assert len(trained) == 2  # the same network, no epoch again
    assert result.missed == "target of 5 ms missed: retrained, the network has 8 ms"
    assert result.latency_ms == result.rounds[-1].latency_ms == 8.0
    assert result.rounds[0].latency_ms == 8.0
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def counted(epochs: list[int]) -> Callable[..., object]:
    """`_epoch` of the training loop, noting that it was called."""

    def epoch(*arguments: object) -> object:
        epochs.append(1)
        return _epoch(*arguments)  # type: ignore[arg-type]

    return epoch


@pytest.mark.parametrize("smallest", [0, 1, 7, 8])
def test_bisection_finds_the_smallest(smallest: int) -> None:
    asked: list[int] = []

    def meets(number: int) -> bool:
        asked.append(number)
        return number >= smallest

    assert bisect(meets, 8, lambda: None) == smallest
    assert len(asked) <= 4
