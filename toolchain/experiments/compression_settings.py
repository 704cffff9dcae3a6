"""Settings of the compression experiment, checked when they are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import InputError
from ...models.registry import find
from ..pruning.methods import METHODS
from ..pruning.settings import PruneSettings

__all__ = ["LADDER", "CompressionSettings"]

LADDER = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True)
class CompressionSettings:
    """What `nnc experiment compression` is told.

    Each method climbs ``sensitivities`` from the reference, retraining ``epochs`` at each and going
    on from there, until validation accuracy falls more than ``max_drop`` points below the
    reference's; the last gap is then halved ``refine`` times.
    """

    arch: str
    methods: tuple[str, ...] = tuple(METHODS)
    sensitivities: tuple[float, ...] = LADDER
    """Fractions pruned, rising, above 0 and below 1."""
    refine: int = 2
    max_drop: float = 0.5
    criterion: str = ""
    """What goes first in every method; empty: each method's own."""
    scope: str = "layer"
    epochs: int = 2
    recover: str = "finetune"
    patience: int | None = None
    train_images: int | None = None
    """Images that retraining takes, a fifth of them for validation; None for all."""
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        find(self.arch)
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise InputError(
                f"methods '{','.join(self.methods)}': expected some of {', '.join(METHODS)}, "
                "each named once"
            )
        if not self.sensitivities or any(
            a >= b
            for a, b in zip((0.0, *self.sensitivities), (*self.sensitivities, 1.0), strict=True)
        ):
            raise InputError(
                f"sensitivities {','.join(f'{s:g}' for s in self.sensitivities) or '(none)'}: "
                "expected fractions above 0 and below 1, rising"
            )
        if not 0 <= self.refine <= 10:
            raise InputError(f"refine = {self.refine}: expected 0 to 10")
        if not 0 <= self.max_drop <= 100:
            raise InputError(f"max_drop = {self.max_drop:g}: expected 0 to 100 points")
        for method in self.methods:
            self.pruning(method, self.sensitivities[0])

    def pruning(self, method: str, sensitivity: float) -> PruneSettings:
        """The settings of one step."""
        return PruneSettings.for_network(
            self.arch,
            sensitivity,
            method=method,
            criterion=self.criterion,
            scope=self.scope,
            recover=self.recover,
            patience=self.patience,
            train_images=self.train_images,
            epochs=self.epochs,
            seed=self.seed,
            device=self.device,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **asdict(self),
            "methods": list(self.methods),
            "sensitivities": list(self.sensitivities),
        }
