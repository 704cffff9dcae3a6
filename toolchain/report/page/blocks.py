"""The repeated parts of a page: sections, figures with captions, tiles, folded parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .headline_tiles import Tile
from .markup import Markup, join, kept_together, tag

__all__ = ["command_blocks", "facts", "folded", "grid", "picture", "section", "tiles"]


def section(title: str, *content: Any) -> Markup | None:
    """A part with its own heading; None without content."""
    inner = join(*content)
    return tag("section", tag("h3", title), inner) if inner else None


def picture(
    title: str, drawn: Markup | None, caption: Any = "", legend: Any = None
) -> Markup | None:
    """A picture under its title, with a legend and a line on how to read it; None without one."""
    if drawn is None:
        return None
    below = tag("p", caption) if caption else None
    return tag("figure", tag("h4", title), legend, drawn, tag("figcaption", below))


def grid(*figures: Markup | None) -> Markup | None:
    """Pictures side by side where there is room."""
    found = [one for one in figures if one is not None]
    return tag("div", found, _class="grid") if found else None


def folded(title: Any, *content: Any, opened: bool = False) -> Markup | None:
    """A part that opens when it is asked for, or is ``opened``; None without content."""
    inner = join(*content)
    return tag("details", tag("summary", title), inner, open=opened) if inner else None


def tiles(every: Iterable[Tile]) -> Markup | None:
    """The few figures of the headline, large."""
    found = [
        tag(
            "div",
            tag("span", one.name, _class="what"),
            tag("strong", one.value),
            [tag("small", kept_together(line)) for line in one.details],
            _class=f"tile {one.mood}".strip(),
        )
        for one in every
    ]
    return tag("div", found, _class="tiles") if found else None


def facts(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """Names and what they stand for."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs])


def command_blocks(commands: Iterable[str]) -> Markup:
    """Command lines, to be copied one by one."""
    return join(*(tag("pre", tag("code", command)) for command in commands))
