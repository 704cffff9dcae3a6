"""Results as a table for a spreadsheet: one row for each file, threads and batch size."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from ....errors import InputError
from ....runtimes.verdicts.row_names import row_names
from .markup import clean
from .subject import Subject

__all__ = ["COLUMNS", "csv_rows"]

COLUMNS = (
    *("result", "file", "runtime", "device", "provider", "error", "warnings"),
    *("bytes", "zipped_bytes", "parameters", "nonzero_parameters", "macs", "int8_mac_share"),
    *("images", "top1", "top1_low", "top1_high", "top5", "worst_class", "worst_class_top1"),
    *("difference", "difference_low", "difference_high", "p", "accuracy_verdict"),
    *("same", "lost", "won", "moved"),
    *("threads", "batch_size", "median_ms", "median_low_ms", "median_high_ms"),
    *("p5_ms", "p95_ms", "p99_ms", "images_per_s", "cpu_ms"),
    *("speedup", "speedup_low", "speedup_high", "speedup_verdict"),
    *("load_ms", "first_inference_ms", "peak_memory_bytes"),
    *("budgets_held", "budgets_missed", "budgets_not_shown"),
)
"""Units stand in the names; several warnings or budgets are parted by ``; ``."""


def csv_rows(subjects: Sequence[Subject], _output: str) -> str:
    """RFC 4180, in UTF-8, with a row of titles; what was not measured is empty.

    Text that a spreadsheet would take for a formula gets an apostrophe before it. Raises
    InputError where no subject has a bench result.
    """
    stream = StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    rows = [row for subject in subjects for row in _rows(subject)]
    if not rows:
        raise InputError(
            "there is no bench result to make a table of; name one, or use --format json"
        )
    writer.writerows([[_cell(row.get(column)) for column in COLUMNS] for row in rows])
    return stream.getvalue()


def _rows(subject: Subject) -> Iterator[dict[str, Any]]:
    if subject.bench is None:
        return
    names = row_names(subject.bench["files"])
    for name, file in zip(names, subject.bench["files"], strict=True):
        row = {
            "result": subject.title,
            **{key: file[key] for key in ("file", "runtime", "device", "provider", "error")},
            **(file["size"] or {}),
            "warnings": "; ".join(file["warnings"]) or None,
            "peak_memory_bytes": file["peak_memory_bytes"],
            **_starting(file),
            **_accuracy(file),
            **_budgets([one for one in subject.bench["budgets"] if one["file"] == name]),
        }
        for latency in file["latency"] or [None]:
            yield {**row, **(_latency(latency) if latency else {})}


def _starting(file: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("load_ms", "first_inference_ms")
    return {key: file[key]["median"] for key in keys if file[key] is not None}


def _budgets(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The budgets of a file, by what became of them, with their limits."""
    found: dict[str, Any] = {}
    for one in verdicts:
        key = f"budgets_{one['verdict'].replace(' ', '_')}"
        text = f"{one['budget']} {one['limit']:.10g}"
        found[key] = f"{found[key]}; {text}" if key in found else text
    return found


def _accuracy(file: Mapping[str, Any]) -> dict[str, Any]:
    found, against = file["accuracy"], file["agreement"]
    row: dict[str, Any] = {}
    if found:
        row |= {key: found[key] for key in ("images", "top1", "top5")}
        row |= {"top1_low": found["low"], "top1_high": found["high"]}
    if found and (worst := found["worst_class"]):
        row |= {
            "worst_class": worst["label"],
            "worst_class_top1": worst["correct"] / max(worst["images"], 1),
        }
    if against:
        row |= {key: against[key] for key in ("same", "lost", "won", "moved")}
        row |= {
            "difference": against["difference"],
            "difference_low": against["low"],
            "difference_high": against["high"],
            "p": against["p"],
            "accuracy_verdict": against["verdict"],
        }
    return row


def _latency(found: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: found[key] for key in ("threads", "batch_size", "images_per_s", "cpu_ms")}
    row |= {"median_low_ms": found["low"], "median_high_ms": found["high"]}
    row |= {f"{key}_ms": found[key] for key in ("median", "p5", "p95", "p99")}
    if speedup := found["speedup"]:
        row |= {
            "speedup": speedup["ratio"],
            "speedup_low": speedup["low"],
            "speedup_high": speedup["high"],
            "speedup_verdict": speedup["verdict"],
        }
    return row


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
