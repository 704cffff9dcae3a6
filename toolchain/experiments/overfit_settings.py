"""Settings of the overfitting study, checked when they are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from ...errors import InputError
from ..pruning.settings import PruneSettings
from ..training.settings import TrainSettings

__all__ = ["OverfitSettings"]


@dataclass(frozen=True)
class OverfitSettings:
    """What `nnc experiment overfit` is told.

    For each of ``seeds`` runs (seeds ``seed``, ``seed`` + 1, …): a reference trained for
    ``reference_epochs`` with regularisation; a network without, trained until it has learnt
    ``until_train_accuracy`` of its images, for ``overfit_epochs`` at most; and from that one, with
    the same ``retrain_epochs`` in each of ``iterations`` rounds and the same ``patience`` (early
    stopping), one network pruned by each of ``sensitivities`` and the control, pruned by nothing.
    """

    arch: str
    sensitivities: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    """Fractions pruned of every layer, rising."""
    seeds: int = 3
    reference_epochs: int = 15
    overfit_epochs: int = 20
    until_train_accuracy: float = 0.999
    retrain_epochs: int = 6
    iterations: int = 1
    patience: int | None = 3
    learning_rate: float | None = None
    """Of the retraining; None: a fine-tuning's."""
    train_images: int | None = None
    image_size: int | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        rising = (0.0, *self.sensitivities, 1.0)
        if not self.sensitivities or any(not low < high for low, high in pairwise(rising)):
            raise InputError(
                f"sensitivities {','.join(f'{s:g}' for s in self.sensitivities) or '(none)'}: "
                "expected fractions above 0 and below 1, rising"
            )
        if not 1 <= self.seeds <= 1000:
            raise InputError(f"{self.seeds} seeds: expected 1 to 1000")
        for seed in (self.seed, self.seed + self.seeds - 1):
            _ = self.reference(seed), self.overfitted(seed), self.pruned(seed, 0.0)

    @property
    def seed_values(self) -> tuple[int, ...]:
        """The seed of each run."""
        return tuple(range(self.seed, self.seed + self.seeds))

    def reference(self, seed: int) -> TrainSettings:
        """The network as it should be trained."""
        return TrainSettings.from_recipe(
            self.arch,
            image_size=self.image_size,
            train_images=self.train_images,
            epochs=self.reference_epochs,
            seed=seed,
            device=self.device,
        )

    def overfitted(self, seed: int) -> TrainSettings:
        """The network that learns its training images by heart."""
        return TrainSettings.from_recipe(
            self.arch,
            image_size=self.image_size,
            train_images=self.train_images,
            regularisation=False,
            until_train_accuracy=self.until_train_accuracy,
            epochs=self.overfit_epochs,
            seed=seed,
            device=self.device,
        )

    def pruned(self, seed: int, sensitivity: float) -> PruneSettings:
        """The overfitted network pruned (paper's method) and retrained; the control at 0.

        Its retraining regularises no more than the training before did: what differs from the
        control is the pruning alone.
        """
        return PruneSettings.for_network(
            self.arch,
            sensitivity,
            method="paper",
            recipe="overfit",
            iterations=self.iterations,
            patience=self.patience,
            train_images=self.train_images,
            epochs=self.retrain_epochs,
            learning_rate=self.learning_rate,
            seed=seed,
            device=self.device,
        )

    def to_json(self) -> dict[str, Any]:
        """As recorded in the study."""
        return asdict(self)
