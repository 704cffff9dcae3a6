"""``nnc bench``: files measured against the first of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, NncError
from ...runtimes.base import PROVIDERS
from ..report.bench_notes import check_all_ran
from .budget_options import budget_options
from .command_line import arguments
from .console import Console
from .options import (
    card_overrides,
    check_suffix,
    check_suffixes_of,
    data_options,
    device_option,
    foreign_options,
    report_options,
    seed_option,
    trust_option,
    whole_list,
)
from .self_check_options import check_self_check_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtimes.artifact import CardOverrides
    from ...runtimes.bench import BenchSettings
    from ...runtimes.verdicts.budgets import Budgets
    from ..data import DataSet

__all__ = ["bench"]

log = logging.getLogger(__name__)


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
    default="1",
    callback=whole_list(1, 1024),
    metavar="N[,N..]",
    show_default=True,
    help="Threads of one inference; several are measured one after the other.",
)
@click.option(
    "--batch-size",
    "batch_sizes",
    default="1",
    callback=whole_list(1, 65_536),
    metavar="N[,N..]",
    show_default=True,
    help="Images in one timed inference; each size goes with each number of threads.",
)
@click.option(
    "--rounds",
    type=click.IntRange(6, 10_000),
    help="How often the files take turns.  [default: 10 a launch]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600, min_open=True),
    default=3.0,
    show_default=True,
    help="Timed seconds a file, over all rounds; under 0.4 there are two launches, which hardly "
    "show anything.",
)
@click.option(
    "--launches",
    type=click.IntRange(2, 1000),
    help="How often all files are started anew.  [default: 6 for 3 seconds]",
)
@click.option("--accuracy/--no-accuracy", default=True, help="Measure accuracy too, or not.")
@click.option(
    "--roofline/--no-roofline",
    default=True,
    help="Measure the machine's peaks, and say how far ONNX files are from them, or not.",
)
@click.option("--profile", is_flag=True, help="Time each layer of ONNX files, too.")
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Test images to measure accuracy on.  [default: all]",
)
@seed_option
@foreign_options
@budget_options
@click.option(
    "--self-check",
    is_flag=True,
    help="Measure one file against itself, and count how often it is called different.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 1000),
    help="How often, for --self-check.  [default: 20]",
)
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
    threads: tuple[int, ...],
    batch_sizes: tuple[int, ...],
    rounds: int | None,
    seconds: float,
    launches: int | None,
    accuracy: bool,
    roofline: bool,
    profile: bool,
    images: int | None,
    seed: int,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    image_size: int | None,
    labels: str | None,
    budgets: Budgets,
    self_check: bool,
    runs: int | None,
    output: Path | None,
    force: bool,
    console: Console,
) -> None:
    """Measure accuracy, size, latency and memory of files.

    FILE is a .safetensors (PyTorch eager), .onnx (ONNX Runtime) or .engine (TensorRT, on the GPU
    whatever --device says); speed-ups are against the first. Accuracy is that of the test images
    through the runtime that is timed; latency comes from interleaved rounds, each file in a process
    of its own that is started anew several times. Without .safetensors files it works where torch
    is not installed. A file whose runtime dies has a row that says so; the exit code is then 1,
    and 3 where a budget is missed.
    """
    from ...runtimes.artifact import NO_OVERRIDES
    from ...runtimes.bench import BenchSettings
    from ...runtimes.bench import bench as measure
    from ...runtimes.verdicts.budgets import enforce, judge
    from ...whole_files import check_apart, check_output
    from ..feeds import data_defaults, test_part
    from ..pipeline.shipped import input_file

    settings = BenchSettings(
        device=device,
        threads=threads,
        batch_sizes=batch_sizes,
        rounds=rounds,
        seconds=seconds,
        launches=launches,
        seed=seed,
        accuracy=accuracy,
        roofline=roofline,
        profile=profile,
        images=images,
        provider=provider,
        allow_fallback=allow_fallback,
        trust=trust,
        torch_compile=torch_compile,
    )
    paths = [input_file(path) for path in files]
    for option, value, suffix in (
        ("--provider", provider, ".onnx"),
        ("--allow-fallback", allow_fallback, ".onnx"),
        ("--trust", trust, ".engine"),
    ):
        if value:
            check_suffixes_of(option, paths, suffix)
    overrides = card_overrides(mean, std, image_size, labels)
    if output is not None:
        check_suffix(output, ".json")
        check_apart(output, (*paths, *(Path(told) for told in (data, labels) if told)))
        check_output(output, overwrite=force)
    if self_check:
        check_self_check_options()
        _self_check(paths, settings, runs, overrides, output, console, force=force)
        return
    if runs is not None:
        raise InputError("--runs counts the runs of a --self-check; pass that too, or --rounds")
    # A file may have several rows, one a device or way of running it, which is judged in the end.
    budgets.check(len(paths) + ("," in device) + torch_compile, accuracy=accuracy)
    for line in budgets.warnings:
        log.warning(line)
    data_set = _data_set(paths, overrides, data, data_dir, trust) if accuracy or data else None
    result = measure(
        paths,
        settings,
        None if data_set is None else test_part(data_set, images, seed),
        overrides=overrides,
        defaults=NO_OVERRIDES if data_set is None else data_defaults(data_set),
        progress=console.progress,
        command=arguments(),
    ).to_json()
    result["budgets"] = judge(result, budgets)
    from .bench_view import bench_view

    console.show(lambda width: bench_view(result, width))
    _hand_over(result, output, console, force=force)
    enforce(result["budgets"], lenient=budgets.lenient)
    check_all_ran(result)


def _self_check(
    paths: Sequence[Path],
    settings: BenchSettings,
    runs: int | None,
    overrides: CardOverrides,
    output: Path | None,
    console: Console,
    *,
    force: bool,
) -> None:
    """``--self-check``: NncError where the file is called different too often."""
    from ...runtimes.bench import self_check
    from ...runtimes.bench.against_itself import RUNS
    from ..report.self_check import self_check_lines, self_check_verdict

    if len(paths) != 1:
        raise InputError(f"--self-check takes one file; found {len(paths)}")
    result = self_check(
        paths[0],
        settings,
        RUNS if runs is None else runs,
        overrides=overrides,
        progress=console.progress,
        command=arguments(),
    ).to_json()
    for line in self_check_lines(result):
        console.say(line)
    _hand_over(result, output, console, force=force)
    if result["verdict"] == "missed":
        raise NncError(
            f"{self_check_verdict(result)}; do not trust its speed-ups on this machine as it is now"
        )


def _hand_over(
    result: dict[str, Any], output: Path | None, console: Console, *, force: bool
) -> None:
    """The JSON object to where it was asked for."""
    from ...whole_files import write_whole

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
