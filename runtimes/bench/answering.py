"""The labelled images: what the files are timed with, and what each answers for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError, NncError
from ...progress import Progress
from ..accuracy.accuracy import Accuracy
from ..accuracy.agreement import Agreement, agree
from ..accuracy.answers import Answers
from ..accuracy.labelled_images import TestPart, check_batch
from ..accuracy.packed import pack
from ..workers.child_process import ChildError
from ..workers.worker_process import WorkerProcess
from .room import check_room

if TYPE_CHECKING:
    import numpy as np

    from ..artifact import Artifact
    from .settings import BenchSettings
    from .subject import Subject

__all__ = ["Data", "Verdicts", "answer", "timed_images"]


@dataclass(frozen=True, eq=False)
class Data:
    """The labelled images that accuracy was measured on."""

    name: str
    classes: tuple[str, ...]
    labels: np.ndarray[Any, Any]
    """int64 [N], indices into ``classes``."""
    sha256: str
    """Of the pixels and labels, in their order."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "images": len(self.labels),
            "classes": list(self.classes),
            "sha256": self.sha256,
            "labels": pack(self.labels),
        }


@dataclass(frozen=True)
class Verdicts:
    """What the labelled images say of each file, in the order of the files."""

    data: Data | None
    """None without images."""
    accuracies: tuple[Accuracy | None, ...]
    agreements: tuple[Agreement | None, ...]
    """With the first file; None for itself."""


def timed_images(
    artifacts: Sequence[Artifact], settings: BenchSettings, test: TestPart | None
) -> dict[int, np.ndarray[Any, Any]]:
    """The images that every file is timed with, uint8 [B, H, W, C] by batch size B.

    The first ones of ``test``, repeated if need be; noise without it. Raises InputError where
    ``test`` does not fit the files, or so many images do not fit into memory.
    """
    import numpy as np

    spec, most = artifacts[0].card.input, max(settings.batch_sizes)
    check_room(settings, spec, len(artifacts))
    if test is None:
        shape = (most, spec.height, spec.width, spec.channels)
        every = np.random.default_rng(settings.seed).integers(0, 256, shape, dtype=np.uint8)
    else:
        parts: list[np.ndarray[Any, Any]] = []
        count = 0
        for images, labels in test.batches(spec):
            for artifact in artifacts:
                check_batch(images, labels, artifact.card, test, artifact.path)
            parts.append(images)
            count += len(images)
            if count >= most:
                break
        if not count:
            raise InputError(f"{test.name} has no test images")
        every = np.concatenate(parts)[np.arange(most) % count]
    return {size: np.ascontiguousarray(every[:size]) for size in settings.batch_sizes}


def answer(
    subjects: Sequence[Subject], settings: BenchSettings, test: TestPart | None, progress: Progress
) -> Verdicts:
    """Have every subject that lives answer for the images of ``test``, in one pass over them.

    The processes are fresh ones, with the headline's threads. A subject whose runtime dies is out,
    the others go on.
    """
    living = [subject for subject in subjects if subject.error is None]
    if test is None or not settings.accuracy or not living:
        return Verdicts(None, (None,) * len(subjects), (None,) * len(subjects))
    import numpy as np

    digest = hashlib.sha256()
    truths: list[np.ndarray[Any, Any]] = []
    seen = 0
    answers: dict[int, list[Answers]] = {id(subject): [] for subject in living}
    limit = test.images if settings.images is None else min(settings.images, test.images)
    with ExitStack() as stack, progress.task("measuring accuracy", limit * len(living)) as task:
        workers = {id(one): _open(one, settings, stack) for one in living if one.error is None}
        for images, labels in _batches(living, test, limit):
            for one in living:
                worker = workers[id(one)]
                if worker is None or one.error is not None:
                    continue
                try:
                    found = worker.predict(
                        images, len(one.artifact.card.labels), labels, first=seen
                    )
                except (NncError, ChildError) as error:
                    one.fail(error)
                    continue
                answers[id(one)].append(found)
                task.advance(len(images), note=one.path.name)
            digest.update(images.tobytes())
            digest.update(labels.astype("<i8").tobytes())
            truths.append(labels)
            seen += len(labels)
    names = subjects[0].artifact.card.labels
    truth = np.concatenate(truths)
    joined = [None if one.error else Answers.joined(answers[id(one)]) for one in subjects]
    first, *others = joined
    return Verdicts(
        Data(test.name, names, truth, digest.hexdigest()),
        tuple(None if own is None else Accuracy.from_answers(own, truth, names) for own in joined),
        (
            None,
            *(
                None if own is None or first is None else agree(first, own, truth, names)
                for own in others
            ),
        ),
    )


def _open(subject: Subject, settings: BenchSettings, stack: ExitStack) -> WorkerProcess | None:
    """A fresh process for the file; None where it dies at once."""
    try:
        worker = stack.enter_context(
            WorkerProcess(
                subject.path,
                device=subject.device,
                threads=settings.threads[0],
                options=subject.options,
            )
        )
        worker.open(subject.artifact.card.input)
    except (NncError, ChildError) as error:
        subject.fail(error)
        return None
    return worker


def _batches(
    living: Sequence[Subject], test: TestPart, limit: int
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """The first ``limit`` images and labels, checked against every file."""
    seen = 0
    for images, labels in test.batches(living[0].artifact.card.input):
        images, labels = images[: limit - seen], labels[: limit - seen]
        for one in living:
            check_batch(images, labels, one.artifact.card, test, one.path)
        yield images, labels
        seen += len(images)
        if seen >= limit:
            return
