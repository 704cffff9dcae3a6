"""Pruning settings, checked when they are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import InputError
from ..training.settings import FitSettings, TrainSettings

__all__ = ["RECOVERIES", "PruneSettings"]

RECOVERIES = ("finetune", "reinit")
FINETUNE_LEARNING_RATE = 0.02
"""A quarter of the modern recipe's: enough to recover, too little to forget."""


@dataclass(frozen=True)
class PruneSettings:
    """What `nnc prune` is told.

    ``sensitivity`` is the fraction pruned of every layer at the end; ``iterations`` rounds reach
    it in equal steps, each followed by ``fit.epochs`` epochs of retraining, from the surviving
    weights (``finetune``) or from fresh ones (``reinit``).
    """

    sensitivity: float
    fit: FitSettings
    iterations: int = 1
    recover: str = "finetune"
    train_images: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.sensitivity < 1:
            raise InputError(
                f"sensitivity {self.sensitivity:g}: expected a fraction from 0 up to, not "
                "including, 1"
            )
        if not 1 <= self.iterations <= 1000:
            raise InputError(f"{self.iterations} iterations: expected 1 to 1000")
        if self.recover not in RECOVERIES:
            raise InputError(f"recovery '{self.recover}': expected {' or '.join(RECOVERIES)}")
        if self.train_images is not None and self.train_images < 20:
            raise InputError(f"train_images = {self.train_images}: expected at least 20")

    @classmethod
    def for_network(
        cls,
        arch: str,
        sensitivity: float,
        *,
        iterations: int = 1,
        recover: str = "finetune",
        recipe: str = "modern",
        train_images: int | None = None,
        **overrides: Any,
    ) -> PruneSettings:
        """Settings with a training recipe's numbers for the retraining.

        Fine-tuning takes a lower learning rate and no warm-up; ``overrides`` (epochs, batch_size,
        learning_rate, seed, device, …) replace either where they are not None.
        """
        values: dict[str, Any] = {"epochs": 2}
        if recover == "finetune":
            base = TrainSettings.from_recipe(arch, recipe).fit.learning_rate
            values |= {
                "learning_rate": min(base, FINETUNE_LEARNING_RATE),
                "warmup_epochs": 0.0,
            }
        values |= {key: value for key, value in overrides.items() if value is not None}
        fit = TrainSettings.from_recipe(arch, recipe, **values).fit
        return cls(sensitivity, fit, iterations, recover, train_images)

    def to_json(self) -> dict[str, Any]:
        """Flat, as recorded in a checkpoint."""
        values = asdict(self)
        return {**values.pop("fit"), **values}
