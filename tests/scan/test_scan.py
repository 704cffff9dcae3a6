"""Scans of a trained network: right numbers, the same after an interruption, nothing left over."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

pytest.importorskip("matplotlib")

from nnc import models
from nnc.errors import InputError
from nnc.toolchain.pipeline.shipped import shipped_checkpoint
from nnc.toolchain.scan import ScanSettings
from nnc.toolchain.scan.scan import scan

FILES = {"scan.json", "scan.png", "table.json"}


class _Interrupt:
    """Progress that stands for Ctrl-C after so many results."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.workers: list[str] = []

    @contextmanager
    def task(self, description: str, total: int):
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= steps
        if self.left == 0:
            self.workers = _workers()
            raise KeyboardInterrupt


def _workers() -> list[str]:
    """Process ids of this process's own scan workers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"scan.worker" in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return shipped_checkpoint("mobilenet-fashion-mnist")


@pytest.fixture(scope="module")
def settings() -> ScanSettings:
    return ScanSettings(sensitivities=(0.6,), images=10, device="cpu")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, checkpoint, settings, small_npz) -> Path:
    folder = tmp_path_factory.mktemp("scan") / "finished"
    scan(settings, checkpoint, folder, data=str(small_npz), jobs=2)
    return folder


def test_a_scan_leaves_its_record_its_table_and_its_figure(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == FILES
    record = json.loads((finished / "scan.json").read_text())
    assert record["complete"]
    curves = record["layers"]["curves"]
    assert [curve["name"] for curve in curves][:2] == ["features.0.0", "features.1.conv.0.0"]
    assert len(curves) == 53
    assert json.loads((finished / "table.json").read_text()) == record["layers"]["table"]
    assert (finished / "scan.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_scan_leaves_no_process_and_ends_the_same(
    finished: Path, tmp_path: Path, checkpoint: Path, settings: ScanSettings, small_npz: Path
) -> None:
    output = tmp_path / "again"
    interrupt = _Interrupt(after=30)
    with pytest.raises(KeyboardInterrupt):
        scan(settings, checkpoint, output, data=str(small_npz), jobs=1, progress=interrupt)
    assert len(interrupt.workers) == 1
    assert _workers() == []
    assert {path.name for path in output.iterdir()} == {"scan.json"}
    half = json.loads((output / "scan.json").read_text())
    assert not half["complete"]
    done = sum(value is not None for c in half["layers"]["curves"] for value in c["accuracy"])
    assert 15 < done < 30
    scan(settings, checkpoint, output, data=str(small_npz), jobs=1)
    for name in FILES:
        assert (output / name).read_bytes() == (finished / name).read_bytes(), name


def test_a_finished_scan_is_kept_and_another_one_is_not_overwritten(
    finished: Path, checkpoint: Path, settings: ScanSettings, small_npz: Path, monkeypatch
) -> None:
    def none(*_arguments: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("nnc.toolchain.scan.scan.Crew", none)
    before = (finished / "scan.json").read_bytes()
    again = scan(settings, checkpoint, finished, data=str(small_npz))
    assert again.to_json()["table"].endswith("table.json")
    other = ScanSettings(sensitivities=(0.5,), images=20)
    with pytest.raises(InputError, match="another scan"):
        scan(other, checkpoint, finished, data=str(small_npz))
    assert (finished / "scan.json").read_bytes() == before


def test_an_error_in_a_process_is_raised_here(tmp_path: Path, checkpoint: Path, small_npz) -> None:
    settings = ScanSettings(sensitivities=(0.5,), layers=False, images=20)
    broken = tmp_path / "broken.safetensors"
    network, card = models.load(checkpoint)
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    models.save(broken, network, card)
    with pytest.raises(InputError, match="NaN"):
        scan(settings, broken, tmp_path / "out", data=str(small_npz), jobs=1)
    assert _workers() == []
