"""The bench: files measured against each other, fairly, in one run."""

from __future__ import annotations

import logging
import random
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..progress import SILENT, Progress
from .accuracy import Accuracy, Answers, TestPart, check_batch
from .artifact import NO_OVERRIDES, Artifact, CardOverrides, read_artifact
from .base import RuntimeOptions, check_place
from .bench_rows import bench_rows
from .environment import describe_environment
from .gpu_latency import UNSTEADY, GpuLatency, summarise_gpu
from .latency import Latency, Speedup, runs_per_round, summarise
from .statistics import LEAST_VALUES
from .worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

__all__ = ["BenchResult", "BenchSettings", "FileResult", "TestPart", "bench"]

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1

_WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class BenchSettings:
    """How to measure; every field is checked when the object is built."""

    device: str = "cpu"
    """``cpu``, ``cuda``, or both with a comma between: rows of the first one first."""
    threads: int = 1
    """Threads of one inference on the CPU."""
    batch_size: int = 1
    """Images in one timed inference."""
    rounds: int = 15
    """How often the files take turns; fewer than 6 give no 95% interval of the speed-up."""
    seconds: float = 3.0
    """Timed seconds a file, over all rounds."""
    seed: int = 0
    accuracy: bool = True
    provider: str | None = None
    """ONNX Runtime's provider on a GPU: cuda, tensorrt or nv-tensorrt-rtx; None is cuda."""
    allow_fallback: bool = False
    """Whether nodes that the provider does not take may run on the CPU."""
    trust: bool = False
    """Whether to load an engine that has no sidecar."""
    torch_compile: bool = False
    """Measure checkpoints compiled by PyTorch, too, beside eager."""
    images: int | None = None
    """Images to measure accuracy on: the first so many that the test part yields; None for all."""

    def __post_init__(self) -> None:
        for device in self.devices:
            check_place(device, self.threads)
        if self.provider is not None and "cuda" not in self.devices:
            raise InputError(f"provider '{self.provider}' runs on a GPU; use --device cuda")
        _ = self.options
        _whole("batch size", self.batch_size, 1, 65_536)
        _whole("rounds", self.rounds, LEAST_VALUES, 10_000, " (fewer give no 95% interval)")
        _whole("seed", self.seed, 0, 2**63 - 1)
        if self.images is not None:
            _whole("images", self.images, 1, 2**31)
        number = isinstance(self.seconds, (int, float)) and not isinstance(self.seconds, bool)
        # False for NaN as well, and safe for whole numbers that no float can hold.
        if not number or not 0 < self.seconds <= 3600:
            raise InputError(f"seconds {self.seconds}: expected a number above 0, 3600 at most")

    @property
    def devices(self) -> tuple[str, ...]:
        """What to compute on, the first one first."""
        return tuple(self.device.split(","))

    @property
    def options(self) -> RuntimeOptions:
        """What the runtimes are told; InputError where that is not to be."""
        return RuntimeOptions(self.provider, self.allow_fallback, self.trust)


@dataclass(frozen=True)
class FileResult:
    """What was measured of one file."""

    artifact: Artifact
    runtime: str
    device: str
    accuracy: Accuracy | None
    latency: Latency
    speedup: Speedup
    peak_memory_bytes: int | None
    gpu: GpuLatency | None
    """Where the time went on a GPU; None on the CPU and where it cannot be told."""


@dataclass(frozen=True)
class BenchResult:
    """What was measured of all files, in their order; the first is the baseline."""

    settings: BenchSettings
    environment: dict[str, Any]
    data: str | None
    """Name of the data set that accuracy was measured on."""
    files: tuple[FileResult, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that ``nnc bench --json`` prints; ``accuracy`` is null without test images."""
        baseline = str(self.files[0].artifact.path)
        return {
            "schema_version": SCHEMA_VERSION,
            "environment": self.environment,
            "data": self.data,
            "rounds": self.settings.rounds,
            "results": [self._entry(file, baseline) for file in self.files],
        }

    def _entry(self, file: FileResult, baseline: str) -> dict[str, Any]:
        artifact = file.artifact
        return {
            "file": str(artifact.path),
            "runtime": file.runtime,
            "device": file.device,
            "provider": self._provider(file),
            "threads": self.settings.threads,
            "batch_size": self.settings.batch_size,
            "accuracy": None if file.accuracy is None else _top1(file.accuracy),
            "size_bytes": artifact.size_bytes,
            "parameters": artifact.parameters,
            "nonzero_parameters": artifact.nonzero_parameters,
            "macs": artifact.macs,
            "latency_ms": file.latency.to_json(),
            "gpu_ms": None if file.gpu is None else file.gpu.to_json(),
            "peak_memory_bytes": file.peak_memory_bytes,
            "speedup": file.speedup.to_json(baseline),
        }

    def _provider(self, file: FileResult) -> str | None:
        """Of an ONNX file on a GPU."""
        if file.runtime != "onnxruntime" or file.device == "cpu":
            return None
        return self.settings.provider or "cuda"


def bench(
    files: Sequence[Path],
    settings: BenchSettings,
    test: TestPart | None,
    *,
    overrides: CardOverrides = NO_OVERRIDES,
    defaults: CardOverrides = NO_OVERRIDES,
    progress: Progress = SILENT,
) -> BenchResult:
    """Measure ``files`` (.safetensors, .onnx) against the first of them.

    Each file has a fresh process for the whole run, with fixed threads, and only one of them works
    at a time: in each round every file is timed once, in a shuffled order. Accuracy is that of all
    ``test`` images (or ``settings.images``) through the same processes; peak memory is read
    before that. Without ``test`` the timed images are noise. ``overrides`` and ``defaults`` are
    those of `read_artifact`.

    Raises InputError for bad files, NncError where a process dies, MissingError where this machine
    lacks a package or device. No process survives, however this ends.
    """
    options = settings.options
    rows = bench_rows(
        _artifacts(files, overrides, defaults, options),
        settings.devices,
        options,
        torch_compile=settings.torch_compile,
    )
    artifacts = [row.artifact for row in rows]
    feeds = [_timed_batch(artifact, settings, test) for artifact in artifacts]
    with ExitStack() as stack:
        workers, names, costs = [], [], []
        with progress.task("warming up", len(artifacts)) as task:
            for row, images in zip(rows, feeds, strict=True):
                artifact = row.artifact
                worker = stack.enter_context(
                    WorkerProcess(
                        artifact.path,
                        device=row.device,
                        threads=settings.threads,
                        options=row.options,
                    )
                )
                name, limits = worker.open(artifact.card.input)
                _check_batch_size(artifact.path, settings.batch_size, limits)
                costs.append(worker.prepare(images, _WARM_UP_SECONDS))
                workers.append(worker)
                names.append(name)
                task.advance(note=artifact.path.name)
        samples = _rounds(workers, costs, settings, progress)
        memory = [worker.peak_memory_bytes() for worker in workers]
        accuracies = _accuracies(workers, artifacts, settings, test, progress)
    figures = summarise([[parts[0] for parts in file] for file in samples])
    gpus = [summarise_gpu(file) for file in samples]
    for artifact, gpu in zip(artifacts, gpus, strict=True):
        if gpu is not None and not gpu.steady:
            log.warning(
                "%s: its GPU times vary by %.1f%% (over %.1f%%): something else runs on the GPU, "
                "or its clock changes; measure again with clocks locked",
                *(artifact.path, 100 * gpu.variation, 100 * UNSTEADY),
            )
    measured = zip(rows, names, accuracies, figures, memory, gpus, strict=True)
    return BenchResult(
        settings=settings,
        environment=describe_environment(),
        data=test.name if test is not None and settings.accuracy else None,
        files=tuple(
            FileResult(row.artifact, name, row.device, accuracy, latency, speedup, peak, gpu)
            for row, name, accuracy, (latency, speedup), peak, gpu in measured
        ),
    )


def _artifacts(
    files: Sequence[Path],
    overrides: CardOverrides,
    defaults: CardOverrides,
    options: RuntimeOptions,
) -> list[Artifact]:
    if not files:
        raise InputError(
            "no files to measure; name at least one .onnx, .safetensors or .engine file"
        )
    artifacts: dict[Path, Artifact] = {}
    for path in files:
        if (resolved := path.resolve()) in artifacts:
            raise InputError(f"{path} is named twice; name each file once")
        artifacts[resolved] = read_artifact(path, overrides, defaults=defaults, trust=options.trust)
    return list(artifacts.values())


def _timed_batch(
    artifact: Artifact, settings: BenchSettings, test: TestPart | None
) -> np.ndarray[Any, Any]:
    """The images that a file is timed with: uint8 [batch_size, H, W, C], repeated if need be."""
    import numpy as np

    spec = artifact.card.input
    if test is None:
        shape = (settings.batch_size, spec.height, spec.width, spec.channels)
        return np.random.default_rng(settings.seed).integers(0, 256, shape, dtype=np.uint8)
    parts: list[np.ndarray[Any, Any]] = []
    count = 0
    for images, labels in test.batches(spec):
        check_batch(images, labels, artifact.card, test, artifact.path)
        parts.append(images)
        count += len(images)
        if count >= settings.batch_size:
            break
    if not count:
        raise InputError(f"{test.name} has no test images")
    every = np.concatenate(parts)
    return np.ascontiguousarray(every[np.arange(settings.batch_size) % count])


def _rounds(
    workers: Sequence[WorkerProcess],
    costs: Sequence[float],
    settings: BenchSettings,
    progress: Progress,
) -> list[list[np.ndarray[Any, Any]]]:
    """Samples by file and round, int64 nanoseconds [1, runs] or [4, runs] (`time_apart`)."""
    seconds = settings.seconds / settings.rounds
    runs = [runs_per_round(cost, seconds) for cost in costs]
    samples: list[list[np.ndarray[Any, Any]]] = [[] for _ in workers]
    order = list(range(len(workers)))
    shuffler = random.Random(settings.seed)  # noqa: S311 - an order of measuring, no secret
    with progress.task("timing", settings.rounds * len(workers)) as task:
        for _ in range(settings.rounds):
            shuffler.shuffle(order)
            for index in order:
                samples[index].append(workers[index].time_apart(runs[index]))
                task.advance(note=workers[index].path.name)
    return samples


def _accuracies(
    workers: Sequence[WorkerProcess],
    artifacts: Sequence[Artifact],
    settings: BenchSettings,
    test: TestPart | None,
    progress: Progress,
) -> list[Accuracy | None]:
    if test is None or not settings.accuracy:
        return [None] * len(workers)
    import numpy as np

    limit = test.images if settings.images is None else min(settings.images, test.images)
    found: list[Accuracy | None] = []
    with progress.task("measuring accuracy", limit * len(workers)) as task:
        for worker, artifact in zip(workers, artifacts, strict=True):
            correct = seen = 0
            answers: list[Answers] = []
            truths: list[np.ndarray[Any, Any]] = []
            for images, labels in test.batches(artifact.card.input):
                images, labels = images[: limit - seen], labels[: limit - seen]
                check_batch(images, labels, artifact.card, test, artifact.path)
                answers.append(worker.predict(images, len(artifact.card.labels), labels))
                truths.append(labels)
                correct += int((answers[-1].classes == labels).sum())
                seen += len(images)
                task.advance(len(images), note=f"{artifact.path.name} {correct / seen:.2%}")
                if seen >= limit:
                    break
            found.append(
                Accuracy.from_answers(
                    Answers.joined(answers), np.concatenate(truths), artifact.card.labels
                )
            )
            log.info("%s: %d of %d images right", artifact.path, correct, seen)
    return found


def _top1(accuracy: Accuracy) -> dict[str, Any]:
    low, high = accuracy.interval
    return {"top1": accuracy.top1, "images": accuracy.images, "low": low, "high": high}


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


def _whole(name: str, value: int, low: int, high: int, why: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} {value}: expected a whole number from {low} to {high}{why}")
