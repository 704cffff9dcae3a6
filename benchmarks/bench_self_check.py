"""How often the bench calls a file different from itself, under a competing load: at most 5 of 100.

    python benchmarks/bench_self_check.py [--runs 100] [--seconds 3] [--load 2] [--file FILE]

Each run is a whole `nnc bench` of one network against itself, as `nnc bench --self-check` does it:
without --file a stack of 12 convolutions, about a millisecond. The load is so many processes that
compute, copy memory and rest in random bursts. Prints a line a run, and the count.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from bench_networks import load, stack


@click.command()
@click.option("--runs", default=100, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Timed seconds a file and run.")
@click.option("--load", "processes", default=2, show_default=True, help="Competing processes.")
@click.option("--file", type=click.Path(path_type=Path, exists=True), help="An .onnx file.")
@click.option("--seed", default=0, show_default=True)
def main(runs: int, seconds: float, processes: int, file: Path | None, seed: int) -> None:
    """Print a line a run, and how many called the file different."""
    from nnc.runtimes.bench import BenchSettings, self_check

    alarms = noisy = 0
    widths, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder, load(processes):
        path = file or stack(Path(folder) / "stack.onnx", 12)
        for number in range(runs):
            settings = BenchSettings(seconds=seconds, seed=seed + number)
            check = self_check(path, settings, 1)
            (run,) = check.runs
            alarms += run.different
            noisy += run.verdict == "too noisy"
            widths.append(run.high / run.low)
            waiting = check.noise.waiting
            click.echo(
                f"{number + 1:>4} {run.ratio:.3f} ({run.low:.3f} to {run.high:.3f}) {run.verdict}"
                + ("" if waiting is None else f", waited {waiting:.0%}")
            )
    each = (time.monotonic() - began) / runs
    click.echo(
        f"called different from itself in {alarms} of {runs} runs of {each:.1f} s, under a load of "
        f"{processes} processes; too noisy for a verdict in {noisy}; median width of the interval "
        f"{sorted(widths)[runs // 2] - 1:.1%}; launches {settings.launch_count}"
    )


if __name__ == "__main__":
    main()
