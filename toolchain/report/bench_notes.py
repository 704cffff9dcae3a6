"""What the bench table has no column for, a line each: failures, warnings, noise, accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import NncError
from .bench_table import row_titles
from .plain_text import digits, one_line
from .roofline import conclusion

__all__ = ["bench_notes", "check_all_ran"]

_MOSTLY = 0.9
"""Of a file's MACs in int8; with fewer a line says how few."""


def bench_notes(bench: Mapping[str, Any]) -> list[str]:
    """The lines below the table; plain text, safe to print."""
    titles = row_titles(bench)
    rows = list(zip(titles, bench["files"], strict=True))
    lines = [f"{title} failed: {file['error']}" for title, file in rows if file["error"]]
    lines += [f"{title}: {line}" for title, file in rows for line in file["warnings"]]
    lines += [f"{title}: {line}" for title, file in rows if (line := file["size"]["zeros"])]
    lines += list(_mixtures(rows))
    lines += list(_slowest(rows))
    lines += list(_worst_classes(rows))
    lines += [line for title, file in rows[1:] if (line := _agreement(titles[0], title, file))]
    lines += [f"{title}: {conclusion(file['profile'])}" for title, file in rows if file["profile"]]
    lines += list(_noise(bench["noise"]))
    lines += [f"{one['budget']}: {one['sentence']}" for one in bench["budgets"]]
    return [one_line(line) for line in lines]


def check_all_ran(bench: Mapping[str, Any]) -> None:
    """Raise NncError where a file's runtime died: for when the result is out."""
    failed = [file for file in bench["files"] if file["error"]]
    if failed:
        raise NncError(f"{len(failed)} of {len(bench['files'])} files failed: {failed[0]['error']}")


def _mixtures(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Files called int8 that compute much in float."""
    for title, file in rows:
        share = file["size"].get("int8_mac_share")
        if share and share < _MOSTLY:
            yield f"{title}: {100 * share:.2g} % of its MACs are in int8, the rest in float"


def _slowest(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    told = [
        f"{digits(file['latency'][0]['p99'])} ms ({title})"
        for title, file in rows
        if file["latency"]
    ]
    if told:
        yield "99 of 100 inferences take at most: " + ", ".join(told)


def _worst_classes(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    told = []
    for title, file in rows:
        worst = (file["accuracy"] or {}).get("worst_class")
        if worst and worst["images"]:
            share = 100 * worst["correct"] / worst["images"]
            told.append(f"{worst['label']} {share:.1f} % ({title})")
    if told:
        yield "worst class: " + ", ".join(told)


def _agreement(first: str, title: str, file: Mapping[str, Any]) -> str:
    found = file["agreement"]
    if not found:
        return ""
    changed = found["images"] - found["same"]
    flips = f"{found['lost']:,} lost, {found['won']:,} won"
    points = f"{100 * found['difference']:+.2f} points"
    interval = f"{100 * found['low']:+.2f} to {100 * found['high']:+.2f}"
    return (
        f"{title} against {first}: {found['verdict']} at n={found['images']:,}; "
        f"{changed:,} answers differ ({flips}), top-1 {points} "
        f"({interval}), McNemar p={found['p']:.2g}"
    )


def _noise(noise: Mapping[str, Any]) -> Iterator[str]:
    if noise["verdict"] == "noisy":
        yield f"this machine was noisy: {'; '.join(noise['reasons'])}"
