"""The train stage: a data set and settings in, a checkpoint with its history out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import models
from ...model_card import InputSpec, ModelCard, Stage
from ...models.macs import count_macs
from ...models.registry import find
from ...progress import SILENT, Progress
from ...whole_files import check_output
from ..data import DataSet
from .batches import Batches
from .devices import memory_format, pick_device
from .initialise import initialise
from .loop import Epoch, Fit, accuracy, fit
from .resume import ResumeFile
from .settings import TrainSettings

__all__ = ["TrainResult", "train"]

INITIALISING_IMAGES = 256


@dataclass(frozen=True)
class TrainResult:
    """Where the checkpoint lies and how its training went.

    ``train_accuracy`` is the finished network's on the training images as they are, ``learnt``
    whether that is what ``until_train_accuracy`` asked for; None where nothing was asked.
    """

    output: Path
    size_bytes: int
    parameters: int
    macs: int
    validation_accuracy: float
    train_images: int
    epochs: tuple[Epoch, ...]
    train_accuracy: float | None = None
    learnt: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **asdict(self),
            "output": str(self.output),
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }


def train(
    settings: TrainSettings,
    data: DataSet,
    output: Path,
    *,
    progress: Progress = SILENT,
    overwrite: bool = False,
) -> TrainResult:
    """Train a network from scratch on ``data``'s training part and write a checkpoint.

    80 % of the training part are trained on, 20 % choose the best epoch (unless a training
    accuracy to reach ends the run: then the last one is kept); the test part is not touched. The
    state after each epoch lies in ``OUTPUT.resume`` until the run ends: the same call goes on from
    there. Raises InputError for settings that do not fit the data.
    """
    check_output(output, overwrite=overwrite)
    device = pick_device(settings.fit.device)
    spec = input_spec(settings, data)
    train_part, validation_part = data.split(limit=settings.train_images)
    torch.manual_seed(settings.fit.seed)
    network = models.build(
        settings.arch, len(data.classes), data.channels, regularisation=settings.regularisation
    )
    macs = count_macs(network, spec.channels, spec.height, spec.width)
    train_images = Batches(train_part, spec, device)
    validation = Batches(validation_part, spec, device)
    if not settings.regularisation:
        network.to(device)
        initialise(network, _sample(train_images, settings.fit.seed))
    resume = ResumeFile.beside(output, _fingerprint(settings, data, spec, len(train_part)))
    fitted = fit(
        network,
        train_images,
        validation,
        settings.fit,
        device,
        memory_format=memory_format(device, settings.arch),
        goal=settings.until_train_accuracy,
        resume=resume,
        progress=progress,
        description=f"training {settings.arch}",
    )
    if settings.half:
        for parameter in network.parameters():
            if parameter.dim() >= 2:
                parameter.data = parameter.data.half().float()
    held_out = accuracy(network, validation) if settings.half else fitted.best.validation_accuracy
    goal = settings.until_train_accuracy
    learnt = None if goal is None else accuracy(network, train_images)
    card = ModelCard(
        input=spec,
        labels=data.classes,
        architecture=settings.arch,
        macs=macs,
        history=(_stage(settings, data, output, fitted, held_out, learnt, len(train_part)),),
        regularisation=settings.regularisation,
    )
    models.save(output, network, card, half=settings.half, overwrite=overwrite)
    resume.remove()
    return TrainResult(
        output=output,
        size_bytes=output.stat().st_size,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=macs,
        validation_accuracy=held_out,
        train_images=len(train_part),
        epochs=fitted.epochs,
        train_accuracy=learnt,
        learnt=None if goal is None or learnt is None else learnt >= goal,
    )


def _sample(images: Batches, seed: int) -> torch.Tensor:
    """The images that scale a network's first weights."""
    generator = np.random.default_rng([seed, 0])
    return next(images.shuffled(INITIALISING_IMAGES, generator, flip=False, crop=0.0))[0]


def input_spec(settings: TrainSettings, data: DataSet) -> InputSpec:
    """The input a network for ``data`` takes: the asked size, else its own, else the data's."""
    size = settings.image_size or find(settings.arch).default_size
    height, width = (size, size) if size else (data.height, data.width)
    find(settings.arch).check_size(height, width)
    return InputSpec(data.channels, height, width, data.mean, data.std)


def _stage(
    settings: TrainSettings,
    data: DataSet,
    output: Path,
    fitted: Fit,
    held_out: float,
    learnt: float | None,
    images: int,
) -> Stage:
    return Stage(
        "train",
        {**settings.to_json(), "data": data.reference},
        {
            "validation_accuracy": held_out,
            "train_accuracy": fitted.best.train_accuracy if learnt is None else learnt,
            "best_epoch": fitted.best.number,
            "train_images": images,
            "seconds": round(sum(epoch.seconds for epoch in fitted.epochs), 1),
            "torch": torch.__version__,
        },
        _command(settings, data, output),
    )


def _command(settings: TrainSettings, data: DataSet, output: Path) -> str:
    """The command line that makes this checkpoint; file names without their folders."""
    fit_settings = settings.fit
    words = [
        "nnc train", f"--arch {settings.arch}", f"--data {data.name}",
        f"--recipe {settings.recipe}", f"--epochs {fit_settings.epochs}",
        f"--batch-size {fit_settings.batch_size}",
        f"--learning-rate {fit_settings.learning_rate:g}", f"--seed {fit_settings.seed}",
    ]  # fmt: skip
    if not settings.regularisation:
        words.append("--no-regularisation")
    if settings.until_train_accuracy is not None:
        words.append(f"--until-train-accuracy {settings.until_train_accuracy:g}")
    if settings.image_size:
        words.append(f"--image-size {settings.image_size}")
    if settings.train_images:
        words.append(f"--train-images {settings.train_images}")
    if settings.half:
        words.append("--half")
    return " ".join([*words, f"-o {output.name}"])


def _fingerprint(settings: TrainSettings, data: DataSet, spec: InputSpec, images: int) -> str:
    """Names the fit a resume file belongs to; the device and the output are free to change."""
    digest = hashlib.sha256(b"".join(sorted(data.training.identities())))
    values = settings.to_json()
    values.pop("device")
    digest.update(json.dumps([values, asdict(spec), images], sort_keys=True).encode())
    return digest.hexdigest()
