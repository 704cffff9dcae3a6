"""The part of a page on classes: what changed, each class's accuracy, what is mistaken for what."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import folded, grid, picture
from .class_words import ClassRow, class_lines, class_rows, confusion_rows
from .files_view import FileView, chip, legend
from .markup import Markup, join, tag
from .numbers import counted
from .pictures.class_changes import MOST_CLASSES, class_changes, compared
from .svg import Pictures

__all__ = ["class_part"]

OPEN = 12
"""A table of more classes is folded."""
MOST_ROWS = 200
MOST_FILES = 6


def class_part(shown: Sequence[FileView], chosen: FileView, pictures: Pictures) -> Markup | None:
    """About ``chosen``, the others beside it; None where no answers were given."""
    known = [one for one in shown if one.entry["accuracy"]]
    if not known:
        return None
    leading = chosen if chosen in known else known[-1]
    words = tag(
        "p", chip(leading), " ", tag("b", leading.name), ". ", " ".join(class_lines(leading))
    )
    drawn = _picture(shown, leading, pictures)
    files = [one for one in known if one is leading or one in known[: MOST_FILES - 1]]
    table = _table(files, leading)
    if len(leading.entry["accuracy"]["per_class"]) > OPEN:
        return join(words, grid(drawn, _confusions(leading)), table)
    if drawn is None:
        return join(words, grid(table, _confusions(leading)))
    return join(words, grid(drawn, tag("div", table, _confusions(leading), _class="stack")))


def _picture(shown: Sequence[FileView], leading: FileView, pictures: Pictures) -> Markup | None:
    files = compared(shown, leading)
    if not files:
        return None
    number = len(files[0].entry["agreement"]["per_class"])
    most = f" The {MOST_CLASSES} classes that changed most." if number > MOST_CLASSES else ""
    return picture(
        "Change by class",
        class_changes(pictures, shown, leading),
        "Against file 1, with 95 % intervals. Filled: shown to differ, by McNemar's exact test "
        f"with Holm's correction for {counted(number, 'class', 'classes')}; open: not shown.{most}",
        legend(files),
    )


def _table(files: Sequence[FileView], leading: FileView) -> Markup | None:
    rows = class_rows(files, leading)
    if not rows:
        return None
    head = tag(
        "tr",
        tag("th", "class", scope="col"),
        tag("th", "images", scope="col"),
        [tag("th", chip(one), scope="col") for one in files],
    )
    left = len(rows) - MOST_ROWS
    table = join(
        legend(files),
        tag(
            "div",
            tag(
                "table",
                tag("thead", head),
                tag("tbody", [_row(one) for one in rows[:MOST_ROWS]]),
                _class="plain",
            ),
            _class="scroll",
        ),
        tag("p", f"And {left:,} that are right more often.", _class="note") if left > 0 else None,
    )
    if len(rows) > OPEN:
        title = f"Each of the {len(rows):,} classes: right answers in %, hardest first"
        return folded(title, table)
    title = "Right answers in %, hardest first"
    return tag("div", tag("h4", title), table)


def _row(row: ClassRow) -> Markup:
    cells = ["-" if right is None else f"{100 * right:.1f}" for right in row.right]
    return tag(
        "tr",
        tag("td", row.label),
        tag("td", f"{row.images:,}"),
        [tag("td", cell) for cell in cells],
    )


def _confusions(view: FileView) -> Markup | None:
    title, columns, rows = confusion_rows(view)
    if not rows:
        return None
    head = tag("tr", [tag("th", column, scope="col") for column in columns])
    body = [tag("tr", [tag("td", cell) for cell in row]) for row in rows]
    table = tag("table", tag("thead", head), tag("tbody", body), _class="plain left-2")
    return tag("div", tag("h4", title), table)
