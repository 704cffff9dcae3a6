"""The table of all files: on a wide screen rows, on a telephone one card a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....runtimes.verdicts.wording import digits
from ..plain_text import byte_size, count, one_line
from .files_view import FileView, chip
from .markup import Markup, join, tag
from .numbers import TIMES, interval, milliseconds, percent, points, times

__all__ = ["Cell", "cells", "files_table", "more_table"]

Cell = tuple[str, str, tuple[str, ...]]
"""A column's title, the figure, and lines of detail below it."""


def files_table(shown: Sequence[FileView]) -> Markup:
    """Accuracy, size, parameters, MACs, latency, speed-up and memory of each file."""
    titles = ("File", *(title for title, _, _ in cells(shown[0])))
    head = tag("tr", [tag("th", title, scope="col") for title in titles])
    return tag(
        "table",
        tag("thead", head),
        tag("tbody", [_row(one, len(titles)) for one in shown]),
        _class="cards figures",
    )


def more_table(shown: Sequence[FileView]) -> Markup:
    """What the first table has no room for, one row a figure."""
    rows: dict[str, list[str]] = {}
    for place, one in enumerate(shown):
        for title, text in _more(one):
            rows.setdefault(title, ["-"] * len(shown))[place] = text
    head = tag("tr", tag("td"), [tag("th", chip(one), scope="col") for one in shown])
    body = [
        tag("tr", tag("th", title, scope="row"), [tag("td", text) for text in texts])
        for title, texts in rows.items()
    ]
    table = tag("table", tag("thead", head), tag("tbody", body), _class="plain more")
    return tag("div", table, _class="scroll")


def cells(view: FileView) -> tuple[Cell, ...]:
    """The figures of one file, in the order of the columns."""
    return (
        ("Accuracy", *_accuracy(view)),
        ("Size", *_size(view)),
        ("Parameters", *_parameters(view)),
        ("MACs", *_macs(view)),
        ("Latency", *_latency(view)),
        ("Speed-up", *_speedup(view)),
        ("Memory", *_memory(view)),
    )


def _row(view: FileView, columns: int) -> Markup:
    """What was measured; below it, in a row of its own, what the file died with."""
    error = view.entry["error"]
    name = tag(
        "th",
        tag("span", chip(view), " ", tag("span", view.name, _class="name")),
        tag("small", view.runtime),
        scope="row",
    )
    figures = [
        tag(
            "td",
            tag("span", main, tag("small", join(*_broken(details)))) if details else main,
            data_label=title,
        )
        for title, main, details in cells(view)
    ]
    if error is None:
        return tag("tr", name, figures)
    text = join("error: ", one_line(error))
    return join(
        tag("tr", name, figures, _class="died"),
        tag("tr", tag("td", text, colspan=columns, _class="error")),
    )


def _broken(details: Sequence[str]) -> Iterator[Markup]:
    for place, detail in enumerate(details):
        yield join(tag("br") if place else None, detail)


def _accuracy(view: FileView) -> tuple[str, tuple[str, ...]]:
    found, against = view.entry["accuracy"], view.entry["agreement"]
    if found is None:
        return "-", ()
    details = [interval(percent(found["low"], 1).removesuffix(" %"), percent(found["high"], 1))]
    if against is not None:
        verdict = against["verdict"]
        moved = f"{points(against['difference'])} points"
        details.append(verdict if verdict == "no difference shown" else f"{verdict}: {moved}")
    return percent(found["top1"]), tuple(details)


def _size(view: FileView) -> tuple[str, tuple[str, ...]]:
    size = view.entry["size"]
    if size is None:
        return "-", ()
    zipped = size["zipped_bytes"]
    return byte_size(size["bytes"]), () if zipped is None else (f"{byte_size(zipped)} zipped",)


def _parameters(view: FileView) -> tuple[str, tuple[str, ...]]:
    size = view.entry["size"]
    if size is None or size["parameters"] is None or size["nonzero_parameters"] is None:
        return "-", ()
    every, nonzero = size["parameters"], size["nonzero_parameters"]
    zeros = every - nonzero
    return count(every), (f"{count(zeros)} zeros",) if zeros > 0.005 * every else ()


def _macs(view: FileView) -> tuple[str, tuple[str, ...]]:
    size = view.entry["size"]
    if size is None or size["macs"] is None:
        return "-", ()
    share = size["int8_mac_share"]
    return count(size["macs"]), (f"{percent(share, 0)} int8",) if share else ()


def _latency(view: FileView) -> tuple[str, tuple[str, ...]]:
    found = view.latency
    if found is None:
        return "-", ()
    ends = f"p5 {digits(found['p5'])}, p95 {digits(found['p95'])}"
    return milliseconds(found["median"]), (ends, f"p99 {digits(found['p99'])}")


def _speedup(view: FileView) -> tuple[str, tuple[str, ...]]:
    found = view.latency["speedup"] if view.latency else None
    if found is None:
        return "-", ()
    if found["verdict"] == "baseline":
        return f"1{TIMES}", ("the baseline",)
    between = interval(digits(found["low"]), digits(found["high"]))
    if found["verdict"] in ("no difference shown", "too noisy"):
        return times(found["ratio"]), (between, found["verdict"])
    return times(found["ratio"]), (between,)


def _memory(view: FileView) -> tuple[str, tuple[str, ...]]:
    found = view.entry["peak_memory_bytes"]
    return ("-" if found is None else f"{found / 1e6:.0f} MB"), ()


def _more(view: FileView) -> Iterator[tuple[str, str]]:
    entry, latency, accuracy = view.entry, view.latency, view.entry["accuracy"]
    if accuracy and accuracy["top5"] is not None:
        yield "top-5 accuracy", percent(accuracy["top5"])
    if accuracy and accuracy["worst_class"]:
        worst = accuracy["worst_class"]
        share = percent(worst["correct"] / max(worst["images"], 1), 1)
        yield "worst class", f"{one_line(worst['label'])} ({share})"
    if found := entry["agreement"]:
        yield "answers as the baseline's", percent(found["same"] / found["images"])
    if latency:
        between = interval(digits(latency["low"]), digits(latency["high"]))
        yield "median latency, 95 % interval", f"{between} ms"
        yield "images a second", count(round(latency["images_per_s"]))
        if latency["cpu_ms"] is not None:
            yield "CPU time of an inference", milliseconds(latency["cpu_ms"])
    for title, key in (("load", "load_ms"), ("first inference", "first_inference_ms")):
        if entry[key]:
            yield title, milliseconds(entry[key]["median"])
    if latency:
        yield "inferences timed", f"{latency['runs']:,}"
