"""Every number of threads and batch size that was measured, file by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ....runtimes.verdicts.wording import digits
from ..plain_text import count
from .files_view import FileView, chip, legend
from .markup import Markup, join, tag
from .numbers import TIMES, counted, interval, milliseconds, times

__all__ = ["SweepRow", "sweep_rows", "sweep_table"]

Latency = Mapping[str, Any]


@dataclass(frozen=True)
class SweepRow:
    """One file under one load; intervals are empty where there are none."""

    threads: int | None
    batch: int
    view: FileView
    latency: str
    latency_interval: str
    images_per_s: str
    speedup: str
    speedup_interval: str
    verdict: str


def sweep_rows(shown: Sequence[FileView]) -> list[SweepRow]:
    """All files of a load together, in the order they were measured.

    No rows where there is one load alone, which the table of the files holds.
    """
    loads = dict.fromkeys(_load(one) for view in shown for one in view.entry["latency"])
    if len(loads) < 2:
        return []
    return [
        _row(view, one)
        for load in loads
        for view in shown
        for one in view.entry["latency"]
        if _load(one) == load
    ]


def sweep_table(shown: Sequence[FileView]) -> Markup | None:
    """The rows as HTML, a heading for each load; None where there is one alone."""
    rows = sweep_rows(shown)
    if not rows:
        return None
    titles = ("file", "latency", "images a second", "speed-up")
    body = [
        join(
            tag("tr", tag("th", _words(*load), scope="rowgroup", colspan=len(titles))),
            [_markup(row) for row in group],
        )
        for load, group in groupby(rows, lambda row: (row.threads, row.batch))
    ]
    head = tag("tr", [tag("th", title, scope="col") for title in titles])
    table = tag("table", tag("thead", head), tag("tbody", body), _class="plain figures sweep")
    return join(legend([one for one in shown if one.entry["latency"]]), table)


def _markup(row: SweepRow) -> Markup:
    details = [text for text in (row.speedup_interval, row.verdict) if text]
    return tag(
        "tr",
        tag("td", chip(row.view)),
        tag("td", row.latency, tag("small", row.latency_interval)),
        tag("td", row.images_per_s),
        tag("td", row.speedup, [tag("small", text) for text in details]),
    )


def _words(threads: int | None, batch: int) -> str:
    load = f"batch of {batch}"
    return load if threads is None else f"{counted(threads, 'thread')}, {load}"


def _load(latency: Latency) -> tuple[Any, Any]:
    return latency["threads"], latency["batch_size"]


def _row(view: FileView, latency: Latency) -> SweepRow:
    return SweepRow(
        *_load(latency),
        view,
        milliseconds(latency["median"]),
        interval(digits(latency["low"]), digits(latency["high"])),
        count(round(latency["images_per_s"])),
        *_speedup(latency["speedup"]),
    )


def _speedup(found: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if found is None:
        return "-", "", "not compared"
    if found["verdict"] == "baseline":
        return f"1{TIMES}", "", "the baseline"
    between = interval(digits(found["low"]), digits(found["high"]))
    return times(found["ratio"]), between, found["verdict"]
