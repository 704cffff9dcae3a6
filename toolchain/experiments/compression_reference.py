"""The network that the compression experiment starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...models.checkpoint import read_card
from ...progress import Progress
from ..data import DataSet
from ..feeds import check_fits
from ..pipeline.shipped import FOLDER
from .compression_settings import CompressionSettings

if TYPE_CHECKING:
    from ..training import TrainSettings

__all__ = ["find_reference"]


def find_reference(
    settings: CompressionSettings,
    checkpoint: Path | None,
    data: DataSet,
    output: Path,
    progress: Progress,
    *,
    overwrite: bool = False,
) -> Path:
    """``checkpoint``, else the shipped one for the architecture and data, else one trained here.

    That one lies in ``output``; one that was trained there in another way or is damaged is refused,
    or with ``overwrite`` trained anew. Raises InputError where the network is of another
    architecture or the data does not fit it.
    """
    shipped = FOLDER / f"{settings.arch}-{data.name}.safetensors"
    if checkpoint is None and data.known and shipped.is_file():
        checkpoint = shipped
    if checkpoint is None:
        from ..training import TrainSettings

        told = TrainSettings.from_recipe(
            settings.arch,
            train_images=settings.train_images,
            seed=settings.seed,
            device=settings.device,
        )
        checkpoint = output / "reference.safetensors"
        if not checkpoint.exists() or not _trained_so(checkpoint, told, data, overwrite=overwrite):
            from ..training.train import train

            train(told, data, checkpoint, progress=progress, overwrite=overwrite)
    card = read_card(checkpoint)
    if card.architecture != settings.arch:
        raise InputError(
            f"{checkpoint} is of architecture {card.architecture}; expected {settings.arch}: "
            "name its own with --arch"
        )
    check_fits(card.input, data, checkpoint, len(card.labels))
    return checkpoint


def _trained_so(checkpoint: Path, told: TrainSettings, data: DataSet, *, overwrite: bool) -> bool:
    """Whether ``checkpoint`` says that it was trained by these settings on this data.

    Where it does not, InputError, or False with ``overwrite``. The device may differ.
    """
    try:
        history = read_card(checkpoint).history
    except InputError:
        if not overwrite:
            raise
        return False
    wanted = json.loads(json.dumps({**told.to_json(), "data": data.reference, "device": ""}))
    stated = {**history[-1].settings, "device": ""} if history else {}
    if stated == wanted:
        return True
    if not overwrite:
        raise InputError(
            f"{checkpoint} was not trained by these settings on {data.name}; choose another -o, "
            "name it with --checkpoint, or pass --force to train another"
        )
    return False
