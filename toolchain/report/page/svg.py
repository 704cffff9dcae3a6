"""Figures as inline SVG: small, in the page's own font and colours, with a text for those who
cannot see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import count
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import Element

from ..figure import check_drawing
from .markup import Markup, clean
from .palette import GRID, INK, MUTED, SERIES, variable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["WIDTH", "Pictures"]

WIDTH = 400.0
"""Of a picture in its own units, points: a telephone shows it a little smaller."""

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    # Widths are reckoned with this wide font; the readers' own are narrower, so nothing touches.
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.3,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    # A dollar in a label is a dollar.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 11,
    "axes.prop_cycle": "cycler('color', [" + ", ".join(f"'{one}'" for one in SERIES) + "])",
}

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_DECIMALS = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")


class Pictures:
    """Draws the pictures of one page; no two of them share an id."""

    def __init__(self) -> None:
        """Raises MissingError where matplotlib is not installed."""
        check_drawing()
        self._numbers = count(1)

    def draw(self, paint: Callable[[Figure], None], height: float, label: str) -> Markup:
        """What ``paint`` makes of an empty figure of `WIDTH` x ``height`` points, as an ``svg``.

        ``label`` says in words what it shows. Colours of the palette become CSS variables, so that
        the picture follows the reader's theme.
        """
        root = _drawn(paint, height)
        _shorten(root, f"p{next(self._numbers)}-")
        attributes = {
            "class": "picture",
            "role": "img",
            "aria-label": clean(label),
            "viewBox": root.attrib["viewBox"],
        }
        root.attrib.clear()
        root.attrib.update(attributes)
        from xml.etree.ElementTree import tostring

        return Markup(tostring(root, encoding="unicode", short_empty_elements=False))


def _drawn(paint: Callable[[Figure], None], height: float) -> Element:
    from xml.etree.ElementTree import fromstring

    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    stream = StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in STYLE.items():
            cast("dict[str, Any]", mpl.rcParams)[name] = value
        # The same numbers give the same page.
        mpl.rcParams["svg.hashsalt"] = "nnc"
        margins = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05)
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout=margins)
        FigureCanvasSVG(figure)
        paint(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing)
    return fromstring(stream.getvalue())  # noqa: S314 - matplotlib's own, with no entities


def _shorten(root: Element, prefix: str) -> None:
    """Take out what the page does not need, and make ids the picture's own."""
    used = {
        name
        for element in root.iter()
        for key, value in element.attrib.items()
        for name in _references(key, value)
    }
    for parent in list(root.iter()):
        for child in list(parent):
            if _is_idle(child):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.text = (element.text or "").strip() or None
        element.tail = None
        element.attrib = dict(_attributes(element, used, prefix))


def _is_idle(element: Element) -> bool:
    """matplotlib's own rules for the whole page, and shapes with neither fill nor stroke."""
    if _local(element.tag) in ("style", "metadata"):
        return True
    return _local(element.tag) == "path" and element.attrib.get("style") == "fill: none"


def _attributes(element: Element, used: set[str], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        name = _local(key)
        if name == "id":
            if value in used:
                yield name, prefix + value
        elif name == "href":
            yield name, "#" + prefix + value.removeprefix("#")
        elif name == "style":
            yield name, _referring(_style(value), prefix)
        elif name == "transform":
            turned = _NO_TURN.sub("", value).strip()
            if turned:
                yield name, _rounded(turned)
        elif name in ("d", "x", "y", "width", "height"):
            yield name, _rounded(" ".join(value.split()))
        else:
            yield name, _referring(value, prefix)


def _references(key: str, value: str) -> Iterator[str]:
    if _local(key) == "href":
        yield value.removeprefix("#")
    yield from _REFERENCE.findall(value)


def _style(value: str) -> str:
    """Colours as variables, no font family: the page's own is inherited."""
    parts = [part.strip() for part in value.split(";")]
    kept = [part for part in parts if part and not part.startswith("font-family")]
    return _COLOUR.sub(lambda found: variable(found[0]), "; ".join(kept))


def _referring(value: str, prefix: str) -> str:
    return _REFERENCE.sub(lambda found: f"url(#{prefix}{found[1]})", value)


def _rounded(text: str) -> str:
    return _DECIMALS.sub(lambda found: f"{float(found[0]):.1f}".replace(".0", ""), text)


def _local(name: str) -> str:
    """A name without its namespace, which HTML does not use."""
    return name.rpartition("}")[2]
