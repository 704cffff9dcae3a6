"""Inside one of the compression experiment's processes: steps, told over the standard input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtimes.workers.child import Reply, serve
from ..data import open_data
from .compression_settings import CompressionSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..data import DataSet
    from ..pruning.traced import Traced

__all__ = ["main"]


def main() -> None:
    """Serve steps until the experiment says ``close`` or goes away."""
    served = _Served()
    commands: dict[str, Callable[..., Reply]] = {
        "open": served.open,
        "measure": served.measure,
        "step": served.step,
    }
    serve(commands, out_of_memory=lambda: "not enough memory to retrain; try --jobs 1")


class _Served:
    """The settings and the data of this process."""

    def __init__(self) -> None:
        self.settings: CompressionSettings | None = None
        self.data: DataSet | None = None
        self.traced: Traced | None = None

    def open(
        self,
        payload: bytes,
        *,
        data: str,
        data_dir: str | None,
        settings: dict[str, Any],
        threads: int,
    ) -> Reply:
        import torch

        del payload
        torch.set_num_threads(threads)
        for name in ("methods", "sensitivities"):
            settings[name] = tuple(settings[name])
        self.settings = CompressionSettings(**settings)
        self.data = open_data(data, None if data_dir is None else Path(data_dir))
        return {}, b""

    def measure(self, payload: bytes, *, checkpoint: str) -> Reply:
        from ... import models
        from ..training.batches import Batches
        from ..training.devices import pick_device
        from ..training.loop import accuracy

        del payload
        settings, data = self._opened()
        device = pick_device(settings.device)
        network, card = models.load(Path(checkpoint))
        _, validation = data.split(limit=settings.train_images)
        found = accuracy(network.to(device), Batches(validation, card.input, device))
        return {"validation_accuracy": found, "validation_images": len(validation)}, b""

    def step(
        self, payload: bytes, *, method: str, sensitivity: float, start: str, output: str
    ) -> Reply:
        from ... import models
        from ..pruning.prune import prune
        from ..pruning.traced import Traced

        del payload
        settings, data = self._opened()
        told = settings.pruning(method, sensitivity)
        if self.traced is None:
            # Every step's network has the structure of the reference.
            network, card = models.load(Path(start))
            self.traced = Traced.of(network, card.input)
        result = prune(told, Path(start), data, Path(output), traced=self.traced, overwrite=True)
        return {
            "sensitivity": sensitivity,
            "validation_accuracy": result.validation_accuracy,
            "parameters": result.compact_parameters,
            "nonzero_parameters": result.nonzero_parameters,
            "macs": result.compact_macs,
        }, b""

    def _opened(self) -> tuple[CompressionSettings, DataSet]:
        if self.settings is None or self.data is None:
            raise RuntimeError("no settings yet")
        return self.settings, self.data
