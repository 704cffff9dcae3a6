"""A saved bench result, read strictly: whatever is amiss is one line that says where."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...whole_files import check_input
from .bench_shape import BENCH, SCHEMA_VERSION
from .contradictions import check_agrees
from .shapes import ShapeError, shown

__all__ = ["check_bench", "load_json", "read_bench"]

LARGEST_FILE = 64 * 2**20
"""Bytes; a result of 100 files on a million images has about a quarter of it."""

AGAIN = "make it anew with: nnc bench FILE.. -o {path} --force"
EXPECTED = "expected a file of nnc bench -o"


def read_bench(path: Path) -> dict[str, Any]:
    """The bench result in ``path``, every key that docs/bench-json.md names in its place.

    Raises InputError, in one line, for anything else: no JSON, an older or newer schema, another
    kind of file, a wrong type, a missing key, a number that is none, nesting that has no use,
    figures that contradict each other.
    """
    return check_bench(load_json(path), path)


def load_json(path: Path) -> Any:
    """The JSON value in a file of a sensible size; InputError where there is none.

    A byte order mark is let through; ``NaN``, ``Infinity`` and numbers too large for a float are no
    JSON here.
    """
    check_input(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(
                f"{path} has {size / 1e6:.0f} MB; expected a result of {LARGEST_FILE >> 20} MiB "
                "at most"
            )
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise InputError(f"{path} is nested too deeply to be a result of nnc") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def check_bench(value: Any, path: Path) -> dict[str, Any]:
    """``value``, read from ``path``, if it is a bench result as `read_bench` wants it."""
    if not isinstance(value, dict):
        raise InputError(f"{path} is no result of nnc bench: expected a JSON object")
    found, kind = value.get("schema_version"), value.get("kind")
    again = AGAIN.format(path=shlex.quote(str(path)))
    first_version = kind is None and found == 1 and "results" in value
    if kind == "report":
        raise InputError(f"{path} is a report, not a result of nnc bench; {_held_by(value)}")
    if kind != "bench" and not first_version:
        what = f"of kind '{kind}'" if isinstance(kind, str) else "a JSON file of another kind"
        raise InputError(f"{path} is no result of nnc bench, but {what}; {EXPECTED}")
    if found != SCHEMA_VERSION or isinstance(found, bool):
        newer = isinstance(found, int) and found > SCHEMA_VERSION
        raise InputError(
            f"{path} has schema version {_version(found)}; this nnc reads {SCHEMA_VERSION}"
            f"{', a whole number' if isinstance(found, str) else ''}; "
            + ("upgrade nnc" if newer else again)
        )
    try:
        BENCH(value, "")
        check_agrees(value)
    except ShapeError as error:
        raise InputError(f"{path}: {error}; {again}") from error
    checked: dict[str, Any] = value
    return checked


def _held_by(report: Mapping[str, Any]) -> str:
    """Where the JSON of ``nnc report`` holds what was asked for."""
    subjects = report.get("subjects")
    for index, one in enumerate(subjects if isinstance(subjects, list) else ()):
        if isinstance(one, dict) and isinstance(one.get("bench"), dict):
            return f"it holds one under subjects[{index}].bench"
    return EXPECTED


def _version(found: Any) -> str:
    """As it stands in the file, if that is short."""
    if found is None:
        return "missing"
    return shown(found)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
