"""What `nnc quantise` costs beside a bare `quantize_static` call with the same images.

    python benchmarks/quantise_cost.py MODEL.onnx [--samples 512] [--rounds 5]

Both load the model from the file, calibrate on the same images in memory and write an int8 file,
in turn, in one process; what counts is the ratio of each round.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from pathlib import Path

import click
import numpy as np

BATCH = 32


def bare(model: Path, output: Path, batches: list[np.ndarray], name: str) -> None:
    """ONNX Runtime's own call, with the same types."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch}

    quantize(
        model,
        output,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--samples", default=512, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(model: Path, samples: int, rounds: int) -> None:
    """Print the ratio of the two costs, a round a line, and its median."""
    import onnxruntime as ort

    from nnc.exporters.ort_int8 import Int8Settings, quantise

    logging.disable(logging.WARNING)
    given = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()[0]
    shape = [int(size) for size in given.shape[1:]]
    images = np.random.default_rng(0).standard_normal((samples, *shape)).astype(np.float32)
    batches = [images[start : start + BATCH] for start in range(0, samples, BATCH)]
    settings = Int8Settings(target="avx2", samples=samples)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "int8.onnx"
        for index in range(rounds):
            start = time.perf_counter()
            bare(model, output, batches, given.name)
            middle = time.perf_counter()
            quantise(model, output, lambda: iter(batches), settings, overwrite=True)
            end = time.perf_counter()
            ratios.append((end - middle) / (middle - start))
            click.echo(
                f"round {index + 1}: bare {middle - start:.2f} s, nnc {end - middle:.2f} s, "
                f"ratio {ratios[-1]:.2f}"
            )
    click.echo(f"median ratio {statistics.median(ratios):.2f} (nnc / bare, {samples} images)")


if __name__ == "__main__":
    main()
