"""Shapes of JSON values: what a saved file must hold, and a line on where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = [
    "Shape",
    "ShapeError",
    "either",
    "flag",
    "interval",
    "keyed",
    "listed",
    "maybe",
    "number",
    "plain",
    "positive",
    "rising",
    "shown",
    "text",
    "whole",
]

Shape = Callable[[Any, str], None]
"""Raises `ShapeError` unless a value, found at a place as ``files[1].size``, is as expected."""

LARGEST = 2.0**63


class ShapeError(ValueError):
    """A value that is not as expected; its text names the place, what was found and expected."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where or 'the whole'} is {found}; expected {expected}")


def number(low: float = -LARGEST, high: float = LARGEST) -> Shape:
    """A finite number within ``low`` and ``high``."""
    expected = f"a number{_range(low, high)}"

    def check(value: Any, where: str) -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # False for NaN as well, and safe for whole numbers that no float can hold.
        if not is_number or not low <= value <= high:
            raise ShapeError(where, shown(value), expected)

    return check


def positive(value: Any, where: str) -> None:
    """A finite number above 0."""
    number(0)(value, where)
    if value == 0:
        raise ShapeError(where, shown(value), "a number above 0")


def whole(low: int = 0, high: int = 2**63 - 1) -> Shape:
    """A whole number within ``low`` and ``high``."""
    expected = f"a whole number{_range(low, high)}"

    def check(value: Any, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ShapeError(where, shown(value), expected)

    return check


def text(*choices: str) -> Shape:
    """Text; one of ``choices`` where there are any."""
    expected = " or ".join(f"'{choice}'" for choice in choices) or "text"

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or (choices and value not in choices):
            raise ShapeError(where, shown(value), expected)

    return check


def flag(value: Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise ShapeError(where, shown(value), "true or false")


def maybe(shape: Shape) -> Shape:
    """``shape``, or null."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def either(first: Shape, second: Shape) -> Shape:
    """``first``, or else ``second``, whose expectation the error names."""

    def check(value: Any, where: str) -> None:
        try:
            first(value, where)
        except ShapeError:
            second(value, where)

    return check


def listed(shape: Shape, *, least: int = 0, most: int = 1_000_000) -> Shape:
    """A list of ``least`` to ``most`` values of ``shape``."""
    if least == most:
        expected = f"a list of {least}"
    else:
        expected = "a list" + (f" of at least {least}" if least else "")

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise ShapeError(where, shown(value), expected)
        if not least <= len(value) <= most:
            raise ShapeError(where, f"a list of {len(value)}", expected)
        for index, item in enumerate(value):
            shape(item, f"{where}[{index}]")

    return check


def rising(shape: Shape) -> Shape:
    """A list as ``shape`` wants it, no value less than the one before it."""

    def check(value: Any, where: str) -> None:
        shape(value, where)
        for index in range(1, len(value)):
            if value[index] < value[index - 1]:
                raise ShapeError(
                    f"{where}[{index}]",
                    shown(value[index]),
                    f"no less than the {shown(value[index - 1])} before it",
                )

    return check


def keyed(**shapes: Shape) -> Shape:
    """An object with at least these keys; others are let through unread."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ShapeError(where, shown(value), "an object")
        for key, shape in shapes.items():
            place = f"{where}.{key}" if where else key
            if key not in value:
                raise ShapeError(place, "missing", "the key to be there")
            shape(value[key], place)

    return check


def interval(key: str, shape: Shape) -> Shape:
    """An object as ``shape`` wants it, its ``key`` between its ``low`` and its ``high``."""

    def check(value: Any, where: str) -> None:
        shape(value, where)
        low, middle, high = (value[name] for name in ("low", key, "high"))
        if not low <= middle <= high:
            between = f"between low, {shown(low)}, and high, {shown(high)}"
            raise ShapeError(f"{where}.{key}", shown(middle), between)

    return check


def plain(depth: int) -> Shape:
    """Any value of at most ``depth`` levels, its numbers finite."""

    def check(value: Any, where: str, left: int = depth) -> None:
        if isinstance(value, (dict, list)):
            if not left:
                raise ShapeError(where, "nested deeper", f"at most {depth} levels")
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in pairs:
                check(item, f"{where}.{key}", left - 1)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            number()(value, where)

    return check


def _range(low: float, high: float) -> str:
    if low <= -LARGEST:
        return "" if high >= 2**63 - 1 else f" up to {high:g}"
    return f" of {low:g} or more" if high >= 2**63 - 1 else f" from {low:g} to {high:g}"


def shown(value: Any) -> str:
    """A found value in a few words."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    try:
        written = json.dumps(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a very large number"
    return written if len(written) <= 40 else f"{written[:36]}…"
