"""A worker as the bench sees it: one file, opened, timed and asked in a process of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .base import DEFAULT_OPTIONS, RuntimeOptions
from .child_process import ChildProcess

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ..model_card import InputSpec
    from .answers import Answers

__all__ = ["WorkerProcess"]


class WorkerProcess(ChildProcess):
    """A fresh Python process for one file; a context manager that always ends the process."""

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        threads: int,
        options: RuntimeOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__("runtimes.worker", path, threads=threads)
        self._device = device
        self._options = options

    def open(self, spec: InputSpec) -> tuple[str, tuple[int, int] | None]:
        """Load the file; the runtime's name, the least and greatest batch if it is bound to any."""
        header, _ = self.ask(
            "open",
            path=str(self.path),
            device=self._device,
            threads=self._threads,
            spec=asdict(spec),
            options=asdict(self._options),
        )
        least, greatest = header["batches"]
        return str(header["runtime"]), None if least is None else (least, greatest)

    def prepare(self, images: np.ndarray[Any, Any], seconds: float) -> float:
        """Warm up with uint8 [B, H, W, C] for ``seconds`` at most; nanoseconds of one inference."""
        header, _ = self._ask_with("prepare", images, seconds=seconds)
        return float(header["nanoseconds"])

    def time(self, runs: int) -> np.ndarray[Any, Any]:
        """Time ``runs`` inferences of the prepared batch: int64 nanoseconds [runs]."""
        times: np.ndarray[Any, Any] = self.time_apart(runs)[0]
        return times

    def time_apart(self, runs: int) -> np.ndarray[Any, Any]:
        """As `time`, int64 nanoseconds [1, runs]; on a GPU [4, runs], with where the time went.

        The rows are those of `nnc.runtimes.latency.time_runs_apart`.
        """
        import numpy as np

        header, payload = self.ask("time", runs=runs)
        return np.frombuffer(payload, np.int64).reshape(header["rows"], -1)

    def peak_memory_bytes(self) -> int | None:
        """The most host memory the process has held so far; None where the system cannot tell."""
        size = self.ask("memory")[0]["bytes"]
        return None if size is None else int(size)

    def predict(
        self,
        images: np.ndarray[Any, Any],
        classes: int,
        labels: np.ndarray[Any, Any] | None = None,
    ) -> Answers:
        """The answers for uint8 [N, H, W, C]; with int64 ``labels`` [N] those of the top 5, too."""
        import numpy as np

        from .answers import Answers

        # The labels go after the images: whether one is in the top 5 takes all scores to tell.
        header, found = self.ask(
            "predict",
            images.tobytes() + (b"" if labels is None else labels.astype(np.int64).tobytes()),
            shape=list(images.shape),
            classes=classes,
            labelled=labels is not None,
        )
        size = 8 * header["images"]
        top = np.frombuffer(found[size:], bool) if len(found) > size else None
        return Answers(np.frombuffer(found[:size], np.int64), top)

    def _ask_with(
        self, command: str, images: np.ndarray[Any, Any], **settings: Any
    ) -> tuple[dict[str, Any], bytes]:
        return self.ask(command, images.tobytes(), shape=list(images.shape), **settings)
