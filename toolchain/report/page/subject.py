"""What a section of a page is about, and how it is read from the folder or file that was named."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....runtimes.verdicts.saved import check_bench, load_json, read_bench
from .saved_run import Run, read_run
from .saved_scan import check_scan, read_scan

__all__ = ["Subject", "page_command", "read_subject"]

OTHERS = {
    "comparison": "is of nnc compare; make a page of the two results it compared: "
    "nnc report OLD.json NEW.json -o report.html",
    "self-check": "is of nnc bench --self-check, which a page has no room for; make one of a "
    "result of nnc bench FILE.. -o result.json",
    "report": "is of nnc report already; make a page of the results it was made of: it holds one "
    "under subjects[0].bench",
}
"""What nnc writes as JSON beside results, and what to do instead."""

BENCH, RUN, SCAN = "results.json", "run.json", "scan.json"


@dataclass(frozen=True)
class Subject:
    """One run, bench result or scan."""

    title: str
    place: str
    """The folder or file it was read from, as it was named."""
    bench: Mapping[str, Any] | None = None
    run: Run | None = None
    scan: Mapping[str, Any] | None = None
    command: str | None = None
    """What makes it again, where that is not in the result itself."""

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type to make the result again."""
        if self.command is not None:
            return (self.command,)
        found = []
        if self.bench is not None and self.bench["command"]:
            found.append(shlex.join(self.bench["command"]))
        elif self.run is not None:
            found.append(shlex.join(("nnc", "run", self.run.recipe)))
        if self.scan is not None:
            told = self.scan["settings"]
            words = ("nnc", "scan", self.scan["checkpoint"], "--method", told["method"])
            found.append(shlex.join((*words, "--criterion", told["criterion"], "-o", "scan/")))
        return tuple(found)


def page_command(subjects: Sequence[Subject], output: str) -> str:
    """What to type to make one page, called ``output``, of all ``subjects``."""
    return shlex.join(("nnc", "report", *(one.place for one in subjects), "-o", output))


def read_subject(path: Path) -> Subject:
    """The folder of ``nnc run`` or ``nnc scan``, or a file of ``nnc bench`` or ``nnc scan``.

    Raises InputError, in one line, for anything else and for files that are damaged.
    """
    try:
        folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if folder:
        return _folder(path)
    value = load_json(path)
    if isinstance(value, dict) and str(value.get("kind")) in OTHERS:
        raise InputError(f"{path} {OTHERS[value['kind']]}")
    if isinstance(value, dict) and "kind" not in value and "whole" in value:
        return Subject(path.stem, str(path), scan=check_scan(value, path))
    return Subject(path.stem, str(path), bench=check_bench(value, path))


def _folder(path: Path) -> Subject:
    scan = next((one for one in (path / SCAN, path / "scan" / SCAN) if one.is_file()), None)
    bench, run = path / BENCH, path / RUN
    if not bench.is_file() and scan is None:
        raise InputError(
            f"{path} holds neither {BENCH} nor {SCAN}; expected a folder of nnc run or nnc scan, "
            "or a file of nnc bench"
        )
    return Subject(
        path.resolve().name or str(path),
        str(path),
        bench=read_bench(bench) if bench.is_file() else None,
        run=read_run(run) if run.is_file() else None,
        scan=None if scan is None else read_scan(scan),
    )
