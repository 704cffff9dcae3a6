"""The files of a bench result as the page names them: a number, a colour, a place in the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....runtimes.verdicts.row_names import row_names
from ..bench_table import RUNTIME_TITLES
from ..plain_text import one_line
from .markup import Markup, tag
from .palette import chip_class, series

__all__ = ["FileView", "chip", "legend", "views", "zeros_lines"]


@dataclass(frozen=True)
class FileView:
    """One row; ``number`` is 1 for the baseline, ``name`` is on one line and told from others."""

    number: int
    name: str
    entry: Mapping[str, Any]

    @property
    def runtime(self) -> str:
        """What runs it, and where unless that is the CPU."""
        found = self.entry["runtime"] or "unknown"
        title = RUNTIME_TITLES.get(found, one_line(found))
        device, provider = self.entry["device"], self.entry["provider"]
        place = [one_line(one) for one in (device, provider) if one and one != "cpu"]
        return ", ".join(dict.fromkeys((title, *place)))

    @property
    def colour(self) -> str:
        """The stand-in of its colour in every picture."""
        return series(self.number - 1)

    @property
    def latency(self) -> Mapping[str, Any] | None:
        """Of the first threads and batch size; None where it was not timed."""
        found = self.entry["latency"]
        return found[0] if found else None


def views(bench: Mapping[str, Any]) -> tuple[FileView, ...]:
    """All rows, numbered from 1."""
    named = zip(row_names(bench["files"]), bench["files"], strict=True)
    return tuple(
        FileView(number, one_line(name) or "(no name)", entry)
        for number, (name, entry) in enumerate(named, start=1)
    )


def zeros_lines(view: FileView) -> list[str]:
    """What its zeros save, if it has any."""
    size = view.entry["size"]
    return [size["zeros"]] if size and size["zeros"] else []


def chip(view: FileView) -> Markup:
    """The number in the file's colour, as it stands in the pictures."""
    return tag("span", view.number, _class=f"chip {chip_class(view.colour)}")


def legend(shown: Sequence[FileView]) -> Markup:
    """Numbers, colours and names of the files in a picture."""
    return tag("span", [tag("span", chip(one), " ", one.name) for one in shown], _class="legend")
