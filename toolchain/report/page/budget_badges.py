"""Verdicts on budgets: how many of each, a table of files and budgets, and each in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ....runtimes.verdicts.wording import digits, points
from ..plain_text import one_line
from .blocks import folded
from .budget_words import budget_title, with_unit
from .markup import Markup, join, tag
from .numbers import interval, signed

__all__ = ["budget_summary", "budget_table"]

MARKS = {"held": "✓", "missed": "✕", "not shown": "?"}

Verdict = Mapping[str, Any]


def budget_summary(verdicts: Sequence[Verdict]) -> Markup | None:
    """How many budgets were held, missed and not shown; None where none was given."""
    if not verdicts:
        return None
    found = Counter(one["verdict"] for one in verdicts)
    marks = [_badge(name, f"{found[name]} {name}") for name in MARKS if found[name]]
    return tag("p", [join(one, " ") for one in marks], _class="summary")


def budget_table(verdicts: Sequence[Verdict]) -> Markup | None:
    """One row a file, one column a budget; below it the sentences, folded."""
    if not verdicts:
        return None
    names = list(dict.fromkeys(one["budget"] for one in verdicts))
    limits = {one["budget"]: _capital(budget_title(one)) for one in verdicts}
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
    text = with_unit(value, unit)
    if low is None or high is None or low == high:
        return text
    show = points if unit == "points" else digits
    return f"{text} ({signed(interval(show(low), show(high)))})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _badge(verdict: str, text: str) -> Markup:
    return tag("span", f"{MARKS[verdict]} {text}", _class=f"badge {verdict.replace(' ', '-')}")
