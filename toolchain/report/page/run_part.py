"""The parts of a page on how the files were made: stages, pruning rounds, sensitivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..plain_text import byte_size, one_line
from .blocks import folded, grid, picture, section
from .markup import Markup, tag
from .numbers import percent
from .palette import SERIES, chip_class
from .pictures.pruning_rounds import pruning_rounds
from .pictures.sensitivity import NAMED, layer_curves, most_sensitive, whole_curve
from .saved_run import Run
from .svg import Pictures

__all__ = ["run_part", "scan_part"]


def run_part(run: Run, pictures: Pictures) -> Markup | None:
    """What each stage made, and the rounds of its prunings."""
    curves = [
        picture(
            f"Pruning: {one.file}",
            pruning_rounds(pictures, one),
            "Diamond: unpruned; open: just pruned; full: retrained.",
        )
        for one in run.prunings
    ]
    rows = [
        tag(
            "tr",
            tag("td", one.file),
            tag("td", byte_size(one.size_bytes)),
            tag("td", f"{one.seconds:,.0f} s"),
        )
        for one in run.stages
    ]
    head = tag("tr", [tag("th", title, scope="col") for title in ("file", "size", "made in")])
    table = tag("table", tag("thead", head), tag("tbody", rows), _class="plain") if rows else None
    return section("How it was made", grid(*curves, tag("div", table) if table else None))


def scan_part(scan: Mapping[str, Any], pictures: Pictures) -> Markup | None:
    """The curves of a scan, and what its table takes of each layer."""
    told = scan["settings"]
    caption = (
        f"{one_line(scan['checkpoint'])} on {one_line(scan['data'])}, method "
        f"{one_line(told['method'])} ({one_line(told['criterion'])}); shaded: within "
        f"{told['max_drop']:g} point{'' if told['max_drop'] == 1 else 's'} of the unpruned network."
    )
    return section(
        "What pruning costs",
        grid(
            picture("Whole network", whole_curve(pictures, scan), caption),
            picture(
                "Each layer alone",
                layer_curves(pictures, scan),
                "Pale: the layers that are not named.",
                _letters(scan),
            ),
        ),
        folded("What each layer bears", _table(scan)),
    )


def _letters(scan: Mapping[str, Any]) -> Markup | None:
    if scan["layers"] is None:
        return None
    named = zip(most_sensitive(scan), NAMED, SERIES[1:], strict=False)
    return tag(
        "span",
        [
            tag(
                "span",
                tag("span", letter, _class=f"chip {chip_class(colour)}"),
                " ",
                one_line(curve["name"]),
            )
            for curve, letter, colour in named
        ],
        _class="legend",
    )


def _table(scan: Mapping[str, Any]) -> Markup | None:
    layers = scan["layers"]
    if layers is None or not layers["table"]:
        return None
    rows = []
    for curve in layers["curves"]:
        taken = layers["table"].get(curve["name"])
        bears = percent(taken, 0) if isinstance(taken, (int, float)) and taken else "nothing"
        rows.append(
            tag(
                "tr",
                tag("td", one_line(curve["name"])),
                tag("td", curve["units"]),
                tag("td", bears),
            )
        )
    head = tag("tr", [tag("th", title, scope="col") for title in ("layer", "units", "bears")])
    return tag("table", tag("thead", head), tag("tbody", rows), _class="plain")
