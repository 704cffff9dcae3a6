"""How far each file is from what the machine allows: peaks measured once, layers under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

Cpus = Mapping[int, "tuple[int, ...] | None"]


@dataclass(frozen=True)
class Roof:
    """The machine's peaks, and each file under them, in the order of the files."""

    peaks: tuple[Peak, ...] | None
    """One for each number of threads; None where they were not measured."""
    profiles: tuple[Profile | None, ...]
    """Of the headline; None for what is no ONNX file on the CPU."""
    warnings: tuple[tuple[str, ...], ...]
    """Lines on what could not be measured, in the order of the files."""


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
    nothing = Roof(None, (None,) * len(subjects), ((),) * len(subjects))
    if not settings.roofline or not any(fitting):
        return nothing
    with progress.task("measuring the machine's peaks", len(settings.threads)) as task:
        try:
            peaks = measure_peaks(settings.threads, cpus=cpus)
        except (NncError, ChildError) as error:
            line = f"no roofline: the machine's peaks were not measured: {_line(error)}"
            return replace(nothing, warnings=tuple((line,) if fits else () for fits in fitting))
        task.advance(len(settings.threads))
    with progress.task("layers", sum(fitting)) as task:
        profiles: list[Profile | None] = []
        warnings: list[tuple[str, ...]] = []
        for subject, own, fits in zip(subjects, figures, fitting, strict=True):
            told: list[str] = []
            profiles.append(
                _profile(subject, own[0], peaks[0], settings, cpus, told) if fits else None
            )
            warnings.append(tuple(told))
            task.advance(int(fits), note=subject.path.name)
    return Roof(peaks, tuple(profiles), tuple(warnings))


def _profile(
    subject: Subject,
    latency: Latency,
    peak: Peak,
    settings: BenchSettings,
    cpus: Cpus,
    warnings: list[str],
) -> Profile | None:
    """One file under the roof; what fails is a line in ``warnings``."""
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
            warnings.append(f"its layers are not timed: {_line(error)}")
    found = profile_of(
        subject.artifact,
        latency.median,
        peak,
        threads=threads,
        batch_size=batch_size,
        layer_times=times,
    )
    if found is None:
        warnings.append("no roofline: its layers cannot be told")
    return found


def _line(error: NncError | ChildError) -> str:
    return error.line if isinstance(error, ChildError) else str(error)
