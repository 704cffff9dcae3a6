"""What a report can be written as: one line a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from ....whole_files import write_whole
from .csv_rows import csv_rows
from .document import html_page
from .json_object import json_object
from .markdown_page import markdown_page
from .subject import Subject

__all__ = ["FORMATS", "Format", "format_of", "write_report"]


@dataclass(frozen=True)
class Format:
    """Endings that stand for it, and what makes the text, given the name of the file."""

    suffixes: tuple[str, ...]
    make: Callable[[Sequence[Subject], str], str]


FORMATS: Mapping[str, Format] = {
    "html": Format((".html", ".htm"), html_page),
    "markdown": Format((".md",), markdown_page),
    "csv": Format((".csv",), csv_rows),
    "json": Format((".json",), json_object),
}


def format_of(output: Path, named: str | None) -> str:
    """The format ``named``, else the one that ``output``'s ending stands for, in any case.

    Raises InputError where the ending is another format's, or stands for none.
    """
    ending = output.suffix.lower()
    found = next((name for name, one in FORMATS.items() if ending in one.suffixes), None)
    if named is None and found is None:
        endings = ", ".join(one.suffixes[0] for one in FORMATS.values())
        raise InputError(f"output {output}: expected a name that ends in {endings}, or --format")
    if named is not None and ending not in FORMATS[named].suffixes:
        endings = " or ".join(FORMATS[named].suffixes)
        raise InputError(f"output {output}: expected a name that ends in {endings}")
    return named or found or "html"


def write_report(
    subjects: Sequence[Subject], output: Path, named: str | None = None, *, overwrite: bool = False
) -> None:
    """Write ``subjects`` to ``output``, whole or not at all.

    Raises InputError as `format_of` does and where ``output`` exists (unless ``overwrite``) or
    cannot be written, MissingError where HTML is asked for and matplotlib is not installed.
    """
    text = FORMATS[format_of(output, named)].make(subjects, output.name)
    with write_whole(output, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
