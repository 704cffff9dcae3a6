"""A bench result as a Markdown page: table, command, date, machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bench_table import COLUMNS, bench_rows, caption
from .plain_text import one_line

__all__ = ["bench_page"]

SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#"})


def bench_page(bench: Mapping[str, Any], *, title: str, command: str, date: str) -> str:
    """The page that a run leaves beside its results."""
    lines = [
        f"# {_escape(title)}",
        "",
        "| " + " | ".join(("file", "runtime", *COLUMNS)) + " |",
        "| " + " | ".join(("---", "---", *("---:" for _ in COLUMNS))) + " |",
    ]
    for row in bench_rows(bench):
        cells = [main + (f" ({detail})" if detail else "") for main, detail in row.cells]
        lines.append("| " + " | ".join(_escape(c) for c in (row.file, row.runtime, *cells)) + " |")
    lines += ["", _escape(caption(bench)), ""]
    lines += [f"- command: `{one_line(command).replace('`', ' ')}`", f"- date: {_escape(date)}"]
    lines += [f"- {_escape(name)}: {_escape(text)}" for name, text in _machine(bench)]
    return "\n".join(lines) + "\n"


def _machine(bench: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The environment's entries, nested ones flattened to one line each."""
    return [(str(k).replace("_", " "), _flat(v)) for k, v in bench["environment"].items()]


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items() if item)
    if isinstance(value, (list, tuple)):
        return ", ".join(_flat(item) for item in value)
    return str(value)


def _escape(text: str) -> str:
    return one_line(text).translate(SPECIAL)
