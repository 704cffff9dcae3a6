r"""int8 by nnc beside what its users run today: same networks, images, threads, in one run.

    python -m venv peers && peers/bin/pip install -e ".[train,cpu]" nncf openvino torchao \
        onnx-neural-compressor prettytable psutil pydantic onnxruntime-extensions
    NNC_DATA_DIR=DATA peers/bin/python benchmarks/peers/peers.py -o peers.json

Each contestant runs in a process of its own, built there from the same float export (or the same
PyTorch module) and the same calibration images. They are then timed in turn, batch 1, in a shuffled
order, round after round; ratios are of one round's medians. Networks of 28 pixels are trained on
FashionMNIST and their accuracy is that on all 10,000 test images; those of 224 have random weights
and are there for latency alone. What a peer fails with is its row.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click
import numpy as np
from contestants import CONTESTANTS
from networks import NETWORKS, Task, prepare

from nnc.runtimes.statistics import median_interval

BASE = "ORT fp32 (nnc export)"
ROUND_NS = 100e6
PATIENCE = 400.0
"""Seconds for a contestant to be ready in."""


class Contestant:
    """A worker process and what it said."""

    def __init__(self, task: Task, name: str, threads: int) -> None:
        told = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        self.name = name
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("worker.py")),
                str(task.folder),
                name,
                str(threads),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **told},
            text=True,
        )
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        self.said = self._read()
        timer.cancel()
        self.runs = 0

    def ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        why = f"not ready in {PATIENCE:.0f} s" if code == -9 else f"ended with {code}"
        return {"error": why}

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def measure(task: Task, names: list[str], threads: int, rounds: int, seed: int) -> list[Any]:
    """A row for each contestant."""
    everyone = []
    for name in names:
        click.echo(f"{task.name}, {threads} thread(s): {name}", err=True)
        everyone.append(Contestant(task, name, threads))
    rows = [{"network": task.name, "threads": threads, "name": c.name, **c.said} for c in everyone]
    try:
        alive = [c for c in everyone if "error" not in c.said]
        for contestant in alive:
            cost = float(np.median(contestant.ask("time 10")))
            contestant.runs = max(3, round(ROUND_NS / cost))
        medians: dict[str, list[float]] = {c.name: [] for c in alive}
        order = random.Random(seed)
        for _ in range(rounds):
            for contestant in order.sample(alive, len(alive)):
                times = contestant.ask(f"time {contestant.runs}")
                medians[contestant.name].append(float(np.median(times)) / 1e6)
        truth = task.test()[1] if task.trained else None
        for row in rows:
            if row["name"] not in medians:
                continue
            own, base = medians[row["name"]], medians.get(BASE)
            row["ms"] = float(np.median(own))
            if base is not None:
                ratios = [b / o for b, o in zip(base, own, strict=True)]
                row["ratio"], row["low"], row["high"] = median_interval(ratios)
            if truth is not None and threads == 1:
                contestant = next(c for c in alive if c.name == row["name"])
                found = contestant.ask("accuracy")
                row["correct"] = int((np.array(found) == truth).sum())
                row["images"] = len(truth)
    finally:
        for contestant in everyone:
            contestant.end()
    return rows


def table(rows: list[Any]) -> str:
    """The rows as Markdown, a table for each network and number of threads."""
    lines = []
    for key in dict.fromkeys((row["network"], row["threads"]) for row in rows):
        lines += [f"\n### {key[0]}, {key[1]} thread{'s' if key[1] > 1 else ''}\n"]
        lines += ["| | ms | times ORT fp32's speed | top-1 | bytes | seconds to make |"]
        lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
        for row in rows:
            if (row["network"], row["threads"]) != key:
                continue
            if "error" in row:
                lines.append(f"| {row['name']} | {row['error'][:80]} | | | | |")
                continue
            ratio = f"{row['ratio']:.2f} ({row['low']:.2f}-{row['high']:.2f})"
            top1 = f"{100 * row['correct'] / row['images']:.2f}" if "correct" in row else ""
            size = f"{row['bytes'] / 1e6:.2f} MB" if row["bytes"] else ""
            took = f"{row['seconds']:.1f}" if row["seconds"] else ""
            lines.append(
                f"| {row['name']} | {row['ms']:.2f} | {ratio} | {top1} | {size} | {took} |"
            )
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--network", "networks", multiple=True, help="One of the built-in ones; all if none.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A network of one's own, trained on FashionMNIST, beside those.",
)
@click.option("--contestant", "names", multiple=True, type=click.Choice(list(CONTESTANTS)))
@click.option("--threads", default="1,2", show_default=True)
@click.option("--rounds", default=21, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    networks: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    names: tuple[str, ...],
    threads: str,
    rounds: int,
    seed: int,
    output: Path,
) -> None:
    """Measure and write the rows as JSON, and as Markdown beside it."""
    chosen = networks or (() if checkpoints else NETWORKS)
    data_dir = Path(os.environ["NNC_DATA_DIR"])
    cases = [(name, None) for name in chosen] + [(path.stem, path) for path in checkpoints]
    rows: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint in cases:
            if name not in NETWORKS and checkpoint is None:
                raise click.UsageError(f"unknown network '{name}': {', '.join(NETWORKS)}")
            task = prepare(name, checkpoint, data_dir, Path(folder) / name)
            for count in map(int, threads.split(",")):
                rows += measure(task, list(names or CONTESTANTS), count, rounds, seed)
                output.write_text(json.dumps({"machine": platform.processor(), "rows": rows}))
                output.with_suffix(".md").write_text(table(rows))
    click.echo(table(rows))


if __name__ == "__main__":
    main()
