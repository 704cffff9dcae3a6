"""How much faster pruned networks run at 224x224: whole against pruned, in ONNX Runtime.

    python benchmarks/pruned_speed.py [--seconds 6]

For each network a fraction of every layer's channels is pruned (groups of smallest L2 norm, kept in
multiples of 8) and removed by the export; no weight need be trained for that. Whole and pruned
file are then measured in one run, in turn, in processes of their own: batch 1, one thread, fp32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import numpy as np
import torch

CASES = (("mobilenet", 0.4, 2.0), ("shufflenet", 0.3, 1.3), ("alexnet", 0.5, 2.5))
"""Network, fraction of its channels that goes, speed-up aimed at."""


def export_pair(arch: str, fraction: float, folder: Path) -> tuple[list[Path], float]:
    """The whole and the pruned network as ONNX files, and the fraction of channels gone."""
    from nnc import models
    from nnc.exporters.onnx_export import export_module
    from nnc.model_card import InputSpec, ModelCard
    from nnc.toolchain.pruning.selection import Choice, score
    from nnc.toolchain.pruning.structure import read_structure
    from nnc.toolchain.pruning.traced import Traced

    torch.manual_seed(0)
    network = models.build(arch, 10, 3).eval()
    spec = InputSpec(3, 224, 224, (0.5,) * 3, (0.5,) * 3)
    card = ModelCard(spec, tuple("0123456789"), architecture=arch)
    images = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    files = [folder / f"{arch}.onnx", folder / f"{arch}-pruned.onnx"]
    export_module(network, card, files[0], images=images)
    traced = Traced.of(network, spec)
    choice = Choice(method="channel", criterion="l2", scope="layer", round_to=8)
    kept = score(network, choice, read_structure(network), traced.groups).keep(fraction)
    masks = kept.masks(network)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name in masks:
                tensor.mul_(masks[name])
    result = export_module(network, card, files[1], images=images)
    made = {axis.parameter: len(axis.groups) for axis in traced.groups.axes if axis.role == "makes"}
    whole = sum(made[layer.weight] for layer in traced.groups.layers if layer.weight in made)
    depthwise = {layer.name for layer in traced.groups.layers if layer.depthwise}
    gone = sum(cut.before - cut.after for cut in result.removed if cut.layer not in depthwise)
    return files, gone / whole


@click.command()
@click.option("--seconds", default=6.0, show_default=True, help="Timed seconds a file.")
def main(seconds: float) -> None:
    """Print a line for each network."""
    from nnc.runtimes.bench import BenchSettings, bench

    settings = BenchSettings(seconds=seconds, accuracy=False)
    for arch, fraction, aim in CASES:
        with tempfile.TemporaryDirectory() as folder:
            files, gone = export_pair(arch, fraction, Path(folder))
            whole, pruned = bench(files, settings, None).files
        up = pruned.speedup
        click.echo(
            f"{arch}: {gone:.1%} of the channels gone, "
            f"{whole.latency.median:.2f} to {pruned.latency.median:.2f} ms, "
            f"{up.ratio:.2f} times as fast ({up.low:.2f} to {up.high:.2f}), aimed at {aim:g}; "
            f"parameters {whole.artifact.parameters:,} to {pruned.artifact.parameters:,}"
        )


if __name__ == "__main__":
    main()
