"""A bench result as a Markdown page: table, command, date, machine; what other pages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bench_table import COLUMNS, bench_rows, caption
from .plain_text import one_line

__all__ = ["bench_page", "escape", "machine_lines"]

SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"})


def bench_page(bench: Mapping[str, Any], *, title: str, command: str, date: str) -> str:
    """The page that a run leaves beside its results."""
    lines = [
        f"# {escape(title)}",
        "",
        "| " + " | ".join(("file", "runtime", *COLUMNS)) + " |",
        "| " + " | ".join(("---", "---", *("---:" for _ in COLUMNS))) + " |",
    ]
    for row in bench_rows(bench):
        cells = [main + (f" ({detail})" if detail else "") for main, detail in row.cells]
        lines.append("| " + " | ".join(escape(c) for c in (row.file, row.runtime, *cells)) + " |")
    lines += ["", escape(caption(bench)), ""]
    lines += [f"- command: `{one_line(command).replace('`', ' ')}`", f"- date: {escape(date)}"]
    lines += machine_lines(bench["environment"])
    return "\n".join(lines) + "\n"


def machine_lines(environment: Mapping[str, Any]) -> list[str]:
    """The entries of `nnc.runtimes.environment` as a list, nested ones flattened to a line each."""
    return [
        f"- {escape(str(name).replace('_', ' '))}: {escape(_flat(value))}"
        for name, value in environment.items()
    ]


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items() if item)
    if isinstance(value, (list, tuple)):
        return ", ".join(_flat(item) for item in value)
    return str(value)


def escape(text: str) -> str:
    """``text`` as one line in which no character means anything to Markdown."""
    return one_line(text).translate(SPECIAL)
