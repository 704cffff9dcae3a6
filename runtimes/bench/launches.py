"""Timing: all files started together, timed in turn, ended; and that several times over.

Two processes that run the same file differ by some per cent for as long as they live, by where
their memory happens to lie (Mytkowicz et al., "Producing wrong data without doing anything
obviously wrong!", 2009), and the one that starts first differs from the one that starts second. So
no single pair of processes can tell which file is faster, however long it is timed: the files are
*launched* several times, in changing order, and what differs from launch to launch is part of the
interval.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...errors import InputError, MissingError, NncError
from ...progress import Progress, Task
from ..workers.child_process import ChildError
from ..workers.latency import TimedRound, runs_per_round
from ..workers.worker_process import WorkerProcess
from .subject import Pair, Subject

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from .noise import NoiseMeter
    from .settings import BenchSettings

__all__ = ["time_files"]

_WARM_UP_SECONDS = 1.0


def time_files(
    subjects: Sequence[Subject],
    settings: BenchSettings,
    images: Mapping[int, np.ndarray[Any, Any]],
    meter: NoiseMeter,
    cpus: Mapping[int, tuple[int, ...] | None],
    progress: Progress,
) -> None:
    """Time all ``subjects`` with ``images`` (uint8 [B, H, W, C] by B); the results go into them.

    ``cpus`` says for each number of threads what the processes are bound to. A subject whose
    runtime dies is out, the others go on. Raises InputError and MissingError for what cannot be
    opened when it is first tried. No process survives, however this ends.
    """
    order = random.Random(settings.seed)  # noqa: S311 - an order of measuring, no secret
    launches = settings.launch_count
    steps = len(settings.pairs) * launches * settings.rounds_per_launch * len(subjects)
    with progress.task("timing", steps) as task:
        for threads in settings.threads:
            starts = _starting_orders(len(subjects), launches, order)
            for launch, start in enumerate(starts):
                _Launch(
                    [subjects[index] for index in start if subjects[index].error is None],
                    settings,
                    threads,
                    cpus[threads],
                    first=launch == 0 and threads == settings.threads[0],
                ).run(images, meter, order, task)


def _starting_orders(files: int, launches: int, order: random.Random) -> Iterator[list[int]]:
    """Orders of starting: each other one is the one before it backwards.

    So each file starts before each other one as often as after it.
    """
    for launch in range(launches):
        if launch % 2 == 0:
            start = order.sample(range(files), files)
        yield start if launch % 2 == 0 else start[::-1]


class _Launch:
    """Fresh processes of all files, with one number of threads, for every batch size."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        settings: BenchSettings,
        threads: int,
        cpus: tuple[int, ...] | None,
        *,
        first: bool,
    ) -> None:
        self._subjects = subjects
        self._settings = settings
        self._threads = threads
        self._cpus = cpus
        self._first = first
        """Of the whole bench: what cannot be opened is refused."""
        self._headline = threads == settings.threads[0]

    def run(
        self,
        images: Mapping[int, np.ndarray[Any, Any]],
        meter: NoiseMeter,
        order: random.Random,
        task: Task,
    ) -> None:
        with ExitStack() as stack:
            opened = [self._open(subject, stack) for subject in self._subjects]
            workers = [one for one in opened if one is not None]
            for batch_size in self._settings.batch_sizes:
                pair = (self._threads, batch_size)
                for subject, worker in self._alive(workers):
                    self._prepare(subject, worker, pair, images[batch_size])
                alive = self._alive(workers)
                with meter.watching([worker.pid for _, worker in alive if worker.pid]):
                    self._rounds(alive, pair, meter, order, task)
                if self._headline and batch_size == self._settings.batch_sizes[0]:
                    for subject, worker in self._alive(workers):
                        self._memory(subject, worker)

    def _open(self, subject: Subject, stack: ExitStack) -> tuple[Subject, WorkerProcess] | None:
        """A process with the file loaded; None where it died of that."""
        settings = self._settings
        try:
            worker = stack.enter_context(
                WorkerProcess(
                    subject.path,
                    device=subject.device,
                    threads=self._threads,
                    options=subject.options,
                    # What drives a GPU has threads of its own.
                    cpus=self._cpus if subject.device == "cpu" else None,
                )
            )
            opened = worker.open(subject.artifact.card.input)
            if self._first:
                for size in settings.batch_sizes:
                    _check_batch_size(subject.path, size, opened.batches)
        except (NncError, ChildError) as error:
            if self._first and isinstance(error, (InputError, MissingError)):
                raise
            subject.fail(error)
            return None
        subject.runtime = opened.runtime
        if self._headline:
            subject.load_ms.append(opened.nanoseconds / 1e6)
        return subject, worker

    def _prepare(
        self, subject: Subject, worker: WorkerProcess, pair: Pair, images: np.ndarray[Any, Any]
    ) -> None:
        settings = self._settings
        try:
            prepared = worker.prepare(images, _WARM_UP_SECONDS)
        except (NncError, ChildError) as error:
            subject.fail(error)
            return
        if pair == settings.pairs[0]:
            subject.first_ms.append(prepared.first_nanoseconds / 1e6)
        # The same in every launch, so that each weighs the same in the percentiles.
        seconds = settings.seconds / (settings.launch_count * settings.rounds_per_launch)
        subject.runs.setdefault(pair, runs_per_round(prepared.nanoseconds, seconds))
        subject.rounds.setdefault(pair, [])

    def _rounds(
        self,
        workers: Sequence[tuple[Subject, WorkerProcess]],
        pair: Pair,
        meter: NoiseMeter,
        order: random.Random,
        task: Task,
    ) -> None:
        """Every file once a round, in shuffled order; one works at a time."""
        timed: dict[int, list[TimedRound]] = {index: [] for index in range(len(workers))}
        for _ in range(self._settings.rounds_per_launch):
            for index in order.sample(range(len(workers)), len(workers)):
                subject, worker = workers[index]
                if subject.error is not None:
                    continue
                try:
                    timed[index].append(worker.time_round(subject.runs[pair]))
                except (NncError, ChildError) as error:
                    subject.fail(error)
                    continue
                meter.add_round(timed[index][-1], self._threads)
                task.advance(note=subject.path.name)
        for index, (subject, _) in enumerate(workers):
            if subject.error is None:
                subject.rounds[pair].append(timed[index])

    def _memory(self, subject: Subject, worker: WorkerProcess) -> None:
        try:
            peak = worker.peak_memory_bytes()
            subject.notes = worker.notes()
        except (NncError, ChildError) as error:
            subject.fail(error)
            return
        if peak is not None:
            subject.peak_memory = max(peak, subject.peak_memory or 0)

    @staticmethod
    def _alive(
        workers: Sequence[tuple[Subject, WorkerProcess]],
    ) -> list[tuple[Subject, WorkerProcess]]:
        return [one for one in workers if one[0].error is None]


def _check_batch_size(path: Path, size: int, limits: tuple[int, int] | None) -> None:
    if limits is None or limits[0] <= size <= limits[1]:
        return
    least, greatest = limits
    if least == greatest:
        raise InputError(f"{path} takes batches of {least} alone; run with --batch-size {least}")
    raise InputError(
        f"{path} takes batches of {least} to {greatest}; found --batch-size {size}; "
        "choose one of these, or build it anew with --batch"
    )
