"""``nnc bench``: files measured against the first of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import InputError
from ...runtimes.base import PROVIDERS
from .console import Console
from .options import (
    card_overrides,
    check_suffix,
    data_options,
    device_option,
    foreign_options,
    report_options,
    seed_option,
    trust_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtimes.artifact import CardOverrides
    from ..data import DataSet

__all__ = ["bench"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..")
@data_options(None, "what the files were trained on")
@device_option("cpu", "cuda", "cuda,cpu", "cpu,cuda", default="cpu")
@click.option(
    "--provider",
    type=click.Choice(PROVIDERS),
    help="How ONNX Runtime uses the GPU, with --device cuda.  [default: cuda]",
)
@click.option(
    "--allow-fallback",
    is_flag=True,
    help="Let nodes that the provider does not take run on the CPU.",
)
@click.option(
    "--torch-compile",
    is_flag=True,
    help="Measure checkpoints by torch.compile, too, beside PyTorch eager.",
)
@trust_option
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Threads of one inference.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 65_536),
    default=1,
    show_default=True,
    help="Images in one timed inference.",
)
@click.option(
    "--rounds",
    type=click.IntRange(6, 10_000),
    default=15,
    show_default=True,
    help="How often the files take turns.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600, min_open=True),
    default=3.0,
    show_default=True,
    help="Timed seconds a file, over all rounds.",
)
@click.option("--accuracy/--no-accuracy", default=True, help="Measure accuracy too, or not.")
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Test images to measure accuracy on.  [default: all]",
)
@seed_option
@foreign_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON object to a file."
)
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
@report_options
def bench(
    files: tuple[Path, ...],
    data: str | None,
    data_dir: Path | None,
    device: str,
    provider: str | None,
    allow_fallback: bool,
    torch_compile: bool,
    trust: bool,
    threads: int,
    batch_size: int,
    rounds: int,
    seconds: float,
    accuracy: bool,
    images: int | None,
    seed: int,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    image_size: int | None,
    labels: str | None,
    output: Path | None,
    force: bool,
    console: Console,
) -> None:
    """Measure accuracy, size, latency and memory of files.

    FILE is a .safetensors (PyTorch eager), .onnx (ONNX Runtime) or .engine (TensorRT, on the GPU
    whatever --device says); speed-ups are against the first. Accuracy is that of the test images
    through the runtime that is timed; latency comes from interleaved rounds, each file in a process
    of its own. Without .safetensors files it works where torch is not installed.
    """
    from ...runtimes.artifact import NO_OVERRIDES
    from ...runtimes.bench import BenchSettings
    from ...runtimes.bench import bench as measure
    from ...whole_files import check_output, write_whole
    from ..feeds import data_defaults, test_part
    from ..pipeline.shipped import input_file

    settings = BenchSettings(
        device=device,
        threads=threads,
        batch_size=batch_size,
        rounds=rounds,
        seconds=seconds,
        seed=seed,
        accuracy=accuracy,
        images=images,
        provider=provider,
        allow_fallback=allow_fallback,
        trust=trust,
        torch_compile=torch_compile,
    )
    paths = [input_file(path) for path in files]
    overrides = card_overrides(mean, std, image_size, labels)
    if output is not None:
        check_suffix(output, ".json")
        check_output(output, overwrite=force)
    data_set = _data_set(paths, overrides, data, data_dir, trust) if accuracy or data else None
    result = measure(
        paths,
        settings,
        None if data_set is None else test_part(data_set, images, seed),
        overrides=overrides,
        defaults=NO_OVERRIDES if data_set is None else data_defaults(data_set),
        progress=console.progress,
    ).to_json()
    from .bench_view import bench_view

    console.show(lambda width: bench_view(result, width))
    if output is None:
        console.json(result)
        return
    with write_whole(output, overwrite=force) as temporary:
        temporary.write_text(json.dumps(result, indent=2, allow_nan=False), encoding="utf-8")
    console.wrote(output, result)


def _data_set(
    paths: Sequence[Path],
    overrides: CardOverrides,
    named: str | None,
    folder: Path | None,
    trust: bool,
) -> DataSet:
    """The data set ``named``, else the first that a file's own metadata records."""
    from ...runtimes.artifact import read_artifact
    from ..data import open_data
    from ..feeds import data_for

    if named is not None:
        return open_data(named, folder)
    for path in paths:
        card = read_artifact(path, overrides, trust=trust).card
        if card.data:
            return data_for(card, path, None, folder)
    raise InputError(
        f"{paths[0]} records no data set; pass --data NAME or --data PATH, or --no-accuracy"
    )
