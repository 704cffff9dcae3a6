"""A worker as the bench sees it: one file, opened, timed and asked in a process of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..base import DEFAULT_OPTIONS, RuntimeOptions
from .child_process import ChildProcess
from .latency import TimedRound
from .process_usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ...model_card import InputSpec
    from ..accuracy.answers import Answers

__all__ = ["Opened", "Prepared", "WorkerProcess"]


@dataclass(frozen=True)
class Opened:
    """A file that was loaded."""

    runtime: str
    """The engine's name."""
    batches: tuple[int, int] | None
    """The least and the greatest batch, if it is bound to any."""
    nanoseconds: float
    """To load the file, its engine already imported."""


@dataclass(frozen=True)
class Prepared:
    """A file that is warm: nanoseconds of an inference."""

    nanoseconds: float
    """When warm."""
    first_nanoseconds: float
    """Of the very first one of this batch size."""


class WorkerProcess(ChildProcess):
    """A fresh Python process for one file; a context manager that always ends the process."""

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        threads: int,
        options: RuntimeOptions = DEFAULT_OPTIONS,
        cpus: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__("runtimes.workers.worker", path, threads=threads)
        self._device = device
        self._options = options
        self._cpus = cpus

    def open(self, spec: InputSpec) -> Opened:
        """Load the file, the process bound to ``cpus`` if they were given."""
        header, _ = self.ask(
            "open",
            path=str(self.path),
            device=self._device,
            threads=self._threads,
            spec=asdict(spec),
            options=asdict(self._options),
            cpus=self._cpus,
        )
        least, greatest = header["batches"]
        return Opened(
            str(header["runtime"]),
            None if least is None else (least, greatest),
            float(header["nanoseconds"]),
        )

    def prepare(self, images: np.ndarray[Any, Any], seconds: float) -> Prepared:
        """Run uint8 [B, H, W, C] once, then warm up with it for ``seconds`` at most.

        Raises InputError where the first output has NaN.
        """
        header, _ = self._ask_with("prepare", images, seconds=seconds)
        return Prepared(float(header["nanoseconds"]), float(header["first"]))

    def time(self, runs: int) -> np.ndarray[Any, Any]:
        """Time ``runs`` inferences of the prepared batch: int64 nanoseconds [runs]."""
        times: np.ndarray[Any, Any] = self.time_round(runs).times[0]
        return times

    def time_round(self, runs: int) -> TimedRound:
        """As `time`, with what it used, and on a GPU with where the time went."""
        import numpy as np

        header, payload = self.ask("time", runs=runs)
        times = np.frombuffer(payload, np.int64).reshape(header["rows"], -1)
        return TimedRound(times, header["wall"], Usage(**header["used"]))

    def peak_memory_bytes(self) -> int | None:
        """The most host memory the process has held so far; None where the system cannot tell."""
        size = self.ask("memory")[0]["bytes"]
        return None if size is None else int(size)

    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know of how the file was run."""
        return tuple(map(str, self.ask("notes")[0]["notes"]))

    def predict(
        self,
        images: np.ndarray[Any, Any],
        classes: int,
        labels: np.ndarray[Any, Any] | None = None,
        *,
        first: int = 0,
    ) -> Answers:
        """The answers for uint8 [N, H, W, C]; with int64 ``labels`` [N] those of the top 5, too.

        ``first`` is the place of the first image among all, for what is said of odd ones.
        """
        import numpy as np

        from ..accuracy.answers import Answers

        # The labels go after the images: whether one is in the top 5 takes all scores to tell.
        header, found = self.ask(
            "predict",
            images.tobytes() + (b"" if labels is None else labels.astype(np.int64).tobytes()),
            shape=list(images.shape),
            classes=classes,
            labelled=labels is not None,
            first=first,
        )
        size = 8 * header["images"]
        top = np.frombuffer(found[size:], bool) if len(found) > size else None
        return Answers(np.frombuffer(found[:size], np.int64), top)

    def _ask_with(
        self, command: str, images: np.ndarray[Any, Any], **settings: Any
    ) -> tuple[dict[str, Any], bytes]:
        return self.ask(command, images.tobytes(), shape=list(images.shape), **settings)
