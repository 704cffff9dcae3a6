"""A worker as the bench sees it: one file, opened, timed and asked in a process of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .child_process import ChildProcess

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ..model_card import InputSpec

__all__ = ["WorkerProcess"]


class WorkerProcess(ChildProcess):
    """A fresh Python process for one file; a context manager that always ends the process."""

    def __init__(self, path: Path, *, device: str, threads: int) -> None:
        super().__init__("runtimes.worker", path, threads=threads)
        self._device = device

    def open(self, spec: InputSpec) -> tuple[str, int | None]:
        """Load the file; the runtime's name and the batch size it is fixed to, if any."""
        header, _ = self.ask(
            "open",
            path=str(self.path),
            device=self._device,
            threads=self._threads,
            spec=asdict(spec),
        )
        return str(header["runtime"]), header["batch"]

    def prepare(self, images: np.ndarray[Any, Any], seconds: float) -> float:
        """Warm up with uint8 [B, H, W, C] for ``seconds`` at most; nanoseconds of one inference."""
        header, _ = self._ask_with("prepare", images, seconds=seconds)
        return float(header["nanoseconds"])

    def time(self, runs: int) -> np.ndarray[Any, Any]:
        """Time ``runs`` inferences of the prepared batch: int64 nanoseconds [runs]."""
        import numpy as np

        return np.frombuffer(self.ask("time", runs=runs)[1], np.int64)

    def peak_memory_bytes(self) -> int | None:
        """The most host memory the process has held so far; None where the system cannot tell."""
        size = self.ask("memory")[0]["bytes"]
        return None if size is None else int(size)

    def predict(self, images: np.ndarray[Any, Any], classes: int) -> np.ndarray[Any, Any]:
        """The class of each of uint8 [N, H, W, C], as int64 [N]."""
        import numpy as np

        return np.frombuffer(self._ask_with("predict", images, classes=classes)[1], np.int64)

    def _ask_with(
        self, command: str, images: np.ndarray[Any, Any], **settings: Any
    ) -> tuple[dict[str, Any], bytes]:
        return self.ask(command, images.tobytes(), shape=list(images.shape), **settings)
