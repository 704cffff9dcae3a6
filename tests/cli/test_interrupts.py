"""Ctrl-C and SIGTERM inside each stage: one line, the right code, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from nnc.toolchain.cli.console import Console


class _Striking:
    """Progress that sends this process a signal when a stage's first step is done."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.struck = ""

    @contextmanager
    def task(self, description: str, total: int):
        self.description = description
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        if not self.struck and steps:
            self.struck = self.description
            signal.raise_signal(self.number)


RECIPE = """
[recipe]
name = "small"
[[stage]]
run = "train"
arch = "mobilenet"
epochs = 1
output = "trained.safetensors"
"""

HALF = "nothing half-written was left behind"
STAGES = {
    "train": (
        ["train", "--arch", "mobilenet", "--epochs", 2, "--data", "{data}", "-o",
         "{out}.safetensors"],
        "the same command goes on after the last finished epoch",
    ),
    "prune": (
        ["prune", "{checkpoint}", "--sensitivity", 0.3, "--data", "{data}", "-o",
         "{out}.safetensors"],
        "the same command goes on after the last finished epoch",
    ),
    "export": (["export", "{checkpoint}", "--data", "{data}", "-o", "{out}.onnx"], HALF),
    "quantise": (["quantize", "{onnx}", "--data", "{data}", "-o", "{out}.onnx"], HALF),
    "bench": (["bench", "{onnx}", "--data", "{data}", "-o", "{out}.json"], HALF),
    "run": (
        ["run", "{recipe}", "--set", "recipe.data='{data}'", "-o", "{out}"],
        "the same command goes on after the last finished stage",
    ),
}  # fmt: skip


ENDINGS = {
    "ctrl-c": (signal.SIGINT, "interrupted", 130),
    "sigterm": (signal.SIGTERM, "terminated", 143),
}


@pytest.mark.parametrize(
    ("stage", "ending"),
    [*((stage, "ctrl-c") for stage in STAGES), ("quantise", "sigterm"), ("bench", "sigterm")],
)
def test_a_signal_inside_a_stage(
    nnc, tmp_path, monkeypatch, small_npz, tiny_onnx, checkpoint, stage, ending
):
    number, word, code = ENDINGS[ending]
    striking = _Striking(number)
    monkeypatch.setattr(Console, "progress", striking)
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE)
    folder = tmp_path / "made"
    folder.mkdir()
    names = {
        "data": small_npz,
        "checkpoint": checkpoint,
        "onnx": tiny_onnx,
        "recipe": recipe,
        "out": folder / "out",
    }
    arguments, leaves = STAGES[stage]
    previous = signal.getsignal(signal.SIGTERM)
    try:
        result = nnc(*(str(part).format(**names) for part in arguments))
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert striking.struck, "the stage never reported a step"
    assert (result.code, result.err) == (code, f"nnc: {word}; {leaves}\n")
    assert "wrote" not in result.out
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    allowed = {".run.lock", "run.json"} if stage == "run" else set()
    resumable = {name for name in left if name.endswith(".resume")}
    assert left - resumable <= allowed, "half-written files"
    assert not resumable or stage in ("train", "prune", "run")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_killed_training_goes_on_where_it_stopped(tmp_path, small_npz):
    output = tmp_path / "x.safetensors"
    command = [
        *(sys.executable, "-m", "nnc", "train", "--arch", "mobilenet", "--data", str(small_npz)),
        *("--batch-size", "16", "-o", str(output)),
    ]
    resume = output.with_name("x.safetensors.resume")
    # Far more epochs than can pass before the signal: it arrives in the middle of the training.
    with subprocess.Popen(
        [*command, "--epochs", "5000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not resume.exists() and process.poll() is None and time.monotonic() < deadline:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "nnc: interrupted; the same command goes on after the last finished epoch\n"
    assert {path.name for path in tmp_path.iterdir()} == {resume.name}
