"""A bench result as a Markdown page: table, command, date, machine; what other pages share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .bench_notes import bench_notes
from .bench_table import COLUMNS, SWEEP_COLUMNS, Row, bench_rows, caption, sweep_rows
from .plain_text import flat, one_line

__all__ = ["bench_page", "escape", "machine_lines"]

SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#~$&"})

ADDRESS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)\.")
"""The signs by which a bare address is told, which becomes a link in many readers."""


def bench_page(bench: Mapping[str, Any], *, title: str, command: str, date: str) -> str:
    """The page that a run leaves beside its results."""
    lines = [f"# {escape(title)}", "", *_table(bench_rows(bench), COLUMNS), ""]
    if sweep := sweep_rows(bench):
        lines += [*_table(sweep, SWEEP_COLUMNS), ""]
    lines += [escape(caption(bench)), ""]
    lines += [f"- {escape(note)}" for note in bench_notes(bench)]
    lines += [f"- command: `{one_line(command).replace('`', ' ')}`", f"- date: {escape(date)}"]
    lines += machine_lines(bench["environment"])
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    yield "| " + " | ".join(("file", "runtime", *columns)) + " |"
    yield "| " + " | ".join(("---", "---", *("---:" for _ in columns))) + " |"
    for row in rows:
        cells = [main + (f" ({detail})" if detail else "") for main, detail in row.cells]
        yield "| " + " | ".join(escape(c) for c in (row.file, row.runtime, *cells)) + " |"


def machine_lines(environment: Mapping[str, Any]) -> list[str]:
    """The entries of `nnc.runtimes.environment` as a list, nested ones flattened to a line each."""
    return [
        f"- {escape(str(name).removesuffix('_bytes').replace('_', ' '))}: {escape(text)}"
        for name, value in environment.items()
        if (text := flat(value, name))
    ]


def escape(text: str) -> str:
    """``text`` as one line in which no character means anything to Markdown."""
    return ADDRESS.sub(r"\\\g<0>", one_line(text).translate(SPECIAL))
