"""The rounds of iterative pruning: choose what goes, hold it at zero, retrain the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from ...errors import BudgetError
from ...exporters.onnx_export import ROUND_TO
from ...model_card import ModelCard
from ...progress import Progress
from ..training.batches import Batches
from ..training.devices import memory_format
from ..training.loop import accuracy, fit, never, out_of_patience
from .budget import Budget
from .evidence import Evidence
from .masks import Masks
from .recovery import reinitialise
from .resume import OpenRound, RoundsFile
from .selection import score
from .settings import PruneSettings
from .sizes import Sizes
from .structure import read_structure
from .traced import Traced

__all__ = ["Round", "Rounds"]

ATTEMPTS = 3
"""How often a latency over its target is measured in the end."""


@dataclass(frozen=True)
class Round:
    """One iteration: pruned to ``fraction``, then retrained. Accuracies are fractions of 1.

    ``fraction`` is that of every part (layer or family), or of the one that loses most where a
    table gives each its own; what a global scope takes over all of them. ``compact_parameters`` and
    ``compact_macs`` are what the exported file would hold after this round; ``latency_ms`` its time
    for one image, where that is the target.
    """

    fraction: float
    accuracy_pruned: float
    accuracy_retrained: float
    epochs: int
    nonzero_parameters: int
    compact_parameters: int
    compact_macs: int
    latency_ms: float | None = None


class Rounds:
    """One run over a network, which it changes in place."""

    def __init__(
        self,
        settings: PruneSettings,
        network: nn.Module,
        card: ModelCard,
        parts: tuple[Batches, Batches],
        device: torch.device,
        memory: RoundsFile,
        progress: Progress,
        traced: Traced | None = None,
    ) -> None:
        """``parts``: the images to train on and those to validate on."""
        self._settings = settings
        self._network = network
        self._train, self._validation = parts
        self._device = device
        self._format = memory_format(device, card.architecture)
        self._memory = memory
        self._progress = progress
        self._structure = read_structure(network)
        with progress.task("tracing the graph", 1) as task:
            self._traced = Traced.of(network, card.input) if traced is None else traced
            # Channels as they were asked for; others as export rounds them by itself.
            round_to = settings.round_to if settings.method == "channel" else ROUND_TO
            self.sizes = Sizes(network, card.input, self._traced, round_to=round_to)
            task.advance()
        network.to(device).to(memory_format=self._format)
        self._budget = None
        if settings.target is not None:
            self._budget = Budget(
                settings.target, self.sizes, sparse=settings.method in ("paper", "element")
            )

    def run(self) -> tuple[float, tuple[Round, ...], str]:
        """Accuracy before, every round, and the target that was missed, in words, if one was.

        A target is looked at again in the end: retraining may leave a network slower than it was
        chosen to be. Raises BudgetError where it is missed and nobody asked for the network anyway.
        """
        opened = self._memory.restore()
        before = accuracy(self._network, self._validation) if opened is None else opened.before
        done = [] if opened is None else [Round(**one) for one in opened.done]
        missed = ""
        for number in range(len(done) + 1, self._settings.iterations + 1):
            if opened is None:
                current, masks = self._choose(number)
                opened = OpenRound(
                    before, tuple(asdict(one) for one in done), current, masks.kept()
                )
                self._memory.begin(opened, self._network)
            else:
                masks = Masks(self._network, opened.masks)
            missed = self._told(opened.current["missed"])
            done.append(self._retrain(number, opened.current, masks))
            opened = None
        if self._budget is not None and not missed:
            over = self._budget.over(self._network, done[-1].latency_ms)
            missed = self._told(over, "the same command measures it again, without training; or ")
        return before, tuple(done), missed

    def _told(self, missed: str, advice: str = "") -> str:
        """``missed``, raised as BudgetError unless nothing is, or the network is wanted anyway."""
        if missed and not self._settings.write_anyway:
            raise BudgetError(
                f"{missed}; nothing was written: {advice}raise the target, "
                "or pass --write-anyway to keep that network"
            )
        return missed

    def _choose(self, number: int) -> tuple[dict[str, Any], Masks]:
        settings, network = self._settings, self._network
        choice = settings.choice
        network.eval()
        with self._progress.task("choosing what goes", 1) as task:
            scored = score(
                network,
                choice,
                self._structure,
                self._traced.groups if choice.needs_groups else None,
                Evidence(self._train, seed=choice.seed) if choice.needs_images else None,
            )
            task.advance()
        final, missed = None, ""
        if self._budget is not None:
            final, missed = self._budget.fraction(network, scored, progress=self._progress)
            self._told(missed)
        fractions = settings.fractions(number / settings.iterations, final)
        kept = scored.keep(fractions)
        masks = Masks.from_zeros(network, also=kept.masks(network))
        kept.compensate(network)
        masks.apply()
        current = {
            "fraction": max(fractions.values()) if isinstance(fractions, dict) else fractions,
            "accuracy_pruned": accuracy(network, self._validation),
            "missed": missed,
        }
        if settings.recover == "reinit":
            reinitialise(network, self._structure, self._seed(number))
            masks.apply()
        return current, masks

    def _retrain(self, number: int, current: dict[str, Any], masks: Masks) -> Round:
        settings = self._settings
        fraction = float(current["fraction"])
        fitted = fit(
            self._network,
            self._train,
            self._validation,
            replace(settings.fit, seed=self._seed(number)),
            self._device,
            memory_format=self._format,
            after_step=masks.apply,
            stop=never if settings.patience is None else out_of_patience(settings.patience),
            resume=self._memory,
            progress=self._progress,
            description=f"pruning to {fraction:.0%}, retraining ({number}/{settings.iterations})",
        )
        size = self.sizes.of(self._network)
        timed = settings.target_latency_ms is not None
        return Round(
            fraction=fraction,
            accuracy_pruned=float(current["accuracy_pruned"]),
            accuracy_retrained=fitted.best.validation_accuracy,
            epochs=len(fitted.epochs),
            nonzero_parameters=count_nonzero(self._network.parameters()),
            compact_parameters=size.parameters,
            compact_macs=size.macs,
            latency_ms=self._latency_ms(number) if timed else None,
        )

    def _latency_ms(self, number: int) -> float:
        """In the last round measured again while it is over the target: whatever else runs on this
        machine only adds to it, so that the least is the truth."""
        assert self._budget is not None
        least = self.sizes.latency_ms(self._network)
        attempts = ATTEMPTS if number == self._settings.iterations else 1
        for _ in range(attempts - 1):
            if least <= self._budget.limit:
                break
            least = min(least, self.sizes.latency_ms(self._network))
        return least

    def _seed(self, number: int) -> int:
        return (self._settings.fit.seed + number - 1) % 2**32


def count_nonzero(tensors: Iterable[torch.Tensor]) -> int:
    """Entries other than zero."""
    return sum(int(tensor.count_nonzero()) for tensor in tensors)
