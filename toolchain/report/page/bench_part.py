"""The part of a page that shows a bench result: table, pictures, classes, layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..plain_text import one_line
from ..roofline import conclusion
from .blocks import folded, grid, picture, section
from .budget_badges import budget_summary, budget_table
from .caption import caption
from .class_part import class_part
from .files_table import files_table, more_table
from .files_view import FileView, chip, legend, views, zeros_lines
from .markup import Markup, join, tag
from .pictures.distributions import distributions
from .pictures.layers import MOST_LAYERS, layer_times
from .pictures.roofline import peak_of, roofline, roofs
from .pictures.sweep import sweeps
from .pictures.tradeoff import front, pictured, tradeoff
from .svg import Pictures
from .sweep_table import sweep_table

__all__ = ["bench_part"]

Bench = Mapping[str, Any]


def bench_part(bench: Bench, chosen: FileView | None, pictures: Pictures) -> Markup:
    """Everything below the headline, which is about ``chosen``, in the order of the questions."""
    shown = views(bench)
    leading = shown[0] if chosen is None else shown[chosen.number - 1]
    return join(
        section("Budgets", budget_summary(bench["budgets"]), budget_table(bench["budgets"])),
        section(
            "Files",
            files_table(shown),
            tag("p", caption(bench, shown), _class="note"),
            _warnings(shown),
            folded("More figures", legend(shown), more_table(shown)),
        ),
        section(
            "Speed and accuracy" if any(one.entry["accuracy"] for one in shown) else "Speed",
            grid(*_speed(shown, pictures)),
            folded("Every number of threads and batch size", sweep_table(shown)),
        ),
        section("Accuracy by class", class_part(shown, leading, pictures)),
        section("Where the time goes", *_layers(bench, shown, leading, pictures)),
    )


def _warnings(shown: Sequence[FileView]) -> Markup | None:
    lines = [
        tag("li", tag("b", one.name), ": ", one_line(line))
        for one in shown
        for line in (*one.entry["warnings"], *zeros_lines(one))
    ]
    return tag("ul", lines, _class="warnings") if lines else None


def _speed(shown: Sequence[FileView], pictures: Pictures) -> Iterator[Markup | None]:
    timed = [one for one in shown if one.latency]
    dashed = ", joined by the dashed line" if len(front(pictured(shown))) > 1 else ""
    yield picture(
        "Accuracy against latency",
        tradeoff(pictures, shown),
        "Better to the top left. Area: size on disk. Ringed: on the front, where no other file is "
        f"both faster and more accurate{dashed}. Bars: 95 % intervals.",
        legend(pictured(shown)),
    )
    yield picture(
        "How steady the latency is",
        distributions(pictures, shown),
        "Each hill holds all inferences that were timed; a wide or many-peaked one is unsteady.",
    )
    for title, drawn in sweeps(pictures, shown):
        yield picture(title, drawn, "Pale bars: 95 % intervals.", legend(timed))


def _layers(
    bench: Bench, shown: Sequence[FileView], chosen: FileView, pictures: Pictures
) -> Iterator[Markup | None]:
    """Of each file with a profile, folded but for the chosen one if its layers were timed."""
    for one in (view for view in shown if view.entry["profile"]):
        timed = any(layer["ms"] is not None for layer in one.entry["profile"]["layers"])
        drawn = grid(
            picture(
                f"Dearest {MOST_LAYERS} layers" + ("" if timed else ", at best"),
                layer_times(pictures, one),
                "Time and share of it on the right." if timed else _untimed(bench),
            ),
            picture(
                "Roofline",
                roofline(pictures, one, bench["peaks"]),
                f"A dot a layer, a square where it is int8; larger: more time. {_roof(bench, one)}",
            ),
        )
        if drawn is not None:
            title = join(chip(one), " ", tag("b", one.name), " ", tag("span", _attained(one)))
            yield folded(title, drawn, opened=timed and one is chosen)


def _untimed(bench: Bench) -> str:
    """Why there are no times: nobody asked for them, or they could not be had."""
    if "--profile" in (bench["command"] or ()):
        return "What the machine allows; the layers of this file could not be timed."
    return (
        "What the machine allows, and what limits the layer; nnc bench --profile times each, too."
    )


def _roof(bench: Bench, view: FileView) -> str:
    peak = peak_of(view, bench["peaks"])
    return "" if peak is None else f"The lines are what this machine can do; {roofs(view, peak)}."


def _attained(view: FileView) -> str:
    """How far the file is from what the machine allows, and where its time goes."""
    profile = view.entry["profile"]
    if profile["measured_ms"] is None:
        return ""
    return conclusion(profile)
