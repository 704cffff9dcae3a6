"""What a scan measures: points, each a part of the network pruned by a fraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .settings import ScanSettings

__all__ = ["ALL_IMAGES", "REFERENCE", "TABLE", "WHOLE", "Measured", "Point", "plan"]

REFERENCE, ALL_IMAGES = "(reference)", "(reference, all images)"
WHOLE, TABLE = "(whole)", "(table)"
"""Names of points that are no single layer; no module's name holds a bracket."""


@dataclass(frozen=True)
class Point:
    """One network to measure: the part ``name`` pruned by ``sensitivity``, then retrained."""

    name: str
    sensitivity: float = 0.0
    epochs: int = 0

    @property
    def on_all_images(self) -> bool:
        """Whether every image of the part is measured, as after (and for) a retraining."""
        return self.epochs > 0 or self.name == ALL_IMAGES

    def fractions(self, parts: Mapping[str, int]) -> float | dict[str, float]:
        """What is to go: one fraction of every part, or one for each."""
        if self.name in parts:
            return {name: self.sensitivity if name == self.name else 0.0 for name in parts}
        return self.sensitivity


@dataclass(frozen=True)
class Measured:
    """What a point came to: top-1 accuracy as a fraction of 1, and the weights that are left."""

    accuracy: float
    nonzero_parameters: int


def plan(settings: ScanSettings, parts: Mapping[str, int]) -> list[Point]:
    """All points of a scan but the table's, in a fixed order with the longest work first."""
    points = [Point(WHOLE, s, settings.epochs) for s in reversed(settings.sensitivities)]
    if settings.layers:
        points += [
            Point(name, s, settings.layer_epochs) for name in parts for s in settings.sensitivities
        ]
    references = [Point(REFERENCE)]
    if any(point.on_all_images for point in points):
        references.append(Point(ALL_IMAGES))
    return references + sorted(points, key=lambda point: -point.epochs)
