"""The prune stage: a checkpoint in, a masked and retrained checkpoint out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ... import models
from ...model_card import Stage
from ...progress import SILENT, Progress
from ...whole_files import check_output, sha256_of
from ..data import DataSet
from ..feeds import check_fits
from ..training.batches import Batches
from ..training.devices import pick_device
from ..training.resume import ResumeFile
from .resume import RoundsFile
from .rounds import Round, Rounds
from .settings import PruneSettings
from .traced import Traced

__all__ = ["PruneResult", "Round", "prune"]


@dataclass(frozen=True)
class PruneResult:
    """Where the pruned checkpoint lies, what is left of it and what it cost on validation.

    ``parameters`` and ``nonzero_parameters`` are the checkpoint's; ``compact_parameters`` and
    ``compact_macs`` what its export holds (by ``--round-to`` if channels were pruned by another
    multiple than 8), ``whole_parameters`` and ``whole_macs`` what that of the unpruned network
    would. ``latency_ms`` is measured on that export where it is the target. ``missed`` tells the
    target that was not met, if any.
    """

    output: Path
    size_bytes: int
    parameters: int
    nonzero_parameters: int
    compact_parameters: int
    compact_macs: int
    whole_parameters: int
    whole_macs: int
    accuracy_before: float
    validation_accuracy: float
    rounds: tuple[Round, ...]
    missed: str = ""
    latency_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "output": str(self.output)}


def prune(
    settings: PruneSettings,
    checkpoint: Path,
    data: DataSet,
    output: Path,
    *,
    traced: Traced | None = None,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> PruneResult:
    """Prune a checkpoint in rounds and retrain it with the masks held.

    What the checkpoint already lost stays lost; a sensitivity of 0 just trains it further. Of each
    round the epoch with the best validation accuracy is kept. The state lies in ``OUTPUT.resume``
    after each epoch until the run ends: the same call goes on from there, to the same result.
    ``traced``, of a network of this structure and input, spares many calls in a row the tracing.

    Raises InputError where the data does not fit the network's input or classes or there is nothing
    to prune, BudgetError (and writes nothing) where a target cannot be met, unless
    ``settings.write_anyway``.
    """
    check_output(output, overwrite=overwrite)
    device = pick_device(settings.fit.device)
    network, card = models.load(checkpoint)
    parent = sha256_of(checkpoint)
    check_fits(card.input, data, checkpoint, len(card.labels))
    train_part, validation_part = data.split(limit=settings.train_images)
    memory = RoundsFile(
        ResumeFile.beside(output, _fingerprint(settings, parent, data, len(train_part)))
    )
    rounds = Rounds(
        settings,
        network,
        card,
        (Batches(train_part, card.input, device), Batches(validation_part, card.input, device)),
        device,
        memory,
        progress,
        traced,
    )
    before, done, missed = rounds.run()
    last, whole = done[-1], rounds.sizes.whole()
    network.to("cpu").to(memory_format=torch.contiguous_format)
    stage = Stage(
        "prune",
        {**settings.to_json(), "data": data.reference},
        {
            "validation_accuracy": last.accuracy_retrained,
            "validation_accuracy_before": before,
            "nonzero_parameters": last.nonzero_parameters,
            "compact_parameters": last.compact_parameters,
            "compact_macs": last.compact_macs,
            "rounds": [asdict(one) for one in done],
            "torch": torch.__version__,
        },
        _command(settings, checkpoint, data, output),
    )
    models.save(output, network, card.then(stage, parent_sha256=parent), overwrite=overwrite)
    memory.remove()
    return PruneResult(
        output=output,
        size_bytes=output.stat().st_size,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        nonzero_parameters=last.nonzero_parameters,
        compact_parameters=last.compact_parameters,
        compact_macs=last.compact_macs,
        whole_parameters=whole.parameters,
        whole_macs=whole.macs,
        accuracy_before=before,
        validation_accuracy=last.accuracy_retrained,
        rounds=done,
        missed=missed,
        latency_ms=last.latency_ms,
    )


def _command(settings: PruneSettings, checkpoint: Path, data: DataSet, output: Path) -> str:
    """The command line that makes this checkpoint; file names without their folders."""
    words = [f"nnc prune {checkpoint.name}"]
    if settings.sensitivity is not None:
        words.append(f"--sensitivity {settings.sensitivity:g}")
    if settings.table is not None:
        words.append("--table TABLE.json")
    if (target := settings.target) is not None:
        words.append(f"--target-{target.kind.replace('_', '-')} {target.value:.10g}")
    words += [
        f"--method {settings.method}", f"--criterion {settings.choice.criterion}",
        f"--scope {settings.scope}", f"--round-to {settings.round_to}",
        f"--schedule {settings.schedule}", f"--iterations {settings.iterations}",
        f"--recover {settings.recover}", f"--epochs {settings.fit.epochs}",
    ]  # fmt: skip
    if settings.patience is not None:
        words.append(f"--patience {settings.patience}")
    words += [
        f"--batch-size {settings.fit.batch_size}",
        f"--learning-rate {settings.fit.learning_rate:g}",
    ]
    if settings.train_images is not None:
        words.append(f"--train-images {settings.train_images}")
    if settings.write_anyway:
        words.append("--write-anyway")
    words += [f"--data {data.name}", f"--seed {settings.fit.seed}", f"-o {output.name}"]
    return " ".join(words)


def _fingerprint(settings: PruneSettings, parent: str, data: DataSet, images: int) -> str:
    """Names the run a resume file belongs to; the device, the output and what becomes of a missed
    target are free to change."""
    digest = hashlib.sha256(b"".join(sorted(data.training.identities())))
    values = settings.to_json()
    for free in ("device", "write_anyway"):
        values.pop(free)
    digest.update(json.dumps([values, parent, images], sort_keys=True).encode())
    return digest.hexdigest()
