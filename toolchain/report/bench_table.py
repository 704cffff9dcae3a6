"""The rows and the caption of the bench table, from the JSON object of ``nnc bench``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...runtimes.verdicts.row_names import row_names
from .plain_text import byte_size, count, digits, one_line

__all__ = [
    "COLUMNS",
    "SWEEP_COLUMNS",
    "Row",
    "bench_rows",
    "caption",
    "row_titles",
    "runtime_title",
    "sweep_rows",
]

COLUMNS = ("accuracy", "size", "params", "MACs", "latency ms", "memory", "speed-up")
SWEEP_COLUMNS = ("threads", "batch", "latency ms", "images/s", "CPU ms", "speed-up")

RUNTIME_TITLES = {
    "pytorch": "PyTorch eager",
    "pytorch-compiled": "PyTorch compiled",
    "onnxruntime": "ONNX Runtime",
    "tensorrt": "TensorRT",
    "tensorrt-rtx": "TensorRT for RTX",
}
NOTHING = ("-", "")


@dataclass(frozen=True)
class Row:
    """One measured file; each cell is a main figure and the detail below it."""

    file: str
    runtime: str
    cells: tuple[tuple[str, str], ...]


def bench_rows(bench: Mapping[str, Any]) -> tuple[Row, ...]:
    """One row a file, cells in the order of `COLUMNS`; a file that failed says so."""
    files = bench["files"]
    return tuple(_row(title, file) for title, file in zip(row_titles(bench), files, strict=True))


def row_titles(bench: Mapping[str, Any]) -> list[str]:
    """What each row is called, told apart where one name has several; safe to print."""
    return [one_line(name) for name in row_names(bench["files"])]


def sweep_rows(bench: Mapping[str, Any]) -> tuple[Row, ...]:
    """One row for each file, number of threads and batch size, cells as `SWEEP_COLUMNS`.

    None where there is one pair alone, which the bench table holds.
    """
    settings = bench["settings"]
    if len(settings["threads"]) * len(settings["batch_sizes"]) == 1:
        return ()
    return tuple(
        Row(
            file=title,
            runtime=runtime_title(file),
            cells=(
                (str(latency["threads"]), ""),
                (str(latency["batch_size"]), ""),
                _latency(latency),
                (digits(latency["images_per_s"]), ""),
                (digits(latency["cpu_ms"]), ""),
                _speedup(latency["speedup"]),
            ),
        )
        for title, file in zip(row_titles(bench), bench["files"], strict=True)
        for latency in file["latency"]
    )


def caption(bench: Mapping[str, Any]) -> str:
    """What the figures mean, which row they are compared with, and how they were measured."""
    files, settings = bench["files"], bench["settings"]
    first = files[0]
    places = " and ".join(dict.fromkeys(str(file["device"]) for file in files))
    batch, threads = settings["batch_sizes"][0], settings["threads"][0]
    cores = f"{threads} thread{'s' if threads != 1 else ''}"
    titles = row_titles(bench)
    against = f"{titles[0]} ({runtime_title(first)})"
    rounds = f"{settings['rounds']} interleaved rounds"
    parts = [
        f"speed-up: against {against}, the first row, with its 95 % interval",
        "speed-ups compare the 10th percentile of each round, latencies shown are medians",
        f"latency: median and p5-p95 of a batch of {batch} on {places}, {cores}",
        f"measured in {rounds}, each file started anew {settings['launches']} times",
        "'no difference': the interval holds 1",
    ]
    accuracy = next((file["accuracy"] for file in files if file["accuracy"]), None)
    if accuracy:
        images = f"{accuracy['images']:,} test images"
        where = f" of {one_line(bench['data']['name'])}" if bench["data"] else ""
        parts.append(f"accuracy: top-1 on {images}{where}, with its 95 % interval")
    parts += [
        _gpu(title, file, latency["gpu"])
        for title, file in zip(titles, files, strict=True)
        for latency in file["latency"][:1]
        if latency["gpu"]
    ]
    parts.append("params: non-zero ones, of all; memory: peak of the process")
    return "; ".join(parts) + "."


def runtime_title(file: Mapping[str, Any]) -> str:
    """What runs a file, by its usual name."""
    title = RUNTIME_TITLES.get(file["runtime"], one_line(file["runtime"]))
    # An engine runs on a GPU alone; of a checkpoint it is said where it does.
    place = file["device"] if file["runtime"].startswith("pytorch") else "cpu"
    provider = file["provider"] or (place if place != "cpu" else "")
    return f"{title}, {one_line(provider)}" if provider else title


def _row(title: str, file: Mapping[str, Any]) -> Row:
    size = file["size"]
    headline = next(iter(file["latency"]), None)
    return Row(
        file=title,
        runtime=runtime_title(file),
        cells=(
            _accuracy(file["accuracy"]),
            (byte_size(size["bytes"]), ""),
            _parameters(size),
            NOTHING if size["macs"] is None else (count(size["macs"]), ""),
            NOTHING if headline is None else _latency(headline),
            _memory(file["peak_memory_bytes"]),
            ("failed", "") if headline is None else _speedup(headline["speedup"]),
        ),
    )


def _accuracy(accuracy: Mapping[str, Any] | None) -> tuple[str, str]:
    if not accuracy:
        return NOTHING
    low, high = 100 * accuracy["low"], 100 * accuracy["high"]
    return f"{100 * accuracy['top1']:.2f} %", f"{low:.1f}-{high:.1f}"


def _parameters(size: Mapping[str, Any]) -> tuple[str, str]:
    every, nonzero = size["parameters"], size["nonzero_parameters"]
    if every is None or nonzero is None:
        return NOTHING
    return count(nonzero), f"of {count(every)}"


def _latency(latency: Mapping[str, Any]) -> tuple[str, str]:
    return digits(latency["median"]), f"{digits(latency['p5'])}-{digits(latency['p95'])}"


def _memory(size: int | None) -> tuple[str, str]:
    return NOTHING if size is None else (f"{size / 1e6:.0f} MB", "")


def _speedup(speedup: Mapping[str, Any] | None) -> tuple[str, str]:
    if speedup is None:
        return NOTHING
    verdict = speedup["verdict"]
    if verdict == "baseline":
        return "1", "baseline"
    interval = f"{digits(speedup['low'])}-{digits(speedup['high'])}"
    if verdict in ("faster", "slower"):
        return f"{digits(speedup['ratio'])}x", interval
    return "too noisy" if verdict == "too noisy" else "no difference", interval


def _gpu(title: str, file: Mapping[str, Any], gpu: Mapping[str, Any]) -> str:
    """Where the time of a file went on the GPU, and by which clock: the two do not compare."""
    compute = gpu["compute"]
    clock = "the host's clock" if file["runtime"] == "onnxruntime" else "the GPU's events"
    text = (
        f"{title} on the GPU, by {clock}: computing {digits(compute['median'])} ms "
        f"(p90 {digits(compute['p90'])}, p95 {digits(compute['p95'])}, "
        f"p99 {digits(compute['p99'])}), copies {digits(gpu['host_to_device'])} in and "
        f"{digits(gpu['device_to_host'])} out"
    )
    return text if gpu["steady"] else f"{text}, unsteady ({100 * gpu['variation']:.1f} %)"
