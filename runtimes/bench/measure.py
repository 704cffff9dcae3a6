"""The bench: files measured against the first of them, in one run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from ... import __version__
from ...progress import SILENT, Progress
from ..accuracy.accuracy import Accuracy, TestPart
from ..artifact import NO_OVERRIDES, CardOverrides
from ..cpu import int8_target
from ..environment import describe_environment, instruction_sets
from ..file_facts import size_facts
from ..gpu.latency import UNSTEADY
from ..verdicts.row_names import row_names
from ..workers.pinning import choose_cpus
from ..workers.system_load import busy_shares, snapshot
from .answering import answer, timed_images
from .figures import Latency, Spread, latencies
from .fit import read_comparable
from .launches import time_files
from .noise import NoiseMeter
from .result import BenchResult, FileResult
from .roof import measure_roof
from .room import warn_of_crowding
from .rows import bench_rows
from .settings import BenchSettings
from .subject import Subject

__all__ = ["bench"]

log = logging.getLogger(__name__)


def bench(
    files: Sequence[Path],
    settings: BenchSettings,
    test: TestPart | None,
    *,
    overrides: CardOverrides = NO_OVERRIDES,
    defaults: CardOverrides = NO_OVERRIDES,
    progress: Progress = SILENT,
    command: Sequence[str] | None = None,
) -> BenchResult:
    """Measure ``files`` (.safetensors, .onnx, .engine) against the first of them.

    Each file has a process of its own, several times over (`launches`), threads fixed and bound to
    cores; only one works at a time: in each round every file is timed once, in a shuffled order.
    Accuracy is that of all ``test`` images (or ``settings.images``) through the same runtimes; peak
    memory is that of timing. Without ``test`` the timed images are noise. ``overrides`` and
    ``defaults`` are those of `read_artifact`; ``command`` stands in the result.

    A file whose runtime dies has an ``error`` in place of figures. Raises InputError for bad files
    and for files that cannot be compared, MissingError where this machine lacks a package or
    device. No process survives, however this ends.
    """
    before = snapshot()
    artifacts = read_comparable(files, overrides, defaults, trust=settings.trust)
    warn_of_crowding(settings)
    images = timed_images(artifacts, settings, test)
    rows = bench_rows(
        artifacts, settings.devices, settings.options, torch_compile=settings.torch_compile
    )
    subjects = [Subject(row.artifact, row.device, row.options) for row in rows]
    cpus = choose_cpus(settings.threads, busy_shares(before, snapshot()))
    meter = NoiseMeter(cpus[settings.threads[0]], max(settings.threads))
    time_files(subjects, settings, images, meter, cpus, progress)
    figures = latencies(subjects, settings)
    roof = measure_roof(subjects, figures, settings, cpus, progress)
    answers = answer(subjects, settings, test, progress)
    titles = _titles(subjects, settings)
    return BenchResult(
        settings=settings,
        cpus=cpus[settings.threads[0]] if any(one.device == "cpu" for one in subjects) else None,
        environment=describe_environment(),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        version=__version__,
        command=None if command is None else tuple(command),
        data=answers.data,
        peaks=roof.peaks,
        noise=meter.result(tuple(_too_wide(titles, figures))),
        files=tuple(
            FileResult(
                artifact=subject.artifact,
                runtime=subject.runtime or subject.artifact.runtime,
                device=subject.device,
                provider=_provider(subject, settings),
                error=subject.error,
                warnings=(*_warnings(subject, subjects, titles, own, accuracy), *odd),
                load_ms=Spread.of(subject.load_ms),
                first_inference_ms=Spread.of(subject.first_ms),
                peak_memory_bytes=subject.peak_memory,
                size=size_facts(subject.artifact),
                accuracy=accuracy,
                agreement=agreement,
                latencies=own,
                profile=profile,
            )
            for subject, own, accuracy, agreement, profile, odd in zip(
                subjects,
                figures,
                answers.accuracies,
                answers.agreements,
                roof.profiles,
                roof.warnings,
                strict=True,
            )
        ),
    )


def _titles(subjects: Sequence[Subject], settings: BenchSettings) -> list[str]:
    """What each row is called, told apart where one name has several."""
    return row_names(
        [
            {
                "file": str(subject.path),
                "name": subject.path.name,
                "runtime": subject.runtime or subject.artifact.runtime,
                "device": subject.device,
                "provider": _provider(subject, settings),
            }
            for subject in subjects
        ]
    )


def _provider(subject: Subject, settings: BenchSettings) -> str | None:
    if subject.artifact.kind != "onnx" or subject.device == "cpu":
        return None
    return settings.provider or "cuda"


def _warnings(
    subject: Subject,
    subjects: Sequence[Subject],
    titles: Sequence[str],
    latencies: Sequence[Latency],
    accuracy: Accuracy | None,
) -> Iterator[str]:
    """What a reader of the figures should know."""
    for title, other in zip(titles, subjects, strict=True):
        if other is subject:
            break
        same = other.artifact.sha256 == subject.artifact.sha256
        if same and other.path != subject.path:
            yield f"holds the same bytes as {title}"
            break
    yield from subject.notes
    yield from _as_quantised(subject)
    if accuracy is not None:
        yield from accuracy.warnings
    for one in latencies:
        if one.gpu is not None and not one.gpu.steady:
            yield (
                f"its GPU times vary by {one.gpu.variation:.1%} (over {UNSTEADY:.1%}): something "
                "else runs on the GPU, or its clock changes; measure again with clocks locked"
            )
            break


def _as_quantised(subject: Subject) -> Iterator[str]:
    """A line where int8 in the file's name says something else of it than int8 kernels, here."""
    stages = [one.settings for one in subject.artifact.card.history if one.name == "quantise"]
    if not stages or stages[-1].get("backend") != "ort" or subject.device != "cpu":
        return
    made_for, here = stages[-1].get("target"), int8_target(instruction_sets())
    if stages[-1].get("weights_only"):
        yield "stores its weights as int8 and computes in float"
    elif made_for not in (None, here):
        yield (
            f"was made for the int8 kernels of {made_for}, and measured with those of {here}: "
            "there both its accuracy and its latency may differ"
        )


def _too_wide(titles: Sequence[str], figures: Sequence[Sequence[Latency]]) -> Iterator[str]:
    """A line for each headline speed-up that no verdict can be given on."""
    for title, own in zip(titles, figures, strict=True):
        speedup = own[0].speedup if own else None
        if speedup is not None and speedup.verdict == "too noisy":
            yield (
                f"{title}: its speed-up lies between {speedup.low:.2f} and "
                f"{speedup.high:.2f}, too wide for a verdict; measure with more --seconds"
            )
