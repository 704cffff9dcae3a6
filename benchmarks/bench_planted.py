"""What the bench finds of what was planted: a slow-down of 10 %, a drop of 1.0 point, one of 0.1.

    python benchmarks/bench_planted.py [--runs 10] [--seconds 8] [--load 0] [--blocks 20]

Slow-down: a stack of 20 equal convolutions against one of 22. It must be called slower in 9 of 10
runs, each a whole bench of about 30 s; a last run of 40 launches says how large the slow-down is.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from bench_networks import load, stack


@click.command()
@click.option("--runs", default=10, show_default=True)
@click.option("--seconds", default=8.0, show_default=True, help="Timed seconds a file and run.")
@click.option("--load", "processes", default=0, show_default=True, help="Competing processes.")
@click.option("--blocks", default=20, show_default=True, help="Convolutions of the baseline.")
def main(runs: int, seconds: float, processes: int, blocks: int) -> None:
    """Print a line a run, and how many found it."""
    slow_down(runs, seconds, processes, blocks)


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
        f"{blocks} against {more} convolutions: called slower in {found} of {runs} runs; in 40 "
        f"launches {up.ratio:.3f} ({up.low:.3f} to {up.high:.3f}), "
        f"{long.files[0].latency.median:.2f} against {long.files[1].latency.median:.2f} ms"
    )


if __name__ == "__main__":
    main()
