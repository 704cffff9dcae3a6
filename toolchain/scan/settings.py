"""Scan settings, checked when they are built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import InputError
from ..pruning.choice import Choice
from ..pruning.settings import CHANNEL_ROUND_TO, RECOVERIES

__all__ = ["PARTS", "SENSITIVITIES", "ScanSettings"]

PARTS = ("validation", "test")
SENSITIVITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class ScanSettings:
    """What `nnc scan` is told.

    Every sensitivity is tried on the whole network (all layers at once), with ``epochs`` of
    retraining, and, with ``layers``, on each layer alone, with ``layer_epochs``.
    """

    sensitivities: tuple[float, ...] = SENSITIVITIES
    """Fractions pruned, rising, above 0 and below 1."""
    method: str = "paper"
    criterion: str = ""
    """How parts are scored; empty: the method's own."""
    round_to: int | None = None
    """Channels are kept in multiples of it; None: as `nnc prune` does."""
    epochs: int = 0
    layers: bool = True
    layer_epochs: int = 0
    recover: str = "finetune"
    patience: int | None = None
    """Retraining ends after so many epochs without a better validation accuracy; None: never."""
    train_images: int | None = None
    """Images that retraining takes; None for all."""
    part: str = "validation"
    """What accuracy is measured on: the held-out fifth of the training images, or the test part."""
    images: int = 2000
    """Class-balanced images that networks without retraining are measured on."""
    max_drop: float = 1.0
    """Points of accuracy that a layer's entry in the table may cost."""
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for value in self.sensitivities:
            # False for NaN as well.
            if not 0 < value < 1:
                raise InputError(f"sensitivity {value:g}: expected a fraction between 0 and 1")
        if not 1 <= len(self.sensitivities) <= 100:
            raise InputError(f"{len(self.sensitivities)} sensitivities: expected 1 to 100")
        if any(a >= b for a, b in zip(self.sensitivities, self.sensitivities[1:], strict=False)):
            raise InputError(
                f"sensitivities {','.join(f'{s:g}' for s in self.sensitivities)}: expected them "
                "rising, each named once"
            )
        for name in ("epochs", "layer_epochs"):
            if not 0 <= getattr(self, name) <= 10_000:
                raise InputError(f"{name} = {getattr(self, name)}: expected 0 to 10000")
        if self.part not in PARTS:
            raise InputError(f"part '{self.part}': expected {' or '.join(PARTS)}")
        if self.images < 1:
            raise InputError(f"images = {self.images}: expected at least 1")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience = {self.patience}: expected at least 1")
        if not 0 <= self.max_drop <= 100:
            raise InputError(f"max_drop = {self.max_drop:g}: expected 0 to 100 points")
        if self.recover not in RECOVERIES:
            raise InputError(f"recovery '{self.recover}': expected {' or '.join(RECOVERIES)}")
        _ = self.choice

    @property
    def choice(self) -> Choice:
        """What decides which weights go."""
        round_to = self.round_to
        if round_to is None:
            round_to = CHANNEL_ROUND_TO if self.method == "channel" else 1
        return Choice(self.method, self.criterion, "layer", round_to, self.seed)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **asdict(self),
            "sensitivities": list(self.sensitivities),
            "criterion": self.choice.criterion,
            "round_to": self.choice.round_to,
        }
