"""Classes in Markdown: what changed, each class's accuracy, what is mistaken for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..markdown import escape
from .class_words import class_lines, class_rows, confusion_rows
from .files_view import FileView
from .markdown_table import markdown_table

__all__ = ["markdown_classes"]

MOST_ROWS = 20


def markdown_classes(shown: Sequence[FileView], chosen: FileView) -> Iterator[str]:
    """About the ``chosen`` of the files; nothing where no answers were given."""
    files = [one for one in shown if one.entry["accuracy"]]
    if not files:
        return
    leading = next((one for one in files if one.number == chosen.number), files[-1])
    yield "## Accuracy by class"
    yield ""
    yield f"{escape(leading.name)}: {escape(' '.join(class_lines(leading)))}"
    yield ""
    rows = class_rows(files, leading)
    if rows:
        right = [
            ("-" if share is None else f"{100 * share:.1f} %" for share in one.right)
            for one in rows
        ]
        table = [
            (one.label, f"{one.images:,}", *shares) for one, shares in zip(rows, right, strict=True)
        ]
        titles = ("class", "images", *(one.name for one in files))
        yield from markdown_table(titles, table[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield f"And {len(rows) - MOST_ROWS:,} classes that are right more often."
        yield ""
    title, columns, pairs = confusion_rows(leading)
    if pairs:
        yield f"{title}:"
        yield ""
        yield from markdown_table(columns, pairs, left=2)
