"""Pruning settings, checked when they are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import InputError
from ..training.settings import FitSettings, TrainSettings
from .choice import Choice
from .schedule import SCHEDULES
from .targets import TARGETS, Target

__all__ = ["RECOVERIES", "PruneSettings"]

RECOVERIES = ("finetune", "reinit")
FINETUNE_LEARNING_RATE = 0.02
"""A quarter of the modern recipe's: enough to recover, too little to forget."""

CHANNEL_ROUND_TO = 8
"""Channels are kept by this multiple where nothing else is asked: odd counts are slow."""

_AIMS = ("sensitivity", "table", *(f"target_{kind}" for kind in TARGETS))


@dataclass(frozen=True)
class PruneSettings:
    """What `nnc prune` is told.

    One of these says how much goes: ``sensitivity``, the fraction of every layer (or family of
    channels); ``table``, a fraction for each by name; ``target_macs`` and ``target_parameters``,
    what the exported file may hold (up to 1: a fraction of the whole network's); or
    ``target_latency_ms``, its time for one image on this machine's CPU, one thread. Parameters
    count as zeros leave them where ``method`` takes single weights (paper, element).

    ``iterations`` rounds lead there by ``schedule``, each followed by ``fit.epochs`` epochs of
    retraining, from the surviving weights (``finetune``) or from fresh ones (``reinit``);
    ``patience`` ends a round's retraining after so many epochs without a better validation
    accuracy. ``write_anyway`` goes on to the most that can be pruned where a target cannot be met.
    """

    sensitivity: float | None
    fit: FitSettings
    iterations: int = 1
    recover: str = "finetune"
    train_images: int | None = None
    method: str = "paper"
    criterion: str = ""
    scope: str = "layer"
    round_to: int = 1
    schedule: str = "linear"
    patience: int | None = None
    table: Mapping[str, float] | None = None
    target_macs: float | None = None
    target_parameters: float | None = None
    target_latency_ms: float | None = None
    write_anyway: bool = False

    def __post_init__(self) -> None:
        given = [name for name in _AIMS if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(
                f"expected one of {', '.join(_AIMS[:-1])} and {_AIMS[-1]}; "
                f"found {' and '.join(given) or 'none'}"
            )
        if self.sensitivity is not None:
            _check_fraction("sensitivity", self.sensitivity)
        for name, fraction in (self.table or {}).items():
            _check_fraction(f"table: {name}", fraction)
        if self.table is not None and not self.table:
            raise InputError("table: it names no layer; expected a fraction for at least one")
        if self.table is not None and self.scope == "global":
            raise InputError(
                "a table has a fraction for each layer, scope global one for all; "
                "leave one of them out"
            )
        if not 1 <= self.iterations <= 1000:
            raise InputError(f"{self.iterations} iterations: expected 1 to 1000")
        if self.recover not in RECOVERIES:
            raise InputError(f"recovery '{self.recover}': expected {' or '.join(RECOVERIES)}")
        if self.schedule not in SCHEDULES:
            raise InputError(f"schedule '{self.schedule}': expected {', '.join(SCHEDULES)}")
        if self.patience is not None and not 1 <= self.patience <= 10_000:
            raise InputError(f"patience {self.patience}: expected 1 to 10000 epochs")
        if self.train_images is not None and self.train_images < 20:
            raise InputError(f"train_images = {self.train_images}: expected at least 20")
        _ = self.choice, self.target

    @property
    def choice(self) -> Choice:
        """What decides which weights go."""
        return Choice(self.method, self.criterion, self.scope, self.round_to, self.fit.seed)

    @property
    def target(self) -> Target | None:
        """The budget, if one is given."""
        for kind in TARGETS:
            if (value := getattr(self, f"target_{kind}")) is not None:
                return Target(kind, value)
        return None

    @classmethod
    def for_network(
        cls,
        arch: str,
        sensitivity: float | None = None,
        *,
        table: Mapping[str, float] | None = None,
        target_macs: float | None = None,
        target_parameters: float | None = None,
        target_latency_ms: float | None = None,
        method: str = "paper",
        criterion: str = "",
        scope: str = "layer",
        round_to: int | None = None,
        schedule: str = "linear",
        iterations: int = 1,
        recover: str = "finetune",
        patience: int | None = None,
        recipe: str = "modern",
        train_images: int | None = None,
        write_anyway: bool = False,
        **overrides: Any,
    ) -> PruneSettings:
        """Settings with a training recipe's numbers for the retraining.

        Fine-tuning takes a lower learning rate and no warm-up; ``overrides`` (epochs, batch_size,
        learning_rate, seed, device, …) replace either where they are not None. ``round_to`` None
        is 8 for channels, else 1.
        """
        values: dict[str, Any] = {"epochs": 2}
        if recover == "finetune":
            base = TrainSettings.from_recipe(arch, recipe).fit.learning_rate
            values |= {
                "learning_rate": min(base, FINETUNE_LEARNING_RATE),
                "warmup_epochs": 0.0,
            }
        values |= {key: value for key, value in overrides.items() if value is not None}
        if round_to is None:
            round_to = CHANNEL_ROUND_TO if method == "channel" else 1
        return cls(
            sensitivity=sensitivity,
            fit=TrainSettings.from_recipe(arch, recipe, **values).fit,
            iterations=iterations,
            recover=recover,
            train_images=train_images,
            method=method,
            criterion=criterion,
            scope=scope,
            round_to=round_to,
            schedule=schedule,
            patience=patience,
            table=table,
            target_macs=target_macs,
            target_parameters=target_parameters,
            target_latency_ms=target_latency_ms,
            write_anyway=write_anyway,
        )

    def fractions(self, done: float, final: float | None = None) -> float | dict[str, float]:
        """What to prune when ``done`` of the rounds (0 to 1) are reached: one fraction for all, or
        one for each layer; ``final`` is where a target leads."""
        share = SCHEDULES[self.schedule](done)
        if self.table is not None:
            return {name: fraction * share for name, fraction in self.table.items()}
        whole = self.sensitivity if final is None else final
        assert whole is not None
        return whole * share

    def to_json(self) -> dict[str, Any]:
        """Flat, as recorded in a checkpoint; what was not given is left out."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        fit = values.pop("fit")
        # The fit has a schedule too, of its learning rate.
        values["pruning_schedule"] = values.pop("schedule")
        return {**fit, **values, "criterion": self.choice.criterion}


def _check_fraction(name: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        shown = f"{value:g}" if number else repr(value)
        raise InputError(f"{name} {shown}: expected a fraction from 0 up to, not including, 1")
