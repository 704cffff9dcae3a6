"""The whole job at 224x224: the reference in PyTorch eager against its pruned int8 file.

    NNC_DATA_DIR=DATA python benchmarks/whole_job.py [--seconds 6]

Channels are pruned by the paper's CIFAR-10 sensitivities (groups of smallest L2 norm, multiples of
8), removed by the export, and the rest is quantised, calibrated on CIFAR-10 images. Weights are
random: this measures time and bytes, and no accuracy. Batch 1, one thread, all files in one run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import torch
from pruned_speed import CASES, export_pair

AIMS = {"mobilenet": (7.5, 1.2), "shufflenet": (5.5, 1.2), "alexnet": (9.0, 20.0)}
"""Times faster than eager, and megabytes, aimed at."""


@click.command()
@click.option("--seconds", default=6.0, show_default=True, help="Timed seconds a file.")
@click.option("--samples", default=64, show_default=True, help="Calibration images.")
def main(seconds: float, samples: int) -> None:
    """Print a line for each network."""
    from nnc import models
    from nnc.exporters.ort_int8 import Int8Settings, quantise
    from nnc.model_card import InputSpec, ModelCard
    from nnc.runtimes.bench import BenchSettings, bench
    from nnc.toolchain.data import open_data
    from nnc.toolchain.feeds import calibration_images, held_back

    told = BenchSettings(seconds=seconds, accuracy=False)
    data = open_data("cifar10")
    for arch, fraction, _ in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (whole, pruned), gone = export_pair(arch, fraction, folder)
            spec = InputSpec(3, 224, 224, (0.5,) * 3, (0.5,) * 3)
            torch.manual_seed(0)
            card = ModelCard(spec, tuple("0123456789"), architecture=arch)
            checkpoint = folder / "reference.safetensors"
            models.save(checkpoint, models.build(arch, 10, 3), card)
            images, judged = calibration_images(data, spec, samples), held_back(data, spec, 64)
            settings = Int8Settings(samples=samples, calibration="minmax", max_drop=None)
            files = [checkpoint, whole, folder / "whole.int8.onnx", pruned, folder / "int8.onnx"]
            for source, output in ((whole, files[2]), (pruned, files[4])):
                quantise(source, output, images, settings, held_back=judged)
            results = bench(files, told, None).files
        up, size = results[4].speedup, results[4].artifact.size_bytes / 1e6
        aim, least = AIMS[arch]
        click.echo(
            f"{arch}: {gone:.1%} of the channels gone and int8: {results[0].latency.median:.2f} to "
            f"{results[4].latency.median:.2f} ms, {up.ratio:.2f} times as fast ({up.low:.2f} to "
            f"{up.high:.2f}), aimed at {aim:g}; {size:.2f} MB, aimed at {least:g}"
        )
        others = zip(("whole fp32", "whole int8", "pruned fp32"), results[1:4], strict=True)
        for kind, result in others:
            up = result.speedup
            click.echo(
                f"  {kind}: {result.latency.median:.2f} ms, {up.ratio:.2f} times "
                f"({up.low:.2f} to {up.high:.2f}), {result.artifact.size_bytes / 1e6:.2f} MB"
            )


if __name__ == "__main__":
    main()
