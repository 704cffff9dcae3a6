"""How long `nnc --help` and every `nnc COMMAND --help` take, in fresh processes, interleaved.

    python benchmarks/cli_start.py [ROUNDS]

Prints the median of each in milliseconds; the aim is under 300.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from nnc.toolchain.cli.main import COMMANDS


def main(rounds: int) -> None:
    """Time every help text ``rounds`` times, taking turns."""
    calls = [("--help",), *((name, "--help") for name in COMMANDS)]
    times: dict[tuple[str, ...], list[float]] = {call: [] for call in calls}
    for _ in range(rounds):
        for call in calls:
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "nnc", *call], check=True, stdout=subprocess.DEVNULL
            )
            times[call].append(1000 * (time.perf_counter() - start))
    for call, taken in times.items():
        print(f"nnc {' '.join(call):18} {statistics.median(taken):6.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 7)
