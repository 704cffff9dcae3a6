"""The scan stage: a checkpoint in; accuracy against sensitivity, a table and a figure out."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...models.checkpoint import read_card
from ...progress import SILENT, Progress
from ...whole_files import check_output, sha256_of, write_text
from ..crew import Crew, available_cores
from ..data import pick_balanced
from ..feeds import check_fits, data_for
from ..report.figure import check_drawing, write_figure
from ..report.scan_figure import scan_figure
from .points import REFERENCE, Measured, Point
from .record import Record
from .settings import ScanSettings
from .trials import measured_part

__all__ = ["ScanResult", "scan"]

RECORD, TABLE, FIGURE = "scan.json", "table.json", "scan.png"
SECONDS_BETWEEN_SAVES = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScanResult:
    """Where a scan's files lie, and what ``scan.json`` holds."""

    record: Path
    figure: Path
    table: Path | None
    """For ``nnc prune --table``; None where no layer was scanned alone."""
    values: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        table = None if self.table is None else str(self.table)
        return {**self.values, "figure": str(self.figure), "table": table}


def scan(
    settings: ScanSettings,
    checkpoint: Path,
    output: Path,
    *,
    data: str | None = None,
    data_dir: Path | None = None,
    jobs: int | None = None,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> ScanResult:
    """Prune a checkpoint by every sensitivity, measure each, and write the folder ``output``.

    ``data`` is a name or a path, None what the checkpoint records. The work is shared by ``jobs``
    processes of one thread (None: one a core; on a GPU one). What is done is saved every few
    seconds: the same call goes on from there, to the same result whatever the number of processes.
    A network that only guesses is scanned too, with a warning in the log.

    Raises InputError where ``output`` holds another scan (unless ``overwrite``), or the data does
    not fit the network; MissingError where matplotlib is lacking.
    """
    check_drawing()
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs = {jobs}: expected at least 1")
    names = [RECORD, FIGURE, *([TABLE] if settings.layers else [])]
    for name in names:
        check_output(output / name, overwrite=True)
    record, named = _record(settings, checkpoint, data, data_dir)
    path = output / RECORD
    try:
        resumed = not path.exists() or record.resume(path)
    except InputError:
        if not overwrite:
            raise
        record, named = _record(settings, checkpoint, data, data_dir)
        resumed = True
    if not resumed and not overwrite:
        raise InputError(
            f"{path} is of another scan; choose another -o or pass --force to replace it"
        )
    if not record.complete:
        opening = {
            "checkpoint": str(checkpoint),
            "data": named,
            "data_dir": None if data_dir is None else str(data_dir),
            "settings": settings.to_json(),
        }
        jobs = jobs or _jobs(settings.device)
        with Crew("toolchain.scan.worker", checkpoint, opening, jobs=jobs) as crew:
            record.parts = crew.opened()["parts"]
            _measure(crew, record, record.left(), path, progress)
            if settings.layers and record.get(record.table_point) is None:
                _measure(crew, record, [record.table_point], path, progress)
    _warn_of_chance(record, len(read_card(checkpoint).labels))
    return _written(record, output)


def _warn_of_chance(record: Record, classes: int) -> None:
    """Say so where the unpruned network is no better than chance, by two standard deviations."""
    images, chance = record.facts["images"], 1 / classes
    measured = record.get(Point(REFERENCE))
    noise = 2 * math.sqrt(chance * (1 - chance) / images)
    if measured is not None and measured.accuracy <= chance + noise:
        _log.warning(
            "unpruned, the network is right on %.2f%% of %d images, no more than chance among %d "
            "classes: this scan says nothing; train the network, or name its own --data",
            100 * measured.accuracy,
            images,
            classes,
        )


def _record(
    settings: ScanSettings, checkpoint: Path, data: str | None, data_dir: Path | None
) -> tuple[Record, str]:
    """An empty record of the scan, and the data set's name or path."""
    card = read_card(checkpoint)
    data_set = data_for(card, checkpoint, data, data_dir)
    check_fits(card.input, data_set, checkpoint, len(card.labels))
    part = measured_part(data_set, settings.part)
    chosen = pick_balanced(part, settings.images, settings.seed)
    identities = part.identities()
    digest = hashlib.sha256(b"".join(identities[index] for index in chosen))
    digest.update(b"".join(sorted(data_set.training.identities())))
    facts = {
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": sha256_of(checkpoint),
        "architecture": card.architecture,
        "data": data_set.reference,
        "data_sha256": digest.hexdigest(),
        "images": len(chosen),
        "all_images": len(part),
    }
    return Record(settings, facts), data or data_set.name


def _jobs(device: str) -> int:
    from ..training.devices import pick_device

    return available_cores() if pick_device(device).type == "cpu" else 1


def _measure(
    crew: Crew, record: Record, points: Sequence[Point], path: Path, progress: Progress
) -> None:
    """Measure ``points`` and save the record as it grows, also when this is cut off."""
    for point in points:
        fractions = record.table() if point == record.table_point else point.fractions(record.parts)
        work = path.parent / _work_name(point)
        crew.submit(point, "measure", point=asdict(point), fractions=fractions, work=str(work))
    saved = time.monotonic()
    try:
        with progress.task("scanning", len(points)) as task:
            for _ in points:
                point, reply = crew.result()
                measured = Measured(**reply)
                record.add(point, measured)
                task.advance(note=f"{point.name} {point.sensitivity:g}: {measured.accuracy:.2%}")
                if time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
                    record.save(path)
                    saved = time.monotonic()
    finally:
        record.save(path)


def _work_name(point: Point) -> str:
    name = re.sub(r"[^A-Za-z0-9.]+", "", point.name)
    return f"retraining-{name}-{point.sensitivity:g}.safetensors"


def _written(record: Record, output: Path) -> ScanResult:
    record.save(output / RECORD)
    values = record.to_json()
    write_figure(output / FIGURE, scan_figure(values), overwrite=True)
    table = None
    if record.settings.layers:
        table = output / TABLE
        write_text(table, json.dumps(record.table(), indent=2) + "\n")
    return ScanResult(output / RECORD, output / FIGURE, table, values)
