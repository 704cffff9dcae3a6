"""Inside one of a scan's processes: trials, told over the standard input."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtimes.workers.child import Reply, serve
from .points import Point
from .settings import ScanSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from .trials import Trials

__all__ = ["main"]


def main() -> None:
    """Serve points until the scan says ``close`` or goes away."""
    served = _Served()
    commands: dict[str, Callable[..., Reply]] = {"open": served.open, "measure": served.measure}
    serve(
        commands,
        out_of_memory=lambda: "not enough memory to scan; try fewer --jobs or --images",
    )


class _Served:
    """The one network of this process."""

    def __init__(self) -> None:
        self.trials: Trials | None = None

    def open(
        self,
        payload: bytes,
        *,
        checkpoint: str,
        data: str,
        data_dir: str | None,
        settings: dict[str, Any],
    ) -> Reply:
        import torch

        from .trials import Trials

        del payload
        torch.set_num_threads(1)
        told = ScanSettings(**{**settings, "sensitivities": tuple(settings["sensitivities"])})
        folder = None if data_dir is None else Path(data_dir)
        self.trials = Trials(told, Path(checkpoint), data, folder)
        return {"parts": self.trials.parts}, b""

    def measure(
        self,
        payload: bytes,
        *,
        point: dict[str, Any],
        fractions: float | dict[str, float],
        work: str,
    ) -> Reply:
        del payload
        if self.trials is None:
            raise RuntimeError("no checkpoint is open")
        return asdict(self.trials.measure(Point(**point), fractions, Path(work))), b""
