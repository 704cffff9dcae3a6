"""What the figures of a page are, in a few sentences below the first table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..plain_text import one_line
from .files_view import FileView
from .numbers import counted

__all__ = ["caption"]


def caption(bench: Mapping[str, Any], shown: Sequence[FileView]) -> str:
    """How the columns were measured, and why two of them need not fit together exactly."""
    return " ".join(_sentences(bench, shown))


def _sentences(bench: Mapping[str, Any], shown: Sequence[FileView]) -> Iterator[str]:
    latency = next((one.latency for one in shown if one.latency), None)
    if latency:
        load = f"a batch of {latency['batch_size']}"
        if latency["threads"] is not None:
            load += f" on {counted(latency['threads'], 'thread')}"
        yield f"Latency: median of {load}."
    if latency and any(one.latency and one.latency["speedup"] for one in shown[1:]):
        yield (
            "Speed-up: against file 1, with its 95 % interval over "
            f"{counted(latency['rounds'], 'interleaved round')} in "
            f"{counted(latency['launches'], 'launch', 'launches')}; it compares the 10th "
            "percentiles of each round, which other programs disturb least, and so is not quite "
            "the ratio of the medians."
        )
    if bench["data"]:
        images = counted(bench["data"]["images"], "test image")
        name = one_line(bench["data"]["name"])
        yield f"Accuracy: top-1 on {images} of {name}, with its 95 % interval."
    yield "Memory: peak of the process."
