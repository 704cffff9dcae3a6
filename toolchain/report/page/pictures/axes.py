"""What the axes of several pictures share: plain numbers, logarithms where they help, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["count_axis", "free_place", "percent_axis", "positive_axis", "short"]

WIDE = 4.0
"""Values whose greatest is so many times the least are better seen on a logarithmic axis."""

WIDEST, LEAST, MOST = 1e9, 1e-9, 1e15
"""How far an axis spans, from where and to where: what lies beyond was measured by no clock."""

DIRECTIONS = (
    *((1.0, 0.0), (0.7, 0.7), (0.7, -0.7), (0.0, 1.0)),
    *((0.0, -1.0), (-1.0, 0.0), (-0.7, 0.7), (-0.7, -0.7)),
)


def positive_axis(axis: Any, values: Sequence[float], *, room: float = 0.06) -> None:
    """Limits around ``values`` (0 or more), plain numbers; logarithmic where they are far apart."""
    import math

    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    high = min(max(*values, LEAST), MOST)
    low = min(max(min(values), LEAST, high / WIDEST), high)
    wide = high / low > WIDE
    if wide:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        stretch = room * math.log(high / low)
        axis.axes.set(
            **{f"{axis.axis_name}lim": (low / math.exp(stretch), high * math.exp(stretch))}
        )
        decades = math.log10(high / low)
        parts = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0, 3.0) if decades < 4 else (1.0,)
        axis.set_major_locator(LogLocator(base=10, subs=parts, numticks=20))
        axis.set_minor_formatter(NullFormatter())
        axis.set_minor_locator(LogLocator(base=10, subs=(), numticks=2))
    else:
        stretch = room * (high - low) or 0.05 * high or 1.0
        axis.axes.set(**{f"{axis.axis_name}lim": (max(0.0, low - stretch), high + stretch)})
        axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: _plain(value)))


def percent_axis(axis: Any, low: float, high: float) -> None:
    """Shares of 1 as percent, with decimals where the axis is narrow, from ``low`` to ``high``."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    narrow = 0 if high - low > 0.06 else 1 if high - low > 0.006 else 2
    axis.set_major_formatter(PercentFormatter(1.0, decimals=narrow, symbol=" %"))


def count_axis(axis: Any, places: Sequence[float]) -> None:
    """Whole numbers at ``places`` on a logarithm to base 2."""
    from matplotlib.ticker import NullLocator

    getattr(axis.axes, f"set_{axis.axis_name}scale")("log", base=2)
    axis.axes.set(**{f"{axis.axis_name}lim": (min(places) / 1.1, max(places) * 1.1)})
    axis.set_ticks(list(places), [f"{place:g}" for place in places])
    axis.set_minor_locator(NullLocator())


def free_place(
    taken: Sequence[tuple[float, float, float, float]],
    x: float,
    y: float,
    size: tuple[float, float],
    reach: float,
) -> tuple[float, float]:
    """Where a label of ``size`` stands near (x, y) without covering what is ``taken``.

    All in points; boxes are (left, bottom, right, top). Tries right, left, above, below and the
    corners, nearer first, and takes the first that is free, else that which covers least.
    """
    width, height = size
    best, least = (x + reach, y - height / 2), float("inf")
    for far in (reach, reach + height, reach + 2 * height):
        for dx, dy in DIRECTIONS:
            left = x + far * dx - (width if dx < 0 else width / 2 if not dx else 0)
            bottom = y + far * dy - (height if dy < 0 else height / 2 if not dy else 0)
            box = (left, bottom, left + width, bottom + height)
            covered = sum(_overlap(box, other) for other in taken)
            if covered < least:
                best, least = (left, bottom), covered
            if not covered:
                return best
    return best


def short(text: str, most: int) -> str:
    """``text`` with its middle left out where it is longer than ``most``."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else f"{value:.4g}"


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
