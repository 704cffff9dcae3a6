"""The rows and the caption of the bench table, from the JSON object of ``nnc bench``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from .plain_text import byte_size, count, one_line

__all__ = ["COLUMNS", "Row", "bench_rows", "caption"]

COLUMNS = ("accuracy", "size", "params", "MACs", "latency ms", "memory", "speed-up")

RUNTIME_TITLES = {
    "pytorch": "PyTorch eager",
    "pytorch-compiled": "PyTorch compiled",
    "onnxruntime": "ONNX Runtime",
    "tensorrt": "TensorRT",
    "tensorrt-rtx": "TensorRT for RTX",
}


@dataclass(frozen=True)
class Row:
    """One measured file; each cell is a main figure and the detail below it."""

    file: str
    runtime: str
    cells: tuple[tuple[str, str], ...]


def bench_rows(bench: Mapping[str, Any]) -> tuple[Row, ...]:
    """One row a result, cells in the order of `COLUMNS`."""
    return tuple(_row(result) for result in bench["results"])


def caption(bench: Mapping[str, Any]) -> str:
    """What the figures mean, which row they are compared with, and how they were measured."""
    results = bench["results"]
    first = results[0]
    places = " and ".join(dict.fromkeys(str(result["device"]) for result in results))
    batch, threads = first["batch_size"], first["threads"]
    cores = f"{threads} thread{'s' if threads != 1 else ''}"
    parts = [
        f"speed-up: against {_name(first)} ({_runtime(first)}), the first row",
        f"latency: median and p5-p95 of a batch of {batch} on {places}, {cores}",
        "measured in interleaved rounds, a fresh process for each file",
        "'no difference': the 95 % interval of the ratio holds 1",
    ]
    accuracy = next((r["accuracy"] for r in results if r.get("accuracy")), None)
    if accuracy:
        images = f"{accuracy['images']:,} test images"
        data = bench.get("data")
        where = f" of {one_line(str(data))}" if data else ""
        parts.append(f"accuracy: top-1 on {images}{where}, with its 95 % interval")
    parts += [_gpu(result) for result in results if result.get("gpu_ms")]
    parts.append("params: non-zero ones, of all; memory: peak of the process")
    return "; ".join(parts) + "."


def _row(result: Mapping[str, Any]) -> Row:
    latency = result["latency_ms"]
    return Row(
        file=_name(result),
        runtime=_runtime(result),
        cells=(
            _accuracy(result.get("accuracy")),
            (byte_size(result["size_bytes"]), ""),
            _parameters(result),
            ("-" if result.get("macs") is None else count(result["macs"]), ""),
            (
                _digits(latency["median"]),
                f"{_digits(latency['p5'])}-{_digits(latency['p95'])}",
            ),
            _memory(result.get("peak_memory_bytes")),
            _speedup(result.get("speedup")),
        ),
    )


def _accuracy(accuracy: Mapping[str, Any] | None) -> tuple[str, str]:
    if not accuracy:
        return "-", ""
    low, high = 100 * accuracy["low"], 100 * accuracy["high"]
    return f"{100 * accuracy['top1']:.2f} %", f"{low:.1f}-{high:.1f}"


def _parameters(result: Mapping[str, Any]) -> tuple[str, str]:
    every, nonzero = result["parameters"], result["nonzero_parameters"]
    if every is None or nonzero is None:
        return "-", ""
    return count(nonzero), f"of {count(every)}"


def _memory(size: int | None) -> tuple[str, str]:
    return ("-", "") if size is None else (f"{size / 1e6:.0f} MB", "")


def _speedup(speedup: Mapping[str, Any] | None) -> tuple[str, str]:
    if speedup is None:
        return "-", ""
    low, high = speedup["low"], speedup["high"]
    if speedup["ratio"] == low == high == 1:
        return "1", "baseline"
    interval = f"{_digits(low)}-{_digits(high)}"
    if low <= 1 <= high:
        return "no difference", interval
    return f"{_digits(speedup['ratio'])}x", interval


def _gpu(result: Mapping[str, Any]) -> str:
    """Where the time of a file went on the GPU."""
    gpu = result["gpu_ms"]
    compute = gpu["compute"]
    text = (
        f"{_name(result)} on the GPU: computing {_digits(compute['median'])} ms "
        f"(p90 {_digits(compute['p90'])}, p95 {_digits(compute['p95'])}, "
        f"p99 {_digits(compute['p99'])}), copies {_digits(gpu['host_to_device'])} in and "
        f"{_digits(gpu['device_to_host'])} out"
    )
    return text if gpu["steady"] else f"{text}, unsteady ({100 * gpu['variation']:.1f} %)"


def _digits(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    if value >= 0.1:
        return f"{value:.2f}"
    return f"{value:.3f}"


def _name(result: Mapping[str, Any]) -> str:
    return one_line(PurePath(result["file"]).name)


def _runtime(result: Mapping[str, Any]) -> str:
    title = RUNTIME_TITLES.get(result["runtime"], one_line(result["runtime"]))
    # An engine runs on a GPU alone; of the others it is said.
    place = result["device"] if result["runtime"].startswith("pytorch") else "cpu"
    provider = result.get("provider") or (place if place != "cpu" else "")
    return f"{title}, {provider}" if provider else title
