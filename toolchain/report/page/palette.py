"""The colours of a page: each has a name in page.css, and a stand-in to draw pictures with."""

from __future__ import annotations

from ..figure import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION

__all__ = [
    "BAD",
    "GRID",
    "INK",
    "MUTED",
    "PAPER",
    "SERIES",
    "VARIABLES",
    "chip_class",
    "series",
    "variable",
]

GRID, PAPER, MUTED = "#e4e4e4", "#fefefe", GREY
BAD = VERMILION

SERIES = ("#6f6f6f", BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""The baseline's grey, then those that every kind of colour vision tells apart."""

VARIABLES: dict[str, str] = {
    INK.lower(): "--ink",
    MUTED.lower(): "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    **{colour.lower(): f"--s{number}" for number, colour in enumerate(SERIES)},
}
"""Stand-ins to the variables of page.css, which light and dark themes set."""


def series(place: int) -> str:
    """The stand-in of the file at ``place``; after the last colour the first but grey again."""
    return SERIES[place if place < len(SERIES) else 1 + (place - 1) % (len(SERIES) - 1)]


def chip_class(colour: str) -> str:
    """The class that gives a chip the colour of a stand-in, and letters that stand out on it."""
    return f"c{SERIES.index(colour)}"


def variable(colour: str) -> str:
    """A stand-in as CSS: ``var(--s1)``; any other colour as it is."""
    name = VARIABLES.get(colour.lower())
    return f"var({name})" if name else colour
