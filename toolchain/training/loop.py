"""The epoch loop that training and pruning share: SGD, seeded, resumable, best epoch kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from ...errors import NncError
from ...progress import SILENT, Progress, Task
from .batches import Batches
from .devices import autocast
from .settings import FitSettings

__all__ = ["Epoch", "Fit", "Memory", "Stop", "accuracy", "fit", "never", "out_of_patience"]


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave; accuracies are fractions of 1.

    ``train_accuracy`` is taken while the weights change; ``reached_goal`` is decided afterwards, on
    all training images as they are.
    """

    number: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_accuracy: float
    seconds: float
    reached_goal: bool = False


@dataclass(frozen=True)
class Fit:
    """All epochs, and the one whose weights were kept: best on validation, the later on a tie.

    With a goal the kept one is the last.
    """

    epochs: tuple[Epoch, ...]
    best: Epoch


Stop = Callable[[Sequence[Epoch]], bool]
"""Whether training ends after these epochs; it must answer the same for the same epochs."""


def never(_epochs: Sequence[Epoch]) -> bool:
    """The `Stop` of a fit that runs all its epochs."""
    return False


def out_of_patience(patience: int) -> Stop:
    """Early stopping: ``patience`` epochs in a row brought no better validation accuracy."""

    def stop(epochs: Sequence[Epoch]) -> bool:
        best = max((epoch.validation_accuracy for epoch in epochs), default=0.0)
        since = next((n for n, epoch in enumerate(epochs) if epoch.validation_accuracy == best), 0)
        return len(epochs) - since > patience

    return stop


class Memory(Protocol):
    """Where a fit keeps its state after each epoch (a `ResumeFile`, or what wraps one)."""

    def read(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """What was written last; None where nothing was."""

    def write(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Replace what was written before."""


def fit(
    network: nn.Module,
    train: Batches,
    validation: Batches,
    settings: FitSettings,
    device: torch.device,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
    after_step: Callable[[], None] = lambda: None,
    stop: Stop = never,
    goal: float | None = None,
    resume: Memory | None = None,
    progress: Progress = SILENT,
    description: str = "training",
) -> Fit:
    """Train ``network`` in place; it ends with the weights of the best epoch, in evaluation mode.

    ``after_step`` runs after every optimiser step (masks); where ``stop`` says so, training ends
    before ``settings.epochs`` are done. It also ends where the accuracy on the training images
    reaches ``goal``; then, and where it never does, the last weights are kept instead of the best.
    With ``resume`` the state is saved
    after each epoch, and a fit that was cut off continues to the same result as one that was not:
    every epoch draws its randomness from (seed, epoch) alone. Raises NncError if the loss diverges.
    """
    network.to(device).to(memory_format=memory_format)
    optimiser = _optimiser(network, settings)
    steps = max(1, math.ceil((len(train) - 1) / settings.batch_size))
    epochs: list[Epoch] = []
    best: dict[str, torch.Tensor] = {}
    if resume is not None and (saved := resume.read()) is not None:
        epochs, best = _restore(network, optimiser, *saved)
    with progress.task(description, settings.epochs * steps) as task:
        task.advance(len(epochs) * steps)
        for number in range(len(epochs) + 1, settings.epochs + 1):
            if stop(epochs) or (epochs and epochs[-1].reached_goal):
                break
            epoch = _epoch(
                network, optimiser, train, validation, settings, device,
                memory_format, after_step, number, steps, task,
            )  # fmt: skip
            if goal is not None and _reaches(goal, network, train):
                epoch = replace(epoch, reached_goal=True)
            if goal is not None or epoch.validation_accuracy >= max(
                (past.validation_accuracy for past in epochs), default=0.0
            ):
                best = {name: value.clone() for name, value in network.state_dict().items()}
            epochs.append(epoch)
            if resume is not None:
                resume.write(*_snapshot(network, optimiser, epochs, best))
    network.load_state_dict(best)
    network.eval()
    if goal is not None:
        return Fit(tuple(epochs), epochs[-1])
    return Fit(tuple(epochs), max(epochs, key=lambda e: (e.validation_accuracy, e.number)))


def accuracy(network: nn.Module, images: Batches) -> float:
    """Top-1 accuracy, a fraction of 1, in evaluation mode."""
    network.eval()
    correct = 0
    with torch.inference_mode():
        for inputs, labels in images.in_order():
            correct += int((network(inputs).argmax(1) == labels).sum())
    return correct / len(images)


def _reaches(goal: float, network: nn.Module, images: Batches) -> bool:
    """Whether `accuracy` is ``goal`` at least; it stops looking after too many errors."""
    network.eval()
    correct = seen = 0
    with torch.inference_mode():
        for inputs, labels in images.in_order():
            correct += int((network(inputs).argmax(1) == labels).sum())
            seen += len(labels)
            if correct + len(images) - seen < goal * len(images):
                return False
    return True


def _epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    train: Batches,
    validation: Batches,
    settings: FitSettings,
    device: torch.device,
    memory_format: torch.memory_format,
    after_step: Callable[[], None],
    number: int,
    steps: int,
    task: Task,
) -> Epoch:
    started = time.perf_counter()
    torch.manual_seed(settings.seed * 1_000_003 + number)
    generator = np.random.default_rng([settings.seed, number])
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    total_loss = torch.zeros((), device=device)
    correct = torch.zeros((), dtype=torch.long, device=device)
    seen = 0
    rate = 0.0
    network.train()
    flip = settings.flip == "always" or (settings.flip == "colour" and train.channels == 3)
    batches = train.shuffled(settings.batch_size, generator, flip=flip, crop=settings.crop)
    for step, (inputs, labels) in enumerate(batches):
        rate = learning_rate(settings, (number - 1) + step / steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with autocast(device):
            outputs = network(inputs.to(memory_format=memory_format))
            loss = loss_of(outputs, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if settings.clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
        optimiser.step()
        after_step()
        with torch.no_grad():
            total_loss += loss.detach() * len(labels)
            correct += (outputs.argmax(1) == labels).sum()
        seen += len(labels)
        task.advance(note=f"epoch {number}/{settings.epochs}")
    mean_loss = float(total_loss) / seen
    if not math.isfinite(mean_loss):
        raise NncError(
            f"training diverged in epoch {number} (loss {mean_loss}); "
            f"lower the learning rate ({settings.learning_rate:g})"
        )
    held_out = accuracy(network, validation)
    task.advance(0, note=f"epoch {number}/{settings.epochs} validation {held_out:.2%}")
    return Epoch(
        number, rate, mean_loss, int(correct) / seen, held_out, time.perf_counter() - started
    )


def learning_rate(settings: FitSettings, epoch: float) -> float:
    """The rate at a point of the run, ``epoch`` counted from 0 with fractions."""
    warmup = min(settings.warmup_epochs, settings.epochs / 2)
    if epoch < warmup:
        return settings.learning_rate * (0.02 + 0.98 * epoch / warmup)
    if settings.schedule == "cosine":
        done = (epoch - warmup) / (settings.epochs - warmup)
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    if settings.schedule == "steps":
        drops = (epoch >= settings.epochs * 0.5) + (epoch >= settings.epochs * 0.75)
        return float(settings.learning_rate * 0.1**drops)
    return settings.learning_rate


def _optimiser(network: nn.Module, settings: FitSettings) -> torch.optim.Optimizer:
    weights = [p for p in network.parameters() if settings.decay_all or p.dim() >= 2]
    others = [p for p in network.parameters() if not settings.decay_all and p.dim() < 2]
    return torch.optim.SGD(
        [
            {"params": weights, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
    )


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _snapshot(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    epochs: list[Epoch],
    best: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors = {f"last.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, parameter in enumerate(_parameters(optimiser)):
        momentum = optimiser.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{index}"] = momentum
    return tensors, {"epochs": [asdict(epoch) for epoch in epochs]}


def _restore(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    tensors: dict[str, torch.Tensor],
    numbers: dict[str, Any],
) -> tuple[list[Epoch], dict[str, torch.Tensor]]:
    device = next(network.parameters()).device
    network.load_state_dict(
        {name[5:]: value for name, value in tensors.items() if name.startswith("last.")}
    )
    for index, parameter in enumerate(_parameters(optimiser)):
        if (momentum := tensors.get(f"momentum.{index}")) is not None:
            # Laid out as the parameter is, or the next step would sum in another order.
            optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(
                momentum
            )
    best = {
        name[5:]: value.to(device) for name, value in tensors.items() if name.startswith("best.")
    }
    return [Epoch(**epoch) for epoch in numbers["epochs"]], best
