"""Which file of one bench result stands for which of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from .row_names import row_names

__all__ = ["Match", "Pair", "match_files"]

File = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """One row as it was and as it is.

    ``baseline`` where it is the first of both results, and not the only one of the new.
    """

    old: File
    new: File
    name: str
    baseline: bool

    @property
    def both(self) -> tuple[File, File]:
        """Old and new."""
        return self.old, self.new


@dataclass(frozen=True)
class Match:
    """The pairs in the order of the new result; the rows without a partner, with their names."""

    pairs: tuple[Pair, ...]
    old_alone: tuple[tuple[str, File], ...]
    new_alone: tuple[tuple[str, File], ...]


def match_files(old: Mapping[str, Any], new: Mapping[str, Any]) -> Match:
    """Pair the rows by name, and the only one besides the baseline whatever it is called.

    A name that a result holds more than once is matched by its whole path, the runtime and the
    device. Raises InputError where no file of the one is in the other.
    """
    before, after = old["files"], new["files"]
    first, second = _keys(before, after)
    partner: dict[int, int] = {}
    for place, key in enumerate(second):
        if key in first and first.index(key) not in partner.values():
            partner[place] = first.index(key)
    only = _only(before, after)
    if only is not None and only not in partner and only not in partner.values():
        partner[only] = only
    if not partner:
        raise InputError(
            f"the results have no file in common: {_names(before)} there, {_names(after)} here; "
            "compare results of the same files"
        )
    names = row_names(after)
    several = len(after) > 1
    return Match(
        tuple(
            Pair(before[there], after[here], names[here], several and here == there == 0)
            for here, there in sorted(partner.items())
        ),
        tuple(
            (name, before[place])
            for place, name in enumerate(row_names(before))
            if place not in partner.values()
        ),
        tuple((name, after[place]) for place, name in enumerate(names) if place not in partner),
    )


def _keys(before: Sequence[File], after: Sequence[File]) -> tuple[list[str], list[str]]:
    """What each row is matched by: its name, or all that tells it apart where that occurs twice."""
    often = {
        name
        for files in (before, after)
        for name, number in Counter(file["name"] for file in files).items()
        if number > 1
    }
    first, second = (
        [_told_apart(file) if file["name"] in often else file["name"] for file in files]
        for files in (before, after)
    )
    return first, second


def _told_apart(file: File) -> str:
    return " ".join(str(file[key]) for key in ("file", "runtime", "device", "provider"))


def _only(before: Sequence[File], after: Sequence[File]) -> int | None:
    """The place of the files that can only mean each other: the one besides the baseline."""
    return len(before) - 1 if len(before) == len(after) <= 2 else None


def _names(files: Sequence[File]) -> str:
    return ", ".join(file["name"] for file in files)
