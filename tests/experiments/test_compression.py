"""The compression experiment: what it compares, keeps, resumes, writes and refuses."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

pytest.importorskip("matplotlib")

from nnc.errors import InputError
from nnc.toolchain.data.npz import open_npz
from nnc.toolchain.experiments import compression as module
from nnc.toolchain.experiments.compression import compression
from nnc.toolchain.experiments.compression_settings import CompressionSettings
from nnc.toolchain.pipeline.shipped import shipped_checkpoint

SETTINGS = CompressionSettings(
    "mobilenet", methods=("paper", "channel"), sensitivities=(0.2, 0.4, 0.8), refine=1
)
HOLDS = {"paper": 0.3, "channel": 0.7}
"""The largest sensitivity at which each method keeps its accuracy, in the fake pruning below."""


class _FakeCrew:
    """Stands for the processes: `prune` at once, with accuracies by rule."""

    steps: ClassVar[Counter[str]] = Counter()
    fail_after = 1000

    def __init__(self, *arguments: object, **settings: object) -> None:
        self.replies: list[tuple[str, dict]] = []

    def __enter__(self) -> _FakeCrew:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def submit(self, key: str, command: str, **told) -> None:
        if command == "measure":
            self.replies.append((key, {"validation_accuracy": 0.92, "validation_images": 12}))
            return
        self.steps[f"{key} {told['sensitivity']:g} from {Path(told['start']).stem}"] += 1
        if sum(self.steps.values()) > self.fail_after:
            raise KeyboardInterrupt
        shutil.copy(told["start"], told["output"])
        held = told["sensitivity"] <= HOLDS[told["method"]]
        left = round(1e6 * (1 - told["sensitivity"]))
        reply = {
            "sensitivity": told["sensitivity"],
            "validation_accuracy": 0.9151 if held else 0.9149,
            "parameters": left,
            "nonzero_parameters": left,
            "macs": left,
        }
        self.replies.append((key, reply))

    def result(self) -> tuple[str, dict]:
        return self.replies.pop(0)


def _export(checkpoint: Path, output: Path, **told: object) -> None:
    output.write_text(checkpoint.name)


def _bench(files: list[Path], *_arguments: object, **_settings: object) -> SimpleNamespace:
    results = [
        {
            "file": str(path),
            "device": "cpu",
            "error": None,
            "accuracy": {"top1": 0.9, "images": 40, "low": 0.8, "high": 0.95},
            "size": {
                "parameters": 1000 // (n + 1),
                "nonzero_parameters": 900 // (n + 1),
                "bytes": 4000 // (n + 1),
                "macs": 5000 // (n + 1),
            },
            "latency": [
                {
                    "threads": 1,
                    "batch_size": 1,
                    "runs": 9,
                    "median": 1.0 / (n + 1),
                    "p5": 0.1,
                    "p95": 1.2,
                    "speedup": {"ratio": n + 1.0, "low": n + 0.9, "high": n + 1.1},
                }
            ],
        }
        for n, path in enumerate(files)
    ]
    record = {"schema_version": 2, "environment": {"cpu": "a | b"}, "files": results}
    return SimpleNamespace(to_json=lambda: record)


@pytest.fixture
def faked(monkeypatch) -> type[_FakeCrew]:
    monkeypatch.setattr(module, "Crew", _FakeCrew)
    monkeypatch.setattr("nnc.exporters.onnx_export.export", _export)
    monkeypatch.setattr("nnc.runtimes.bench.bench", _bench)
    _FakeCrew.steps = Counter()
    _FakeCrew.fail_after = 1000
    return _FakeCrew


def _run(folder: Path, data: Path, settings: CompressionSettings = SETTINGS, **told):
    return compression(
        settings,
        folder,
        data=str(data),
        checkpoint=shipped_checkpoint("mobilenet-fashion-mnist"),
        command="nnc experiment compression",
        **told,
    )


def test_each_method_goes_on_from_its_last_accepted_network(faked, tmp_path, small_npz) -> None:
    result = _run(tmp_path, small_npz)
    assert set(faked.steps) == {
        "paper 0.2 from mobilenet-fashion-mnist",
        "paper 0.4 from paper-0.2",
        "paper 0.3 from paper-0.2",
        "channel 0.2 from mobilenet-fashion-mnist",
        "channel 0.4 from channel-0.2",
        "channel 0.8 from channel-0.4",
        "channel 0.6 from channel-0.4",
    }
    assert {path.name for path in tmp_path.iterdir()} == {
        "compression.json", "compression.md", "compression.png", "paper-0.3.safetensors",
        "channel-0.6.safetensors", "reference.onnx", "paper.onnx", "channel.onnx",
    }  # fmt: skip
    rows = result.values["rows"]
    assert [(row["name"], row["sensitivity"]) for row in rows] == [
        ("reference", 0.0), ("paper", 0.3), ("channel", 0.6)
    ]  # fmt: skip
    assert rows[2]["parameters"] == 333
    assert (tmp_path / "channel.onnx").read_text() == "channel-0.6.safetensors"
    assert len(result.table()) == 3


def test_the_page_holds_the_table_the_command_and_the_machine(faked, tmp_path, small_npz) -> None:
    _run(tmp_path, small_npz)
    lines = (tmp_path / "compression.md").read_text().splitlines()
    assert lines[0] == "# mobilenet on path:small: pruning methods at equal accuracy"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1
    assert table[4].startswith("| channel | 0.6 | 91.51% | 90.00% | 333 (33%) |")
    assert "3.00x (2.90-3.10)" in table[4]
    assert "- command: `nnc experiment compression`" in lines
    assert "- cpu: a \\| b" in lines
    assert any("within 0.5 points" in line for line in lines)


def test_an_interrupted_experiment_goes_on_to_the_same_end(faked, tmp_path, small_npz) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    _run(whole, small_npz)
    for fail_after in (0, 1, 2, 3):
        faked.steps = Counter()
        faked.fail_after = fail_after
        with pytest.raises(KeyboardInterrupt):
            _run(broken, small_npz)
    faked.fail_after = 1000
    _run(broken, small_npz)
    for name in ("compression.md", "compression.png"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    first, second = (json.loads((f / "compression.json").read_text()) for f in (whole, broken))
    assert first["methods"] == second["methods"]
    assert {path.name for path in broken.iterdir()} == {path.name for path in whole.iterdir()}


def test_a_finished_experiment_is_only_drawn_again(faked, tmp_path, small_npz) -> None:
    _run(tmp_path, small_npz)
    before = (tmp_path / "compression.json").read_bytes()
    faked.steps = Counter()
    _run(tmp_path, small_npz)
    assert not faked.steps
    assert (tmp_path / "compression.json").read_bytes() == before


def test_another_experiment_in_the_folder_is_refused(faked, tmp_path, small_npz) -> None:
    _run(tmp_path, small_npz)
    other = CompressionSettings("mobilenet", methods=("paper",), sensitivities=(0.2,))
    with pytest.raises(InputError, match="another experiment"):
        _run(tmp_path, small_npz, other)
    result = _run(tmp_path, small_npz, other, overwrite=True)
    assert [row["name"] for row in result.values["rows"]] == ["reference", "paper"]
    (tmp_path / "compression.json").write_text("[]")
    with pytest.raises(InputError, match="no record"):
        _run(tmp_path, small_npz, other)


@pytest.mark.parametrize("damage", ["empty", "cut off", "no rows"])
def test_a_damaged_record_is_refused_or_with_force_replaced(
    faked, tmp_path, small_npz, damage, monkeypatch
) -> None:
    monkeypatch.setattr(module, "write_figure", lambda *_arguments, **_named: None)
    whole = _run(tmp_path, small_npz).values
    path = tmp_path / "compression.json"
    content = {
        "empty": b"",
        "cut off": path.read_bytes()[:-9],
        "no rows": json.dumps({k: v for k, v in whole.items() if k != "rows"}).encode(),
    }[damage]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"compression\.json is no record.*--force") as raised:
        _run(tmp_path, small_npz)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == content
    assert _run(tmp_path, small_npz, overwrite=True).values["methods"] == whole["methods"]
    assert json.loads(path.read_text())["rows"] == whole["rows"]


def test_a_method_that_never_holds_has_a_row_that_says_so(
    faked, tmp_path, small_npz, monkeypatch
) -> None:
    monkeypatch.setitem(HOLDS, "paper", 0.0)
    result = _run(tmp_path, small_npz)
    assert [row["name"] for row in result.values["rows"]] == ["reference", "channel"]
    assert "| paper | none |" in (tmp_path / "compression.md").read_text()


def test_a_checkpoint_of_another_architecture_is_refused(faked, tmp_path, small_npz) -> None:
    with pytest.raises(InputError, match="expected shufflenet"):
        _run(tmp_path, small_npz, CompressionSettings("shufflenet"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arch": "nonsense"}, "nonsense"),
        ({"methods": ()}, "expected some of"),
        ({"methods": ("paper", "paper")}, "named once"),
        ({"methods": ("magic",)}, "magic"),
        ({"sensitivities": (0.4, 0.2)}, "rising"),
        ({"sensitivities": (0.2, 1.0)}, "rising"),
        ({"sensitivities": ()}, "rising"),
        ({"refine": -1}, "refine"),
        ({"max_drop": float("nan")}, "max_drop"),
        ({"epochs": 0}, "epochs"),
        ({"recover": "hope"}, "hope"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(settings, message) -> None:
    with pytest.raises(InputError, match=message) as raised:
        CompressionSettings(**{"arch": "mobilenet", **settings})
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_real_run_measures_what_it_exported(tmp_path: Path, small_npz: Path) -> None:
    from nnc.runtimes.bench import BenchSettings

    settings = CompressionSettings(
        "mobilenet", methods=("channel",), sensitivities=(0.5,), refine=0, max_drop=100, epochs=1
    )
    measuring = BenchSettings(roofline=False, rounds=6, seconds=0.1)
    # As many processes as cores: one thread each, which does not wait for a busy neighbour.
    result = _run(tmp_path, small_npz, settings, bench=measuring, jobs=2)
    reference, channel = result.values["rows"]
    (step,) = result.values["methods"]["channel"]
    assert channel["parameters"] == step["parameters"] < 0.6 * reference["parameters"]
    assert channel["size_bytes"] == (tmp_path / "channel.onnx").stat().st_size
    assert channel["accuracy"]["images"] == len(open_npz(small_npz).test)
