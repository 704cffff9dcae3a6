"""Two saved bench results side by side: better, worse, no difference shown, not comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .accuracy_change import accuracy_change, same_images
from .budgets import READERS, Budgets, verdict_on
from .change import Change, not_comparable
from .estimates import Estimate
from .latency_change import latency_change
from .machines import machine_differences, same_machine, version_changes
from .matching import File, Match, Pair, match_files
from .verdict import BUDGETS, unmeasured

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
    """All files that two results share, and what is in one of them alone."""

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
    images. ``budgets`` are judged on every file of either but a common baseline: the drop and the
    speed-up from old to new, latency and size of the new one; what a file without a partner lacks
    for that is not shown. Raises InputError where no file is in both, or one is damaged.
    """
    match = match_files(old, new)
    files = tuple(_file(pair, old, new) for pair in match.pairs)
    machines = (old["environment"], new["environment"])
    return Comparison(
        files,
        tuple(name for name, _ in match.old_alone),
        tuple(name for name, _ in match.new_alone),
        same_images(old["data"], new["data"]),
        () if same_machine(*machines) else machine_differences(*machines),
        version_changes(*machines),
        _judge(match, files, budgets or Budgets()),
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
    match: Match, files: tuple[FileChange, ...], budgets: Budgets
) -> tuple[dict[str, Any], ...]:
    """Every budget on every file: the pairs, what is new, and what is gone."""
    limits = budgets.limits.items()
    paired = [
        _on_pair(name, limit, pair, file)
        for pair, file in zip(match.pairs, files, strict=True)
        if not pair.baseline
        for name, limit in limits
    ]
    new = [
        _on_new(name, limit, title, file)
        for title, file in match.new_alone
        for name, limit in limits
    ]
    gone = [
        unmeasured(BUDGETS[name], title, limit, "it is in OLD alone")
        for title, _ in match.old_alone
        for name, limit in limits
    ]
    return (*paired, *new, *gone)


def _on_pair(name: str, limit: float, pair: Pair, file: FileChange) -> dict[str, Any]:
    found, why, doubt, noisy = None, "", "", False
    if name == "max-drop":
        lost = file.accuracy.change
        found, why = None if lost is None else lost.scaled(-1), file.accuracy.how
    elif name == "min-speedup":
        found, why = file.latency.change, file.latency.how
        doubt, noisy = file.latency.doubt, file.latency.noisy
    else:
        found, why, noisy = READERS[name](pair.new)
    error = pair.new["error"]
    return verdict_on(name, file.name, limit, found, why, error=error, doubt=doubt, noisy=noisy)


def _on_new(name: str, limit: float, title: str, file: File) -> dict[str, Any]:
    """A file without a partner: its size and its latency are its own."""
    found, why, noisy = None, "no file of that name in OLD", False
    if name in ("max-size-mb", "max-latency-ms"):
        found, why, noisy = READERS[name](file)
    return verdict_on(name, title, limit, found, why, error=file["error"], noisy=noisy)
