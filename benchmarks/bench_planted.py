"""What the bench finds of what was planted: a slow-down of 10 %, a drop of 1.0 point, one of 0.1.

    python benchmarks/bench_planted.py [--runs 10] [--seconds 8] [--load 0] [--blocks 20]

Slow-down: a stack of 20 equal convolutions against one of 22. It must be called slower in 9 of 10
runs, each a whole bench of about 30 s; a last run of 40 launches says how large the slow-down is.

Drop: two networks that read their answers off the images, 10,000 of them, of which the first has
9,200 right. The second loses 100 (or 10) more than it wins, besides 50, 100 or 200 answers lost and
as many won, as rounding to int8 does. The drop of 1.0 point must be called worse, that of 0.1 not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from bench_networks import CLASSES, load, reader, stack

IMAGES, RIGHT = 10_000, 9_200


@click.command()
@click.option("--runs", default=10, show_default=True)
@click.option("--seconds", default=8.0, show_default=True, help="Timed seconds a file and run.")
@click.option("--load", "processes", default=0, show_default=True, help="Competing processes.")
@click.option("--blocks", default=20, show_default=True, help="Convolutions of the baseline.")
def main(runs: int, seconds: float, processes: int, blocks: int) -> None:
    """Print a line a run, and how many found what was planted."""
    for drop in (100, 10):
        for flips in (50, 100, 200):
            drops(drop, flips)
    slow_down(runs, seconds, processes, blocks)


def drops(drop: int, flips: int, runs: int = 3) -> None:
    """``drop`` images fewer right, beside ``flips`` lost and as many won."""
    from nnc.runtimes.bench import BenchSettings, TestPart, bench

    worse = 0
    for seed in range(runs):
        images, labels = answers(drop, flips, seed)

        def batches(
            _spec: Any, images: Any = images, labels: Any = labels
        ) -> Iterator[tuple[Any, Any]]:
            for start in range(0, IMAGES, 1000):
                yield images[start : start + 1000], labels[start : start + 1000]

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = [reader(folder / "before.onnx", 0), reader(folder / "after.onnx", 1)]
            told = BenchSettings(seconds=0.02, rounds=6)
            found = bench(files, told, TestPart(batches, IMAGES, "planted"))
        agreement = found.files[1].agreement
        assert agreement is not None
        assert (agreement.lost, agreement.won) == (drop + flips, flips)
        worse += agreement.verdict == "worse"
    low, high = (100 * end for end in agreement.interval)
    click.echo(
        f"a drop of {100 * drop / IMAGES:.1f} points beside {flips} flips each way: called worse "
        f"in {worse} of {runs} runs ({100 * agreement.difference:+.2f} points, {low:+.2f} to "
        f"{high:+.2f}, p={agreement.p:.2g})"
    )


def answers(drop: int, flips: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images uint8 [N, 2, 10, 1] that hold both networks' answers, and the labels."""
    source = np.random.default_rng(seed)
    labels = source.integers(0, CLASSES, IMAGES)
    wrong = (labels + source.integers(1, CLASSES, IMAGES)) % CLASSES
    order = source.permutation(IMAGES)
    before, after = labels.copy(), labels.copy()
    before[order[RIGHT:]] = after[order[RIGHT:]] = wrong[order[RIGHT:]]
    lost, won = order[: drop + flips], order[RIGHT : RIGHT + flips]
    after[lost], after[won] = wrong[lost], labels[won]
    images = np.zeros((IMAGES, 2, CLASSES, 1), np.uint8)
    images[np.arange(IMAGES), 0, before] = images[np.arange(IMAGES), 1, after] = 255
    return images, labels


def slow_down(runs: int, seconds: float, processes: int, blocks: int) -> None:
    """A tenth more work, measured ``runs`` times."""
    from nnc.runtimes.bench import BenchSettings, bench

    found = 0
    with tempfile.TemporaryDirectory() as name, load(processes):
        folder = Path(name)
        more = blocks + blocks // 10
        files = [stack(folder / "base.onnx", blocks), stack(folder / "slower.onnx", more)]
        for seed in range(runs):
            began = time.monotonic()
            result = bench(files, BenchSettings(seconds=seconds, seed=seed), None)
            up = result.files[1].speedup
            found += up.verdict == "slower"
            click.echo(
                f"{seed + 1:>4} {up.ratio:.3f} ({up.low:.3f} to {up.high:.3f}) {up.verdict}, "
                f"{time.monotonic() - began:.0f} s, machine {result.noise.verdict}"
            )
        long = bench(files, BenchSettings(seconds=40.0, launches=40, seed=runs), None)
    up = long.files[1].speedup
    click.echo(
        f"{blocks} against {more} convolutions, under a load of {processes} processes: called "
        f"slower in {found} of {runs} runs; in 40 launches {up.ratio:.3f} ({up.low:.3f} to "
        f"{up.high:.3f}), "
        f"{long.files[0].latency.median:.2f} against {long.files[1].latency.median:.2f} ms"
    )


if __name__ == "__main__":
    main()
