"""HTML that is put together of elements, so that text cannot become one by accident."""

from __future__ import annotations

import re
from html import escape
from typing import Any

__all__ = ["Markup", "clean", "join", "kept_together", "tag"]

_MEASURED = re.compile(
    r"((?:[\u2264\u2265] )?[\u2212+]?\d[\d.,]* (?:%|[kMG]?B|ms|s|points?)(?!\w))"
)

VOID = {"br", "col", "hr", "img", "link", "meta"}


class Markup(str):
    """Text that is HTML already; only this module and `svg` make it."""

    __slots__ = ()


def tag(element: str, /, *children: Any, **attributes: Any) -> Markup:
    """An ``element`` around ``children``: `Markup` as it is, anything else as text.

    ``_class`` is the attribute ``class``, other underscores are hyphens; None leaves an attribute
    out, True gives it no value. Children that are None are left out.
    """
    opening = f"<{element}{''.join(_attribute(*pair) for pair in attributes.items())}>"
    if element in VOID:
        return Markup(opening)
    return Markup(f"{opening}{join(*children)}</{element}>")


def join(*children: Any) -> Markup:
    """Children one after the other; lists among them are opened."""
    parts = []
    for child in children:
        if isinstance(child, (list, tuple)):
            parts.append(join(*child))
        elif child is not None:
            parts.append(child if isinstance(child, Markup) else Markup(escape(clean(str(child)))))
    return Markup("".join(parts))


def kept_together(text: str) -> Markup:
    """``text`` whose numbers are not parted from their units at the end of a line."""
    parts = _MEASURED.split(clean(text))
    return join(
        *(tag("span", part, _class="nb") if n % 2 else part for n, part in enumerate(parts))
    )


def clean(text: str) -> str:
    """``text`` without the characters that HTML or a reader's terminal cannot hold.

    Control characters, lone surrogates and marks that turn the writing direction go; line breaks
    become spaces.
    """
    from ..plain_text import printable

    return printable("".join(" " if c.isspace() else c for c in text))


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    spelled = name.lstrip("_").replace("_", "-")
    return f" {spelled}" if value is True else f' {spelled}="{escape(clean(str(value)))}"'
