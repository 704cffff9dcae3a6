"""What the rows of a result are called, where one file may have several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["row_names"]


def row_names(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each row: the file's own, with its runtime and device where it occurs twice.

    A file that was measured on a CPU and a GPU, or compiled beside eager, has a row for each.
    """
    often = Counter(file["name"] for file in files)
    names = [
        file["name"] if often[file["name"]] == 1 else f"{file['name']} ({_place(file)})"
        for file in files
    ]
    still = Counter(names)
    return [
        name if still[name] == 1 else f"{file['file']} ({_place(file)})"
        for name, file in zip(names, files, strict=True)
    ]


def _place(file: Mapping[str, Any]) -> str:
    parts = (file["runtime"], file["device"], file["provider"])
    return " ".join(dict.fromkeys(str(part) for part in parts if part)) or "not measured"
