"""What the overfitting study comes to: means over seeds, the choice on validation, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from .overfit_settings import OverfitSettings
from .paired import Difference, Spread

__all__ = ["SCHEMA_VERSION", "Network", "Row", "Study", "summarise"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Network:
    """One network of one seed; accuracies are fractions of 1.

    ``kind`` is reference, overfitted, control or pruned (then with its ``sensitivity``);
    ``train_accuracy`` is on the training images as they are; ``compact_parameters`` is what the
    exported file holds, without dead channels. Either is None where it was not measured.
    """

    kind: str
    sensitivity: float | None
    seed: int
    validation_accuracy: float
    test_accuracy: float
    train_accuracy: float | None
    parameters: int
    nonzero_parameters: int
    epochs: int
    compact_parameters: int | None = None


@dataclass(frozen=True)
class Row:
    """All seeds of one kind (and sensitivity)."""

    kind: str
    sensitivity: float | None
    networks: tuple[Network, ...]

    @property
    def test(self) -> list[float]:
        """Test accuracies by seed."""
        return [network.test_accuracy for network in self.networks]

    @property
    def validation(self) -> list[float]:
        """Validation accuracies by seed."""
        return [network.validation_accuracy for network in self.networks]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: means and spreads, then each network."""
        learnt = [n.train_accuracy for n in self.networks if n.train_accuracy is not None]
        compact = [n.compact_parameters for n in self.networks if n.compact_parameters is not None]
        return {
            "kind": self.kind,
            "sensitivity": self.sensitivity,
            "test_accuracy": asdict(Spread.of(self.test)),
            "validation_accuracy": asdict(Spread.of(self.validation)),
            "train_accuracy": asdict(Spread.of(learnt)) if learnt else None,
            "parameters": self.networks[0].parameters,
            "nonzero_parameters": round(fmean(n.nonzero_parameters for n in self.networks)),
            "compact_parameters": round(fmean(compact)) if compact else None,
            "epochs": fmean(n.epochs for n in self.networks),
            "networks": [asdict(network) for network in self.networks],
        }


@dataclass(frozen=True)
class Study:
    """The whole study; ``chosen`` is the sensitivity that did best on validation."""

    settings: OverfitSettings
    data: str
    train_images: int
    test_images: int
    command: str
    rows: tuple[Row, ...]
    chosen: float
    differences: dict[str, Difference]
    """On test images, paired by seed, in fractions of 1: pruned - control and so on."""
    unfinished: tuple[int, ...]
    """Seeds whose network did not learn its training images before its epochs were over."""
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment": "overfit",
            "settings": self.settings.to_json(),
            "data": self.data,
            "train_images": self.train_images,
            "test_images": self.test_images,
            "command": self.command,
            "rows": [row.to_json() for row in self.rows],
            "chosen_sensitivity": self.chosen,
            "differences": {name: asdict(one) for name, one in self.differences.items()},
            "unfinished_seeds": list(self.unfinished),
            "verdict": self.verdict,
        }


def summarise(
    settings: OverfitSettings,
    networks: Sequence[Network],
    *,
    data: str,
    train_images: int,
    test_images: int,
    command: str = "",
) -> Study:
    """The study of ``networks``, which hold every kind for every seed.

    One sensitivity is chosen for all seeds: the best mean validation accuracy, the larger one on a
    tie. Test accuracies choose nothing.
    """

    def row(kind: str, sensitivity: float | None = None) -> Row:
        found = (n for n in networks if (n.kind, n.sensitivity) == (kind, sensitivity))
        return Row(kind, sensitivity, tuple(sorted(found, key=lambda n: n.seed)))

    reference, overfitted, control = row("reference"), row("overfitted"), row("control")
    pruned = [row("pruned", sensitivity) for sensitivity in settings.sensitivities]
    best = max(pruned, key=lambda one: (fmean(one.validation), one.sensitivity or 0.0))
    assert best.sensitivity is not None
    differences = {
        "pruned - control": Difference.of(best.test, control.test),
        "pruned - overfitted": Difference.of(best.test, overfitted.test),
        "control - overfitted": Difference.of(control.test, overfitted.test),
        "overfitted - reference": Difference.of(overfitted.test, reference.test),
    }
    return Study(
        settings=settings,
        data=data,
        train_images=train_images,
        test_images=test_images,
        command=command,
        rows=(reference, overfitted, control, *pruned),
        chosen=best.sensitivity,
        differences=differences,
        unfinished=tuple(
            n.seed
            for n in overfitted.networks
            if (n.train_accuracy or 0.0) < settings.until_train_accuracy
        ),
        verdict=_verdict(differences["pruned - control"], best.sensitivity),
    )


def _verdict(difference: Difference, sensitivity: float) -> str:
    """One plain sentence or two."""
    points = 100 * difference.mean
    found = f"pruned at {sensitivity:g} minus control is {points:+.2f} points of test accuracy"
    if difference.interval is None:
        return f"Nothing is shown by a single seed: {found}."
    low, high = (100 * bound for bound in difference.interval)
    found += f" (95 % interval {low:+.2f} to {high:+.2f}, {difference.pairs} seeds)"
    if difference.sign > 0:
        return f"Pruning beat the control: {found}."
    if difference.sign < 0:
        return f"The control beat pruning: {found}."
    return f"No difference between pruning and the control is shown: {found}."
