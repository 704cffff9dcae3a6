"""The network that the compression experiment starts from."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ...models.checkpoint import read_card
from ...progress import Progress
from ..data import DataSet
from ..feeds import check_fits
from ..pipeline.shipped import FOLDER
from .compression_settings import CompressionSettings

__all__ = ["find_reference"]


def find_reference(
    settings: CompressionSettings,
    checkpoint: Path | None,
    data: DataSet,
    output: Path,
    progress: Progress,
) -> Path:
    """``checkpoint``, else the shipped one for the architecture and data, else one trained here.

    That one lies in ``output``. Raises InputError where it is of another architecture or the data
    does not fit it.
    """
    shipped = FOLDER / f"{settings.arch}-{data.name}.safetensors"
    if checkpoint is None and data.known and shipped.is_file():
        checkpoint = shipped
    if checkpoint is None:
        checkpoint = output / "reference.safetensors"
        if not checkpoint.exists():
            from ..training import TrainSettings
            from ..training.train import train

            told = TrainSettings.from_recipe(
                settings.arch,
                train_images=settings.train_images,
                seed=settings.seed,
                device=settings.device,
            )
            train(told, data, checkpoint, progress=progress)
    card = read_card(checkpoint)
    if card.architecture != settings.arch:
        raise InputError(
            f"{checkpoint} is of architecture {card.architecture}; expected {settings.arch}: "
            "name its own with --arch"
        )
    check_fits(card.input, data, checkpoint, len(card.labels))
    return checkpoint
