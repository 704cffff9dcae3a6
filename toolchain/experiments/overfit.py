"""The overfitting study: Table III with the control it lacks, the same epochs without pruning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...progress import SILENT, Progress
from ...whole_files import check_output, write_text
from ..data import DataSet
from ..report.figure import check_drawing, write_figure
from .overfit_settings import OverfitSettings
from .overfit_study import Network, Study, summarise
from .pieces import Piece, Pieces

if TYPE_CHECKING:
    from ..pruning.settings import PruneSettings
    from ..training.settings import TrainSettings

__all__ = ["OverfitResult", "overfit"]


@dataclass(frozen=True)
class OverfitResult:
    """The three files that a study leaves beside its networks, and what stands in them."""

    report: Path
    table: Path
    figure: Path
    study: Study

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **self.study.to_json(),
            "report": str(self.report),
            "table": str(self.table),
            "figure": str(self.figure),
        }


def overfit(
    settings: OverfitSettings,
    data: DataSet,
    folder: Path,
    *,
    progress: Progress = SILENT,
    tell: Callable[[str], None] = lambda _line: None,
    overwrite: bool = False,
    command: str = "",
) -> OverfitResult:
    """Run the study in ``folder`` and write ``overfit.json``, ``overfit.md`` and ``overfit.png``.

    Every network is a file below ``folder``, made once: the same call goes on where the last one
    stopped, and more seeds or sensitivities add to what is there. ``tell`` hears a line as each
    network is finished. Test images are measured on, never chosen by. Raises InputError for
    settings that do not fit the data, or a folder with a study of others (unless ``overwrite``),
    MissingError where matplotlib is lacking.
    """
    check_drawing()
    report, table, figure = (folder / f"overfit.{kind}" for kind in ("json", "md", "png"))
    for path in (report, table, figure):
        check_output(path, overwrite=True)
    workshop = _Workshop(settings, data, folder, progress, tell, overwrite)
    study = summarise(
        settings,
        [network for seed in settings.seed_values for network in workshop.seed(seed)],
        data=data.name,
        train_images=workshop.train_images,
        test_images=len(data.test),
        command=command,
    )
    from ..report.overfit_figure import overfit_figure
    from ..report.overfit_table import overfit_page

    told = study.to_json()
    write_figure(figure, overfit_figure(told), overwrite=True)
    write_text(table, overfit_page(told))
    write_text(report, json.dumps(told, indent=2, allow_nan=False) + "\n")
    return OverfitResult(report, table, figure, study)


class _Workshop:
    """Makes and measures the networks of one study."""

    def __init__(
        self,
        settings: OverfitSettings,
        data: DataSet,
        folder: Path,
        progress: Progress,
        tell: Callable[[str], None],
        overwrite: bool,
    ) -> None:
        self._settings = settings
        self._data = data
        self._folder = folder
        self._progress = progress
        self._tell = tell
        self._overwrite = overwrite
        self._identity = _identity(data)
        self.train_images = len(data.split(limit=settings.train_images)[0])

    def seed(self, seed: int) -> list[Network]:
        """All networks of one seed: reference, overfitted, control, pruned."""
        pieces = Pieces(self._folder / f"seed-{seed}", overwrite=self._overwrite)
        settings = self._settings
        made = [self._trained(pieces, seed, "reference", settings.reference(seed))]
        parent = self._trained(pieces, seed, "overfitted", settings.overfitted(seed))
        made.append(parent)
        for sensitivity in (0.0, *settings.sensitivities):
            pruning = settings.pruned(seed, sensitivity)
            made.append(self._pruned(pieces, seed, parent[1], pruning))
        return [network for network, _ in made]

    def _trained(
        self, pieces: Pieces, seed: int, kind: str, settings: TrainSettings
    ) -> tuple[Network, Piece]:
        def make(path: Path) -> Mapping[str, Any]:
            from ..training.train import train

            result = train(settings, self._data, path, progress=self._progress, overwrite=True)
            return {
                "validation_accuracy": result.validation_accuracy,
                "train_accuracy": result.train_accuracy,
                "parameters": result.parameters,
                "nonzero_parameters": _nonzero(path),
                "epochs": len(result.epochs),
            }

        return self._piece(pieces, seed, kind, None, self._told(settings.to_json()), make)

    def _pruned(
        self, pieces: Pieces, seed: int, parent: Piece, settings: PruneSettings
    ) -> tuple[Network, Piece]:
        def make(path: Path) -> Mapping[str, Any]:
            from ..pruning.prune import prune

            result = prune(
                settings, parent.checkpoint, self._data, path,
                progress=self._progress, overwrite=True,
            )  # fmt: skip
            return {
                "validation_accuracy": result.validation_accuracy,
                "train_accuracy": self._accuracy(path, "training images"),
                "parameters": result.parameters,
                "nonzero_parameters": result.nonzero_parameters,
                "compact_parameters": result.compact_parameters,
                "epochs": sum(one.epochs for one in result.rounds),
            }

        kind = "pruned" if settings.sensitivity else "control"
        told = self._told({**settings.to_json(), "parent": parent.weights})
        return self._piece(pieces, seed, kind, settings.sensitivity or None, told, make)

    def _piece(
        self,
        pieces: Pieces,
        seed: int,
        kind: str,
        sensitivity: float | None,
        told: Mapping[str, Any],
        make: Callable[[Path], Mapping[str, Any]],
    ) -> tuple[Network, Piece]:
        name = kind if sensitivity is None else f"{kind}-{sensitivity:g}"
        kept = pieces.done(name)
        piece = pieces.get(name, told, make, lambda path: self._accuracy(path, "test images"))
        network = Network(
            kind=kind,
            sensitivity=sensitivity,
            seed=seed,
            test_accuracy=piece.test_accuracy,
            **piece.results,
        )
        self._tell(
            f"seed {seed}  {name:14} validation {network.validation_accuracy:7.2%}  "
            f"test {network.test_accuracy:7.2%}  epochs {network.epochs:3}"
            + ("  (kept)" if kept else "")
        )
        return network, piece

    def _told(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What must be the same for a piece to be used again; where it is computed is free."""
        return {k: v for k, v in settings.items() if k != "device"} | {"images": self._identity}

    def _accuracy(self, checkpoint: Path, part: str) -> float:
        from ... import models
        from ..training.batches import Batches
        from ..training.devices import memory_format, pick_device
        from ..training.loop import accuracy

        device = pick_device(self._settings.device)
        network, card = models.load(checkpoint)
        network.to(device).to(memory_format=memory_format(device, card.architecture))
        images = self._data.test
        if part == "training images":
            images = self._data.split(limit=self._settings.train_images)[0]
        with self._progress.task(f"measuring on {part}", 1) as task:
            share = accuracy(network, Batches(images, card.input, device))
            task.advance()
        return share


def _nonzero(checkpoint: Path) -> int:
    """Parameters of a network other than zero: a bias that never had a gradient still is."""
    from ... import models

    network, _ = models.load(checkpoint)
    return sum(int(parameter.count_nonzero()) for parameter in network.parameters())


def _identity(data: DataSet) -> str:
    """Names the images of a data set, training and test."""
    digest = hashlib.sha256()
    for part in (data.training, data.test):
        digest.update(hashlib.sha256(b"".join(sorted(part.identities()))).digest())
    return digest.hexdigest()
