"""What `nnc quantise` costs without its guard: seconds and peak memory beside other quantisers.

    python benchmarks/quantise_cost.py MODEL.onnx [--samples 512] [--rounds 5]

ONNX Runtime's `quantize_static` (min-max) and, where it is installed, NNCF's `quantize` and save.
Each starts from the same file and images and writes its own, in a fresh process, in turn; seconds
are those of the call, without imports; memory is the high-water mark of the process less what it
held before the call. What counts is the ratio of each round.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np

BATCH = 32


def ort(model: Path, output: Path, images: np.ndarray) -> None:
    """ONNX Runtime's own call, with the same types as nnc's on AVX2."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(np.array_split(images, max(1, len(images) // BATCH)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {_input(model): batch}

    quantize(
        model,
        output.with_suffix(".onnx"),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def nnc(model: Path, output: Path, images: np.ndarray) -> None:
    """Min-max, no guard."""
    from nnc.exporters.ort_int8 import Int8Settings, quantise

    batches = np.array_split(images, max(1, len(images) // BATCH))
    settings = Int8Settings("avx2", len(images), "minmax", threads=1)
    quantise(model, output.with_suffix(".onnx"), lambda: iter(batches), settings)


def nncf(model: Path, output: Path, images: np.ndarray) -> None:
    """NNCF's defaults on the same file, saved for OpenVINO."""
    import nncf as library
    import openvino

    network = openvino.Core().read_model(str(model))
    data = library.Dataset([image[None] for image in images])
    quantised = library.quantize(network, data, subset_size=len(images))
    openvino.save_model(quantised, str(output.with_suffix(".xml")))


MAKERS = {"ort": ort, "nnc": nnc, "nncf": nncf}


def _input(model: Path) -> str:
    import onnx

    return str(onnx.load(model, load_external_data=False).graph.input[0].name)


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def one(name: str, model: Path, samples: int, folder: Path) -> None:
    """In a process of its own: make the file, print seconds and bytes."""
    import onnx
    import onnxruntime

    if name == "nncf":
        import nncf  # noqa: F401
        import openvino  # noqa: F401
    else:
        import onnxruntime.quantization  # noqa: F401
    logging.disable(logging.WARNING)
    dims = onnx.load(model, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    shape = [dim.dim_value for dim in dims][1:]
    images = np.random.default_rng(0).standard_normal((samples, *shape)).astype(np.float32)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    held, start = _memory("VmRSS"), time.perf_counter()
    MAKERS[name](model, folder / name, images)
    json.dump([time.perf_counter() - start, _memory("VmHWM") - held], replies)


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--samples", default=512, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--one", "alone", hidden=True, type=(click.Choice(list(MAKERS)), Path))
def main(model: Path, samples: int, rounds: int, alone: tuple[str, Path] | None) -> None:
    """Print the costs, a round a line, and the median ratios."""
    if alone is not None:
        one(alone[0], model, samples, alone[1])
        return
    names = [name for name in MAKERS if name != "nncf" or find_spec("nncf")]
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                told = [str(model), "--samples", str(samples), "--one", name, folder]
                done = subprocess.run(
                    [sys.executable, __file__, *told],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            found[name].append(json.loads(done.stdout))
            seconds, size = found[name][-1]
            click.echo(f"{name:<5} {seconds:7.2f} s {size / 1e6:8.1f} MB")
    for name in names[:1] + names[2:]:
        for index, what in enumerate(("time", "memory")):
            ratios = [a[index] / b[index] for a, b in zip(found["nnc"], found[name], strict=True)]
            click.echo(
                f"{what}: nnc is {statistics.median(ratios):.2f} of {name} ({samples} images)"
            )


if __name__ == "__main__":
    main()
