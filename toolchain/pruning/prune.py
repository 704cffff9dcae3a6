"""The prune stage: a checkpoint in, a masked and retrained checkpoint out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import models
from ...model_card import ModelCard, Stage
from ...progress import SILENT, Progress
from ...whole_files import check_output, sha256_of
from ..data import DataSet
from ..feeds import check_fits
from ..training.batches import Batches
from ..training.devices import memory_format, pick_device
from ..training.loop import accuracy, fit
from .masks import Masks
from .paper_method import choose_kept
from .recovery import reinitialise
from .settings import PruneSettings
from .structure import Structure, read_structure

__all__ = ["PruneResult", "Round", "prune"]


@dataclass(frozen=True)
class Round:
    """One iteration: pruned to ``fraction``, then retrained. Accuracies are fractions of 1."""

    fraction: float
    accuracy_pruned: float
    accuracy_retrained: float
    nonzero_parameters: int


@dataclass(frozen=True)
class PruneResult:
    """Where the pruned checkpoint lies, what is left of it and what it cost on validation."""

    output: Path
    size_bytes: int
    parameters: int
    nonzero_parameters: int
    accuracy_before: float
    validation_accuracy: float
    rounds: tuple[Round, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "output": str(self.output)}


def prune(
    settings: PruneSettings,
    checkpoint: Path,
    data: DataSet,
    output: Path,
    *,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> PruneResult:
    """Prune a checkpoint by the paper's method and retrain it with the masks held.

    What the checkpoint already lost stays lost. Raises InputError where the data does not fit the
    network's input or classes.
    """
    check_output(output, overwrite=overwrite)
    device = pick_device(settings.fit.device)
    network, card = models.load(checkpoint)
    parent = sha256_of(checkpoint)
    check_fits(card.input, data, checkpoint, len(card.labels))
    network.to(device).to(memory_format=memory_format(device, card.architecture))
    structure = read_structure(network)
    train_part, validation_part = data.split(limit=settings.train_images)
    train = Batches(train_part, card.input, device)
    validation = Batches(validation_part, card.input, device)
    before = accuracy(network, validation)
    rounds = tuple(
        _round(settings, number, network, card, structure, train, validation, device, progress)
        for number in range(1, settings.iterations + 1)
    )
    network.to("cpu").to(memory_format=torch.contiguous_format)
    result_accuracy = rounds[-1].accuracy_retrained
    stage = Stage(
        "prune",
        {**settings.to_json(), "data": data.reference, "method": "paper"},
        {
            "validation_accuracy": result_accuracy,
            "validation_accuracy_before": before,
            "nonzero_parameters": rounds[-1].nonzero_parameters,
            "rounds": [asdict(one) for one in rounds],
            "torch": torch.__version__,
        },
        f"nnc prune {checkpoint.name} --sensitivity {settings.sensitivity:g} "
        f"--iterations {settings.iterations} --recover {settings.recover} "
        f"--epochs {settings.fit.epochs} --data {data.name} --seed {settings.fit.seed} "
        f"-o {output.name}",
    )
    models.save(output, network, card.then(stage, parent_sha256=parent), overwrite=overwrite)
    return PruneResult(
        output=output,
        size_bytes=output.stat().st_size,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        nonzero_parameters=rounds[-1].nonzero_parameters,
        accuracy_before=before,
        validation_accuracy=result_accuracy,
        rounds=rounds,
    )


def _round(
    settings: PruneSettings,
    number: int,
    network: nn.Module,
    card: ModelCard,
    structure: Structure,
    train: Batches,
    validation: Batches,
    device: torch.device,
    progress: Progress,
) -> Round:
    fraction = settings.sensitivity * number / settings.iterations
    earlier = Masks.from_zeros(network, structure)
    masks = Masks.from_kept(network, structure, choose_kept(network, structure, fraction))

    def apply() -> None:
        earlier.apply()
        masks.apply()

    apply()
    pruned = accuracy(network, validation)
    seed = (settings.fit.seed + number - 1) % 2**32
    if settings.recover == "reinit":
        reinitialise(network, structure, seed)
        apply()
    fitted = fit(
        network,
        train,
        validation,
        replace(settings.fit, seed=seed),
        device,
        memory_format=memory_format(device, card.architecture),
        after_step=apply,
        progress=progress,
        description=f"pruning to {fraction:.0%}, retraining ({number}/{settings.iterations})",
    )
    nonzero = sum(int(parameter.count_nonzero()) for parameter in network.parameters())
    return Round(fraction, pruned, fitted.best.validation_accuracy, nonzero)
