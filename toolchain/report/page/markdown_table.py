"""A table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..markdown import escape

__all__ = ["markdown_table"]


def markdown_table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1
) -> Iterator[str]:
    """Its lines and an empty one, all cells escaped; those after the first ``left`` are figures."""
    yield _row(titles)
    yield f"| {' | '.join('---' if n < left else '---:' for n in range(len(titles)))} |"
    yield from map(_row, rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"
