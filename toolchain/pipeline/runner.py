"""The runner: each stage once, kept where nothing it depends on has changed."""

from __future__ import annotations

import json
import logging
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...errors import InputError
from ...progress import SILENT, Progress
from ...whole_files import sha256_of, write_whole
from ..report.markdown import bench_page
from .recipe import Recipe, StageSpec, load_recipe
from .run_report import REPORT, can_draw, write_run_report
from .shipped import SHIPPED, shipped_checkpoint
from .stage_job import StageJob
from .stage_kinds import KINDS
from .state import RunState, fingerprint, only_run_in

if TYPE_CHECKING:
    from ..data import DataSet

__all__ = ["RunResult", "StageRecord", "run"]

_log = logging.getLogger(__name__)

PAGE = "results.md"


@dataclass(frozen=True)
class StageRecord:
    """One stage of a run: its file, and whether that was made now or kept from an earlier run."""

    kind: str
    output: Path
    kept: bool
    sha256: str
    size_bytes: int
    seconds: float
    result: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "stage": self.kind,
            "output": str(self.output),
            "kept": self.kept,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "seconds": self.seconds,
            "result": dict(self.result),
        }


@dataclass(frozen=True)
class RunResult:
    """What a run left in its folder. ``shipped`` is the last int8 file, else the last model."""

    recipe: str
    directory: Path
    stages: tuple[StageRecord, ...]
    bench: Mapping[str, Any] | None
    shipped: Path

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "recipe": self.recipe,
            "directory": str(self.directory),
            "stages": [stage.to_json() for stage in self.stages],
            "bench": None if self.bench is None else dict(self.bench),
        }


def run(
    recipe: str | Path,
    directory: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
    report: Callable[[StageRecord], None] | None = None,
    overwrite: bool = False,
    command: str = "",
) -> RunResult:
    """Run every stage of ``recipe`` (a shipped name or a path) in ``directory``.

    A stage is kept where its settings, its inputs, the data and nnc are those of the run that made
    its file and the file is untouched. ``report`` hears of each stage as it ends. ``directory``
    defaults to ``runs/NAME``; nothing is written outside it. Raises InputError for a bad recipe,
    for a folder in use, and for files there that no run of this recipe made (unless ``overwrite``).
    """
    from ..data import open_data

    plan = load_recipe(str(recipe), overrides)
    folder = Path("runs") / plan.name if directory is None else directory
    for spec in plan.stages:
        for source in spec.sources:
            if source.startswith(SHIPPED):
                shipped_checkpoint(source)
    data = open_data(plan.data, data_dir)
    with only_run_in(folder):
        return _Run(plan, folder, data, device, progress, overwrite, command).all(report)


class _Run:
    def __init__(
        self,
        plan: Recipe,
        folder: Path,
        data: DataSet,
        device: str,
        progress: Progress,
        overwrite: bool,
        command: str,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._data = data
        self._device = device
        self._progress = progress
        self._overwrite = overwrite
        self._typed = tuple(shlex.split(command)) or None
        self._command = command or f"nnc run {plan.name}"
        self._state = RunState(folder, plan.name)

    def all(self, report: Callable[[StageRecord], None] | None) -> RunResult:
        for spec in self._plan.stages:
            self._check_free(spec.output)
            if spec.kind == "bench":
                self._check_free(PAGE)
                self._check_free(REPORT)
        records = []
        for spec in self._plan.stages:
            record = self._stage(spec)
            records.append(record)
            if report is not None:
                report(record)
        bench = self._bench(records)
        models = [record.output for record in records if record.kind != "bench"]
        int8 = [record.output for record in records if record.kind == "quantise"]
        return RunResult(
            recipe=self._plan.name,
            directory=self._folder,
            stages=tuple(records),
            bench=bench,
            shipped=(int8 or models)[-1],
        )

    def _check_free(self, output: str) -> None:
        path = self._folder / output
        if path.is_dir():
            raise InputError(f"{path} is a directory; expected a free file name")
        if path.exists() and not self._overwrite and not self._state.owns(output):
            raise InputError(
                f"{path} exists and is not this recipe's; choose another -o or pass --force"
            )

    def _stage(self, spec: StageSpec) -> StageRecord:
        inputs = tuple(self._input(source) for source in spec.sources)
        mark = fingerprint(
            nnc=__version__,
            kind=spec.kind,
            settings=dict(KINDS[spec.kind].resolve(spec.settings, inputs)),
            sources=[(path.name, sha256_of(path)) for path in inputs],
            data=self._data_identity,
            seed=self._plan.seed,
        )
        entry = self._state.finished(spec.output, mark)
        kept = entry is not None
        if entry is None:
            _log.info("%s: %s", spec.kind, spec.output)
            self._state.start(spec.output, mark)
            started = time.perf_counter()
            result = KINDS[spec.kind].runner(self._job(spec, inputs))
            seconds = time.perf_counter() - started
            self._state.finish(spec.output, mark, result, seconds)
            entry = self._state.record(spec.output)
        return StageRecord(
            kind=spec.kind,
            output=self._folder / spec.output,
            kept=kept,
            sha256=entry["sha256"],
            size_bytes=entry["size_bytes"],
            seconds=entry["seconds"],
            result=entry["result"],
        )

    def _job(self, spec: StageSpec, inputs: tuple[Path, ...]) -> StageJob:
        return StageJob(
            settings=spec.settings,
            inputs=inputs,
            output=self._folder / spec.output,
            data=self._data,
            seed=self._plan.seed,
            device=self._device,
            progress=self._progress,
            command=self._typed,
        )

    def _input(self, source: str) -> Path:
        return shipped_checkpoint(source) if source.startswith(SHIPPED) else self._folder / source

    @cached_property
    def _data_identity(self) -> str:
        """Names the images themselves, so that replaced data is noticed."""
        data = self._data
        return fingerprint(
            classes=data.classes,
            training=[identity.hex() for identity in data.training.identities()],
            training_labels=data.training.labels.tolist(),
            test=[identity.hex() for identity in data.test.identities()],
            test_labels=data.test.labels.tolist(),
        )

    def _bench(self, records: list[StageRecord]) -> dict[str, Any] | None:
        """The bench object of the run, and its pages beside it."""
        for record in records:
            if record.kind != "bench":
                continue
            bench: dict[str, Any] = json.loads(record.output.read_text(encoding="utf-8"))
            page = self._folder / PAGE
            if self._state.mark_of(PAGE) != record.sha256 or not page.is_file():
                self._state.start(PAGE, "")  # ours, but not yet the page of these results
                made = datetime.fromtimestamp(record.output.stat().st_mtime, timezone.utc)
                text = bench_page(
                    bench,
                    title=self._plan.name,
                    command=self._command,
                    date=made.strftime("%Y-%m-%d %H:%M UTC"),
                )
                with write_whole(page, overwrite=True) as temporary:
                    temporary.write_text(text, encoding="utf-8")
                self._state.start(PAGE, record.sha256)
            self._report(records)
            return bench
        return None

    def _report(self, records: list[StageRecord]) -> None:
        """The run's page for people, unless the one that is there is of these very stages."""
        mark = fingerprint(
            nnc=__version__, stages=[(one.output.name, one.sha256) for one in records]
        )
        made = (self._folder / REPORT).is_file() and self._state.mark_of(REPORT) == mark
        if made or not can_draw():
            return
        self._state.start(REPORT, "")  # ours, but not yet the page of these stages
        write_run_report(self._folder, self._plan.name, self._command)
        self._state.start(REPORT, mark)
