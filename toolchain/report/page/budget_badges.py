"""Verdicts on budgets: how many of each, a table of files and budgets, and each in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ....runtimes.verdicts.verdict import BUDGETS
from ....runtimes.verdicts.wording import amount, digits, points
from ..plain_text import one_line
from .blocks import folded
from .markup import Markup, join, tag
from .numbers import TIMES, signed

__all__ = ["budget_summary", "budget_table"]

MARKS = {"held": "✓", "missed": "✕", "not shown": "?"}

Verdict = Mapping[str, Any]


def budget_summary(verdicts: Sequence[Verdict]) -> Markup | None:
    """How many budgets were held, missed and not shown; None where none was given."""
    if not verdicts:
        return None
    found = Counter(one["verdict"] for one in verdicts)
    marks = [_badge(name, f"{found[name]} {name}") for name in MARKS if found[name]]
    return join("Budgets: ", [join(one, " ") for one in marks])


def budget_table(verdicts: Sequence[Verdict]) -> Markup | None:
    """One row a file, one column a budget; below it the sentences, folded."""
    if not verdicts:
        return None
    names = list(dict.fromkeys(one["budget"] for one in verdicts))
    limits = {one["budget"]: _limit(one) for one in verdicts}
    found = {(one["file"], one["budget"]): one for one in verdicts}
    rows = [
        tag(
            "tr",
            tag("th", tag("span", one_line(file), _class="name"), scope="row"),
            [_cell(found.get((file, name)), limits[name]) for name in names],
        )
        for file in dict.fromkeys(one["file"] for one in verdicts)
    ]
    head = [tag("th", "File", scope="col"), [tag("th", limits[n], scope="col") for n in names]]
    sentences = [
        tag("li", _badge(one["verdict"], one["verdict"]), " ", one_line(one["sentence"]))
        for one in verdicts
    ]
    return join(
        tag(
            "table",
            tag("thead", tag("tr", head)),
            tag("tbody", rows),
            _class="cards figures",
        ),
        folded("In words", tag("ul", sentences, _class="badges")),
    )


def _cell(verdict: Verdict | None, title: str) -> Markup:
    if verdict is None:
        return tag("td", "-", data_label=title)
    inner = tag(
        "span", _badge(verdict["verdict"], verdict["verdict"]), tag("small", _value(verdict))
    )
    return tag("td", inner, data_label=title)


def _value(verdict: Verdict) -> str:
    """The value and its interval, if it was measured and is not exact."""
    value, low, high = (verdict[key] for key in ("value", "low", "high"))
    if value is None:
        return "not measured"
    unit = verdict["unit"]
    text = amount(value, unit)
    if low is None or high is None or low == high:
        return text
    show = points if unit == "points" else digits
    return signed(f"{text} ({show(low)} to {show(high)})")


def _limit(verdict: Verdict) -> str:
    """``max-drop 0.5 points``; the unit where the name has none."""
    name, unit = one_line(verdict["budget"]), verdict["unit"]
    known = BUDGETS.get(name)
    told = known is not None and name.endswith(f"-{unit.lower()}")
    shown = TIMES if unit == "x" else f" {one_line(unit)}"
    return f"{name} {verdict['limit']:.10g}{'' if told else shown}"


def _badge(verdict: str, text: str) -> Markup:
    return tag("span", f"{MARKS[verdict]} {text}", _class=f"badge {verdict.replace(' ', '-')}")
