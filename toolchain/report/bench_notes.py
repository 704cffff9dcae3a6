"""What the bench table has no column for, a line each: failures, warnings, noise, accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import NncError
from .plain_text import one_line
from .roofline import conclusion

__all__ = ["bench_notes", "check_all_ran"]


def bench_notes(bench: Mapping[str, Any]) -> list[str]:
    """The lines below the table; plain text, safe to print."""
    files = bench["files"]
    lines = [f"{file['name']} failed: {file['error']}" for file in files if file["error"]]
    lines += [f"{file['name']}: {line}" for file in files for line in file["warnings"]]
    lines += [f"{file['name']}: {line}" for file in files if (line := file["size"]["zeros"])]
    lines += list(_worst_classes(bench))
    lines += [line for file in files[1:] if (line := _agreement(files[0], file))]
    lines += [f"{file['name']}: {conclusion(file['profile'])}" for file in files if file["profile"]]
    lines += list(_noise(bench["noise"]))
    lines += [f"{one['budget']}: {one['sentence']}" for one in bench["budgets"]]
    return [one_line(line) for line in lines]


def check_all_ran(bench: Mapping[str, Any]) -> None:
    """Raise NncError where a file's runtime died: for when the result is out."""
    failed = [file for file in bench["files"] if file["error"]]
    if failed:
        raise NncError(f"{len(failed)} of {len(bench['files'])} files failed: {failed[0]['error']}")


def _worst_classes(bench: Mapping[str, Any]) -> Iterator[str]:
    told = []
    for file in bench["files"]:
        worst = (file["accuracy"] or {}).get("worst_class")
        if worst and worst["images"]:
            share = 100 * worst["correct"] / worst["images"]
            told.append(f"{worst['label']} {share:.1f} % ({file['name']})")
    if told:
        yield "worst class: " + ", ".join(told)


def _agreement(first: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    found = file["agreement"]
    if not found:
        return ""
    changed = found["images"] - found["same"]
    flips = f"{found['lost']:,} lost, {found['won']:,} won"
    points = f"{100 * found['difference']:+.2f} points"
    interval = f"{100 * found['low']:+.2f} to {100 * found['high']:+.2f}"
    return (
        f"{file['name']} against {first['name']}: {found['verdict']} at n={found['images']:,}; "
        f"{changed:,} answers differ ({flips}), top-1 {points} "
        f"({interval}), McNemar p={found['p']:.2g}"
    )


def _noise(noise: Mapping[str, Any]) -> Iterator[str]:
    if noise["verdict"] == "noisy":
        yield f"this machine was noisy: {'; '.join(noise['reasons'])}"
