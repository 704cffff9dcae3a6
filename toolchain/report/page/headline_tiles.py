"""The few figures of the headline: of the file it is about, against the baseline or alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ....runtimes.verdicts.wording import digits
from ..plain_text import byte_size
from .files_view import FileView
from .numbers import NO_CHANGE, change, interval, milliseconds, percent, points, times

__all__ = ["Tile", "compared_tiles", "own_tiles"]


@dataclass(frozen=True)
class Tile:
    """One figure of the file that the headline is about."""

    name: str
    value: str
    details: tuple[str, ...]
    """Lines below the value."""
    mood: str = ""
    """``good``, ``bad``, or empty where nothing is shown or nothing was judged."""


def own_tiles(shown: FileView) -> Iterator[Tile]:
    """Of a file that was compared with nothing."""
    if latency := shown.latency:
        ends = ", ".join(f"{name} {digits(latency[name])}" for name in ("p5", "p95", "p99"))
        yield Tile("Latency", milliseconds(latency["median"]), ("median", ends))
    if accuracy := shown.entry["accuracy"]:
        between = interval(percent(accuracy["low"], 1), percent(accuracy["high"], 1))
        yield Tile("Accuracy", percent(accuracy["top1"]), (between,))
    if size := shown.entry["size"]:
        yield Tile("Size", byte_size(size["bytes"]), ("on disk",))
    if memory := shown.entry["peak_memory_bytes"]:
        yield Tile("Memory", _megabytes(memory), ("peak of the process",))


def compared_tiles(shown: FileView, first: FileView) -> Iterator[Tile]:
    """Of a file against the baseline; a colour only where a difference is shown."""
    yield from _speed(shown, first)
    yield from _accuracy(shown)
    for name, key in (("Size", "size"), ("Memory", "peak_memory_bytes")):
        new, old = (_bytes(one, key) for one in (shown, first))
        if new and old:
            show = byte_size if key == "size" else _megabytes
            value = change(new, old)
            # Memory has no interval, so nothing is shown of it.
            judged = key == "size" and not value.startswith(NO_CHANGE)
            mood = ("good" if new < old else "bad") if judged else ""
            yield Tile(name, value, (f"{show(old)} → {show(new)}",), mood)


def _accuracy(shown: FileView) -> Iterator[Tile]:
    found, accuracy = shown.entry["agreement"], shown.entry["accuracy"]
    if not found or not accuracy:
        return
    between = interval(points(found["low"]), points(found["high"]))
    verdict = found["verdict"]
    none = (verdict,) if verdict == "no difference shown" else ()
    yield Tile(
        "Accuracy",
        f"{points(found['difference'])} points",
        (*none, between, f"{percent(accuracy['top1'])} now"),
        {"worse": "bad", "better": "good"}.get(verdict, ""),
    )


def _speed(shown: FileView, first: FileView) -> Iterator[Tile]:
    latency = shown.latency
    if not latency:
        return
    now = milliseconds(latency["median"])
    if (speedup := latency["speedup"]) is None:
        yield Tile("Latency", now, (f"{first.name} was not timed",))
        return
    between = interval(digits(speedup["low"]), digits(speedup["high"]))
    was = f"{milliseconds(first.latency['median'])} → " if first.latency else ""
    details = between, f"medians {was}{now}" if was else f"median {now}"
    mood = {"faster": "good", "slower": "bad"}.get(speedup["verdict"], "")
    yield Tile("Speed-up", times(speedup["ratio"]) if mood else speedup["verdict"], details, mood)


def _bytes(view: FileView, key: str) -> int:
    found = view.entry[key]
    size = found["bytes"] if isinstance(found, Mapping) else found
    return int(size or 0)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
