"""What the bench adds to what it times: under 2 % of an inference of 1 ms.

    python benchmarks/bench_overhead.py [--launches 10] [--blocks 12]

A stack of 12 convolutions, about a millisecond, is timed in processes that do nothing but load it
with onnxruntime and run it in a loop, clock in hand, and by the bench; in turn, in fresh processes,
bound to the same core. The overhead is the ratio of the medians, its interval that of the bench's
own speed-ups. Then what both have in common: the clock, by an empty runtime in the bench's loop.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from bench_networks import stack

BARE = """
import os, sys, time
import numpy as np
import onnxruntime as ort
path, cpu, rounds, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if cpu >= 0:
    os.sched_setaffinity(0, {cpu})
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
feeds = {"x": np.random.default_rng(0).normal(size=(1, 1, 28, 28)).astype(np.float32)}
for _ in range(300):
    session.run(None, feeds)
for _ in range(rounds):
    sys.stdin.readline()
    for _ in range(max(1, runs // 10)):
        session.run(None, feeds)
    times = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        session.run(None, feeds)
        times.append(time.perf_counter_ns() - began)
    print(np.median(times), flush=True)
"""
"""As anyone would time it: the median of single runs, in nanoseconds."""


class Empty:
    """A runtime that does nothing."""

    name = "empty"
    inputs = outputs = ()

    def run(self, feeds: object) -> dict[str, object]:
        """Return at once."""
        return {}


@click.command()
@click.option("--launches", default=10, show_default=True)
@click.option("--rounds", default=10, show_default=True, help="Rounds a launch.")
@click.option("--runs", default=50, show_default=True, help="Inferences a round.")
@click.option("--blocks", default=12, show_default=True, help="Convolutions of the network.")
def main(launches: int, rounds: int, runs: int, blocks: int) -> None:
    """Print the overhead and what the clock takes."""
    from nnc.runtimes.artifact import read_artifact
    from nnc.runtimes.bench.speedup import ratio_interval
    from nnc.runtimes.workers.latency import time_round
    from nnc.runtimes.workers.pinning import choose_cpus
    from nnc.runtimes.workers.worker_process import WorkerProcess

    cpus = choose_cpus([1])[1]
    ratios: list[list[float]] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = stack(Path(folder) / "stack.onnx", blocks)
        spec = read_artifact(path).card.input
        images = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), dtype=np.uint8)
        told = [sys.executable, "-c", BARE, str(path), str(cpus[0] if cpus else -1)]
        for number in range(launches):
            worker = WorkerProcess(path, device="cpu", threads=1, cpus=cpus)
            first, second = (worker, None) if number % 2 else (None, worker)
            if first:
                first.__enter__()
            loop = subprocess.Popen(
                [*told, str(rounds), str(runs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            if second:
                second.__enter__()
            assert loop.stdin is not None
            assert loop.stdout is not None
            worker.open(spec)
            worker.prepare(images, 1.0)
            ratios.append([])
            for index in range(rounds):
                order = (0, 1) if (index + number) % 2 else (1, 0)
                times = {}
                for which in order:
                    if which:
                        times[1] = float(np.median(worker.time(runs)))
                    else:
                        loop.stdin.write("\n")
                        loop.stdin.flush()
                        times[0] = float(loop.stdout.readline())
                bare.append(times[0] / 1e6)
                ratios[-1].append(times[1] / times[0])
            worker.__exit__(None, None, None)
            loop.stdin.close()
            loop.wait()
    ratio, low, high = ratio_interval(ratios)
    click.echo(
        f"the bench times {ratio - 1:+.2%} ({low - 1:+.2%} to {high - 1:+.2%}) over a bare loop of "
        f"{np.median(bare):.2f} ms, {launches} launches"
    )
    empty = np.median([np.median(time_round(Empty(), {}, 2000).times) for _ in range(20)])  # type: ignore[arg-type]
    click.echo(f"the clock and the call of an empty runtime: {empty / 1000:.2f} microseconds")


if __name__ == "__main__":
    main()
