"""The part of a page that shows a bench result: table, pictures, classes, layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..plain_text import one_line
from ..roofline import conclusion
from .blocks import folded, grid, picture, section
from .budget_badges import budget_table
from .class_changes_text import class_lines, confusion_table
from .files_table import files_table, more_table
from .files_view import FileView, chip, legend, views
from .markup import Markup, join, tag
from .numbers import counted
from .pictures.class_changes import MOST_CLASSES, class_changes, compared
from .pictures.distributions import distributions
from .pictures.layers import MOST_LAYERS, layer_times
from .pictures.roofline import peak_of, roofline, roofs
from .pictures.sweep import sweeps
from .pictures.tradeoff import tradeoff
from .svg import Pictures

__all__ = ["bench_part"]

Bench = Mapping[str, Any]


def bench_part(bench: Bench, pictures: Pictures) -> Markup:
    """Everything below the headline, in the order of a reader's questions."""
    shown = views(bench)
    return join(
        section("Budgets", budget_table(bench["budgets"])),
        section(
            "Files",
            files_table(shown),
            tag("p", _caption(bench, shown), _class="note"),
            _warnings(shown),
            folded("More figures", legend(shown), more_table(shown)),
        ),
        section("Speed and accuracy", grid(*_speed(shown, pictures))),
        section("Accuracy by class", *_classes(shown, pictures)),
        section("Where the time goes", *_layers(bench, shown, pictures)),
    )


def _caption(bench: Bench, shown: Sequence[FileView]) -> str:
    """What the table's figures are, in one line."""
    parts = []
    latency = next((one.latency for one in shown if one.latency), None)
    if latency:
        load = f"a batch of {latency['batch_size']}"
        if latency["threads"] is not None:
            load += f" on {counted(latency['threads'], 'thread')}"
        parts.append(
            f"Latency: median of {load}; speed-up: against file 1, with the 95 % interval of the "
            f"ratio over {counted(latency['rounds'], 'interleaved round')} in "
            f"{counted(latency['launches'], 'launch', 'launches')}"
        )
    if bench["data"]:
        images = counted(bench["data"]["images"], "test image")
        name = one_line(bench["data"]["name"])
        parts.append(f"accuracy: top-1 on {images} of {name}, with its 95 % interval")
    parts.append("memory: peak of the process")
    return "; ".join(parts) + "."


def _warnings(shown: Sequence[FileView]) -> Markup | None:
    lines = [
        tag("li", tag("b", one.name), ": ", one_line(line))
        for one in shown
        for line in (
            *one.entry["warnings"],
            *(
                [one.entry["size"]["zeros"]]
                if one.entry["size"] and one.entry["size"]["zeros"]
                else []
            ),
        )
    ]
    return tag("ul", lines, _class="warnings") if lines else None


def _speed(shown: Sequence[FileView], pictures: Pictures) -> Iterator[Markup | None]:
    timed = [one for one in shown if one.latency]
    yield picture(
        "Accuracy against latency",
        tradeoff(pictures, shown),
        "Area: size on disk. Dashed: files that no other beats on both. Bars: 95 % intervals.",
        legend(timed),
    )
    yield picture(
        "How steady the latency is",
        distributions(pictures, shown),
        "Each hill holds all inferences that were timed; a wide or many-peaked one is unsteady.",
    )
    for title, drawn in sweeps(pictures, shown):
        yield picture(title, drawn, "", legend(timed))


def _classes(shown: Sequence[FileView], pictures: Pictures) -> Iterator[Markup | None]:
    files = compared(shown)
    if not files:
        return
    last = files[-1]
    number = len(last.entry["agreement"]["per_class"])
    most = f" The {MOST_CLASSES} classes that changed most." if number > MOST_CLASSES else ""
    yield grid(
        picture(
            "Change by class",
            class_changes(pictures, shown),
            "Against file 1, with 95 % intervals; open dots are not shown to differ. With many "
            f"classes one in twenty looks changed by chance.{most}",
            legend(files),
        ),
        tag("div", class_lines(last), confusion_table(last)),
    )


def _layers(bench: Bench, shown: Sequence[FileView], pictures: Pictures) -> Iterator[Markup | None]:
    """Of each file with a profile, folded but for the last one if its layers were timed."""
    known = [one for one in shown if one.entry["profile"]]
    for one in known:
        timed = any(layer["ms"] is not None for layer in one.entry["profile"]["layers"])
        drawn = grid(
            picture(
                f"Dearest {MOST_LAYERS} layers" + ("" if timed else ", at best"),
                layer_times(pictures, one),
                "Time and share of it on the right."
                if timed
                else "What the machine allows, and what limits the layer; nnc bench --profile "
                "times each, too.",
            ),
            picture(
                "Roofline",
                roofline(pictures, one, bench["peaks"]),
                f"A dot a layer, a square where it is int8; larger: more time. {_roof(bench, one)}",
            ),
        )
        if drawn is not None:
            title = join(chip(one), " ", tag("b", one.name), " ", tag("span", _attained(one)))
            yield folded(title, drawn, opened=timed and one is known[-1])


def _roof(bench: Bench, view: FileView) -> str:
    peak = peak_of(view, bench["peaks"])
    return "" if peak is None else f"The lines are what this machine can do: {roofs(view, peak)}."


def _attained(view: FileView) -> str:
    """How far the file is from what the machine allows, and where its time goes."""
    profile = view.entry["profile"]
    if profile["measured_ms"] is None:
        return ""
    return conclusion(profile)
