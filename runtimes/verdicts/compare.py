"""Two saved bench results side by side: better, worse, no difference shown, not comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from .accuracy_change import accuracy_change, same_images
from .budgets import Budgets
from .change import Change, not_comparable
from .estimates import Estimate
from .latency_change import latency_change
from .machines import machine_differences, same_machine, version_changes
from .matching import Pair, match_files
from .verdict import BUDGETS, MISSED, judged, unmeasured

__all__ = ["Comparison", "FileChange", "compare"]

SCHEMA_VERSION = 1

Result = Mapping[str, Any]


@dataclass(frozen=True)
class FileChange:
    """What became of one file."""

    name: str
    old_file: str
    new_file: str
    baseline: bool
    error: str | None
    """What it died with, in whichever result it did."""
    accuracy: Change
    size: Change
    latency: Change

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "old_file": self.old_file,
            "new_file": self.new_file,
            "baseline": self.baseline,
            "error": self.error,
            "accuracy": self.accuracy.to_json(),
            "size": self.size.to_json(),
            "latency": self.latency.to_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """All files that two results share."""

    files: tuple[FileChange, ...]
    old_alone: tuple[str, ...]
    """Names that only the old result has."""
    new_alone: tuple[str, ...]
    same_images: bool
    machine_differences: tuple[str, ...]
    """In what the machines differ; empty where they are one and times are compared."""
    version_changes: tuple[str, ...]
    budgets: tuple[dict[str, Any], ...]
    """Verdicts in the form of docs/bench-json.md's ``budgets``."""

    def to_json(self) -> dict[str, Any]:
        """The object that ``nnc compare --json`` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "comparison",
            "files": [file.to_json() for file in self.files],
            "old_alone": list(self.old_alone),
            "new_alone": list(self.new_alone),
            "same_images": self.same_images,
            "same_machine": not self.machine_differences,
            "machine_differences": list(self.machine_differences),
            "version_changes": list(self.version_changes),
            "budgets": [dict(verdict) for verdict in self.budgets],
        }


def compare(old: Result, new: Result, budgets: Budgets | None = None) -> Comparison:
    """What became of each file from one bench result (`read_bench`) to another.

    Times are compared only between results of one machine, answers image by image only on the same
    images. ``budgets`` are judged on every file but a common baseline: the drop and the speed-up
    from old to new, latency and size of the new one. Raises InputError where the results have no
    file in common or are damaged.
    """
    match = match_files(old, new)
    files = tuple(_file(pair, old, new) for pair in match.pairs)
    machines = (old["environment"], new["environment"])
    return Comparison(
        files,
        match.old_alone,
        match.new_alone,
        same_images(old["data"], new["data"]),
        () if same_machine(*machines) else machine_differences(*machines),
        version_changes(*machines),
        _judge(match.pairs, files, budgets or Budgets()),
    )


def _file(pair: Pair, old: Result, new: Result) -> FileChange:
    errors = [file["error"] for file in pair.both if file["error"] is not None]
    return FileChange(
        pair.name,
        pair.old["file"],
        pair.new["file"],
        pair.baseline,
        errors[-1] if errors else None,
        accuracy_change(pair, old["data"], new["data"]),
        _size_change(pair),
        latency_change(pair, old, new),
    )


def _size_change(pair: Pair) -> Change:
    """In bytes and percent of the old size; counted, so that any difference is one."""
    before, after = (file["size"]["bytes"] if file["size"] else None for file in pair.both)
    if before is None or after is None:
        which = "old" if before is None else "new"
        return not_comparable(before, after, "bytes", "%", f"the {which} size is not known")
    change = Estimate.exact(100 * (after - before) / max(before, 1))
    return Change.judged(before, after, "bytes", change, "%", "exact", more_is_better=False)


def _judge(
    pairs: tuple[Pair, ...], files: tuple[FileChange, ...], budgets: Budgets
) -> tuple[dict[str, Any], ...]:
    chosen = [
        (pair, file)
        for pair, file in zip(pairs, files, strict=True)
        if not pair.baseline or len(pairs) == 1
    ]
    if budgets.limits and not chosen:
        raise InputError("no file of both results to judge the budgets on; name other results")
    return tuple(
        _verdict(name, limit, pair, file)
        for pair, file in chosen
        for name, limit in budgets.limits.items()
    )


def _verdict(name: str, limit: float, pair: Pair, file: FileChange) -> dict[str, Any]:
    budget = BUDGETS[name]
    if pair.new["error"] is not None:
        reason = f"it could not be measured: {pair.new['error']}"
        return unmeasured(budget, file.name, limit, reason, MISSED)
    found, why = _measured(name, pair, file)
    if found is None:
        return unmeasured(budget, file.name, limit, why)
    doubt = file.latency.doubt if name == "min-speedup" else ""
    return judged(budget, file.name, limit, found, doubt)


def _measured(name: str, pair: Pair, file: FileChange) -> tuple[Estimate | None, str]:
    """The value that a budget is about, or why there is none."""
    new = pair.new
    if name == "max-drop":
        lost = file.accuracy.change
        return None if lost is None else lost.scaled(-1), file.accuracy.how
    if name == "min-speedup":
        return file.latency.change, file.latency.how
    if name == "max-size-mb":
        size = new["size"]
        return (Estimate.exact(size["bytes"] / 1e6) if size else None), file.size.how
    latency = new["latency"]
    return (Estimate.of(latency[0], "median") if latency else None), "it was not timed"
