"""Every number of threads and batch size that was measured, file by file, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....runtimes.verdicts.wording import digits
from ..plain_text import count
from .files_view import FileView
from .numbers import TIMES, interval, milliseconds, times

__all__ = ["SWEEP_TITLES", "sweep_rows"]

SWEEP_TITLES = ("threads", "batch", "file", "latency", "images a second", "speed-up", "verdict")

Latency = Mapping[str, Any]


def sweep_rows(shown: Sequence[FileView]) -> list[tuple[FileView, tuple[str, ...]]]:
    """Each file and its cells as `SWEEP_TITLES`, all files of a load together.

    The file's own cell is left empty. No rows where there is one load alone, which the table of
    the files holds.
    """
    loads = dict.fromkeys(_load(one) for view in shown for one in view.entry["latency"])
    if len(loads) < 2:
        return []
    return [
        (view, _cells(one))
        for load in loads
        for view in shown
        for one in view.entry["latency"]
        if _load(one) == load
    ]


def _load(latency: Latency) -> tuple[Any, Any]:
    return latency["threads"], latency["batch_size"]


def _cells(latency: Latency) -> tuple[str, ...]:
    threads, batch = _load(latency)
    between = interval(digits(latency["low"]), digits(latency["high"]))
    return (
        "-" if threads is None else str(threads),
        str(batch),
        "",
        f"{milliseconds(latency['median'])} ({between})",
        count(round(latency["images_per_s"])),
        *_speedup(latency["speedup"]),
    )


def _speedup(found: Mapping[str, Any] | None) -> tuple[str, str]:
    if found is None:
        return "-", "not compared"
    if found["verdict"] == "baseline":
        return f"1{TIMES}", "the baseline"
    between = interval(digits(found["low"]), digits(found["high"]))
    return f"{times(found['ratio'])} ({between})", found["verdict"]
