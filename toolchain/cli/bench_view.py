"""The bench table on a terminal or in a pipe: two lines a file, and no figure is ever cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from ..report.bench_notes import bench_notes
from ..report.bench_table import (
    COLUMNS,
    SWEEP_COLUMNS,
    Row,
    bench_rows,
    caption,
    row_titles,
    sweep_rows,
)
from ..report.roofline import roofline_lines

__all__ = ["bench_view"]

GAP = "  "


def bench_view(bench: Mapping[str, Any], width: int) -> Group:
    """The table, that of the sweep if there was one, notes and caption, for ``width`` columns.

    The file names are the first column where they fit beside the figures, else each stands on a
    line of its own above them.
    """
    parts = [*_table(bench_rows(bench), COLUMNS, width)]
    if sweep := sweep_rows(bench):
        parts += [Text(""), *_table(sweep, SWEEP_COLUMNS, width)]
    named = zip(row_titles(bench), bench["files"], strict=True)
    parts += [line for title, file in named for line in _layers(title, file, width)]
    if notes := bench_notes(bench):
        parts += [Text(""), *(Text(note) for note in notes)]
    return Group(*parts, Text(""), Text(caption(bench), style="dim"))


def _layers(title: str, file: Mapping[str, Any], width: int) -> Iterator[Text]:
    """The layers of a file that were timed one by one; its conclusion stands in the notes."""
    profile = file["profile"]
    if not profile or all(layer["ms"] is None for layer in profile["layers"]):
        return
    yield Text("")
    yield Text(f"{title}, layer by layer", style="bold")
    *lines, _conclusion = roofline_lines(profile, width)
    for line in lines:
        yield Text(line)


def _table(rows: tuple[Row, ...], columns: tuple[str, ...], width: int) -> Iterator[Text]:
    widths = [
        max(len(title), *(cell_len(part) for row in rows for part in row.cells[index]))
        for index, title in enumerate(columns)
    ]
    names = max(cell_len(text) for row in rows for text in (row.file, row.runtime))
    beside = names + len(GAP) + sum(widths) + len(GAP) * (len(widths) - 1) <= width
    return _lines(rows, columns, widths, names if beside else 0)


def _lines(
    rows: tuple[Row, ...], columns: tuple[str, ...], widths: list[int], names: int
) -> Iterator[Text]:
    """``names``: the width of the first column; 0 sets names above the figures."""
    yield Text((" " * names + GAP if names else "") + _figures(columns, widths), style="bold")
    for row in rows:
        mains, details = zip(*row.cells, strict=True)
        if names:
            yield Text(_pad(row.file, names) + GAP + _figures(mains, widths))
            yield Text(_pad(row.runtime, names) + GAP + _figures(details, widths), style="dim")
        else:
            yield Text(f"{row.file} ({row.runtime})", style="bold", overflow="fold")
            yield Text(_figures(mains, widths))
            yield Text(_figures(details, widths), style="dim")


def _figures(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (" " * (w - cell_len(c)) + c for c, w in zip(cells, widths, strict=True))
    return GAP.join(padded)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))
