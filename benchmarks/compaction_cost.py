"""What channel groups and compaction cost: seconds, and resident memory at its peak.

    python benchmarks/compaction_cost.py [--rounds 3]

ResNet-50 is traced once, its channel groups are computed. AlexNet for ten classes (228 MB) loses
half of its channels as zeros; `nnc compact` then shrinks the file in a process of its own, the
check of its outputs included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import torch

CHILD = (
    "import re, sys; from pathlib import Path; "
    "from nnc.exporters.onnx_compact import compact_file; "
    "compact_file(Path(sys.argv[1]), Path(sys.argv[2]), overwrite=True); "
    # Not getrusage, whose maximum a process inherits from the one that started it.
    "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
)


def resnet_groups(rounds: int) -> None:
    """Seconds of the analysis of ResNet-50."""
    from torchvision.models import resnet50

    from nnc.exporters.channels import analyse
    from nnc.exporters.onnx_trace import trace
    from nnc.model_card import InputSpec

    model = trace(resnet50(weights=None).eval(), InputSpec(3, 224, 224, (0.5,) * 3, (0.5,) * 3))
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        groups = analyse(model)
        seconds.append(time.perf_counter() - started)
    click.echo(
        f"ResNet-50: {groups.count:,} channel groups in {statistics.median(seconds):.2f} s "
        f"(up to {max(seconds):.2f})"
    )


def alexnet_compaction(rounds: int) -> None:
    """Seconds and peak memory of `nnc compact` on AlexNet."""
    import onnx

    from nnc import models
    from nnc.exporters.onnx_trace import trace
    from nnc.model_card import InputSpec
    from nnc.toolchain.pruning.selection import Choice, score
    from nnc.toolchain.pruning.structure import read_structure
    from nnc.toolchain.pruning.traced import Traced

    network = models.build("alexnet", 10, 3).eval()
    spec = InputSpec(3, 224, 224, (0.5,) * 3, (0.5,) * 3)
    groups = Traced.of(network, spec).groups
    choice = Choice(method="channel", criterion="l2", round_to=8)
    masks = score(network, choice, read_structure(network), groups).keep(0.5).masks(network)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name in masks:
                tensor.mul_(masks[name])
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "masked.onnx", Path(folder) / "compact.onnx"
        onnx.save(trace(network, spec), source)
        seconds, peaks = [], []
        for _ in range(rounds):
            started = time.perf_counter()
            child = subprocess.run(
                [sys.executable, "-c", CHILD, source, output],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds.append(time.perf_counter() - started)
            peaks.append(int(child.stdout) * 1024 / 1e9)
        before, after = source.stat().st_size / 1e6, output.stat().st_size / 1e6
        click.echo(
            f"AlexNet: {before:.0f} to {after:.0f} MB in {statistics.median(seconds):.1f} s "
            f"(up to {max(seconds):.1f}), {max(peaks):.2f} GB resident at most"
        )


@click.command()
@click.option("--rounds", default=3, show_default=True)
def main(rounds: int) -> None:
    """Print a line for each of the two."""
    resnet_groups(rounds)
    alexnet_compaction(rounds)


if __name__ == "__main__":
    main()
