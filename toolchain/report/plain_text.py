"""Text from files and users, made safe to print; numbers, made short to read."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from ...runtimes.verdicts.wording import digits

__all__ = ["byte_size", "count", "digits", "flat", "one_line", "printable"]


def printable(text: str) -> str:
    """``text`` without control, format and other invisible characters (ESC, bidi overrides, …).

    A label or a file name can hold a terminal escape sequence; printed raw it could move the
    cursor or rewrite what stands above.
    """
    return "".join(
        c for c in text if c == " " or not unicodedata.category(c).startswith(("C", "Z"))
    )


def one_line(text: str) -> str:
    """``text`` as a single printable line."""
    return printable(" ".join(text.split()))


def byte_size(size: int) -> str:
    """A size in GB, MB or kB (powers of ten)."""
    if size < 1000:
        return f"{size} bytes"
    if size < 100_000:
        return f"{size / 1e3:.1f} kB"
    if size < 1e10:
        return f"{size / 1e6:.2f} MB"
    return f"{size / 1e9:.1f} GB"


def flat(value: Any, name: str = "") -> str:
    """A JSON value as text, what is nested in it one after the other; empty for null.

    Where ``name`` ends in ``_bytes`` a number is a size.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {flat(item, str(key))}" for key, item in value.items() if item)
    if isinstance(value, (list, tuple)):
        return ", ".join(flat(item) for item in value)
    if value is None:
        return ""
    if name.endswith("_bytes") and isinstance(value, int):
        return byte_size(value)
    return str(value)


def count(number: int) -> str:
    """A count in thousands or millions with three digits that mean something."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            value = number / limit
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {sign}"
    return str(number)
