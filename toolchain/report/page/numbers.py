"""Numbers as a page writes them: few digits, units, a real minus sign."""

from __future__ import annotations

from collections.abc import Sequence

from ....runtimes.verdicts.wording import digits

__all__ = [
    "MINUS",
    "NO_CHANGE",
    "TIMES",
    "change",
    "counted",
    "interval",
    "listed",
    "milliseconds",
    "percent",
    "points",
    "signed",
    "times",
]


NO_CHANGE = "\u00b10"
"""A change that rounds to nothing."""

TIMES, MINUS = "\u00d7", "\u2212"
"""The signs, which a keyboard's x and hyphen only stand for."""


def signed(text: str) -> str:
    """A number or an interval of numbers with real minus signs."""
    return text.replace("-", MINUS)


def times(ratio: float) -> str:
    """How many times: the ratio and a multiplication sign."""
    return digits(ratio) + TIMES


def milliseconds(value: float) -> str:
    """``0.22 ms``, or seconds from 10,000 on."""
    return f"{digits(value / 1000)} s" if value >= 10_000 else f"{digits(value)} ms"


def percent(share: float, decimals: int = 2) -> str:
    """A share of 1 as ``92.15 %``."""
    return f"{100 * share:.{decimals}f} %"


def points(share: float, decimals: int = 2) -> str:
    """A difference of two shares in points with its sign, none before a zero."""
    text = f"{100 * share:+.{decimals}f}"
    return signed(text if text.strip("+-0.") else text.lstrip("+-"))


def change(new: float, old: float) -> str:
    """In percent, ``±0 %`` where it rounds to nothing; a factor where it more than doubles."""
    if old <= 0:
        return "new"
    if new > 2 * old:
        return times(new / old)
    share = 100 * (new / old - 1)
    text = f"{share:+.0f}" if abs(share) >= 9.5 else f"{share:+.1f}"
    return f"{signed(text) if text.strip('+-0.') else NO_CHANGE} %"


def interval(low: str, high: str) -> str:
    """``31.0 to 34.1``."""
    return f"{low} to {high}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 thread``, ``2,000 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"
