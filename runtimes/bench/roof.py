"""How far each file is from what the machine allows: peaks measured once, layers under them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import NncError
from ...progress import Progress
from ..roofline import measure_peaks, profile_of, time_layers
from ..workers.child_process import ChildError

if TYPE_CHECKING:
    from ..roofline import Peak, Profile
    from .figures import Latency
    from .settings import BenchSettings
    from .subject import Subject

__all__ = ["Roof", "measure_roof"]

log = logging.getLogger(__name__)

Cpus = Mapping[int, "tuple[int, ...] | None"]


@dataclass(frozen=True)
class Roof:
    """The machine's peaks, and each file under them, in the order of the files."""

    peaks: tuple[Peak, ...] | None
    """One for each number of threads; None where they were not measured."""
    profiles: tuple[Profile | None, ...]
    """Of the headline; None for what is no ONNX file on the CPU."""


def measure_roof(
    subjects: Sequence[Subject],
    figures: Sequence[Sequence[Latency]],
    settings: BenchSettings,
    cpus: Cpus,
    progress: Progress,
) -> Roof:
    """Measure the peaks, and with ``settings.profile`` each layer; failing that ends nothing."""
    fitting = [
        subject.artifact.kind == "onnx" and subject.device == "cpu" and bool(own)
        for subject, own in zip(subjects, figures, strict=True)
    ]
    nothing = Roof(None, (None,) * len(subjects))
    if not settings.roofline or not any(fitting):
        return nothing
    with progress.task("measuring the machine's peaks", len(settings.threads)) as task:
        try:
            peaks = measure_peaks(settings.threads, cpus=cpus)
        except (NncError, ChildError) as error:
            log.warning("no roofline: %s", _line(error))
            return nothing
        task.advance(len(settings.threads))
    with progress.task("layers", sum(fitting)) as task:
        profiles = []
        for subject, own, fits in zip(subjects, figures, fitting, strict=True):
            profiles.append(_profile(subject, own[0], peaks[0], settings, cpus) if fits else None)
            task.advance(int(fits), note=subject.path.name)
    return Roof(peaks, tuple(profiles))


def _profile(
    subject: Subject, latency: Latency, peak: Peak, settings: BenchSettings, cpus: Cpus
) -> Profile | None:
    threads, batch_size = settings.pairs[0]
    times = None
    if settings.profile:
        spec = subject.artifact.card.input
        try:
            times = time_layers(
                subject.path,
                spec,
                threads=threads,
                batch_size=batch_size,
                cpus=cpus[threads],
            )
        except (NncError, ChildError) as error:
            log.warning("%s: its layers are not timed: %s", subject.path, _line(error))
    return profile_of(
        subject.artifact,
        latency.median,
        peak,
        threads=threads,
        batch_size=batch_size,
        layer_times=times,
    )


def _line(error: NncError | ChildError) -> str:
    return error.line if isinstance(error, ChildError) else str(error)
