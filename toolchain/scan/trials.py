"""One process's share of a scan: a checkpoint, pruned this way and that, and measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import DataSet, Images, open_data, pick_balanced
from ..data.images import Subset
from ..feeds import check_fits
from .points import Measured, Point
from .settings import ScanSettings

if TYPE_CHECKING:
    from torch import nn

    from ..pruning.selection import Scored
    from ..pruning.traced import Traced
    from ..training.batches import Batches

__all__ = ["Trials", "measured_part"]


def measured_part(data: DataSet, part: str) -> Images:
    """The images that accuracy is measured on: ``test``, or the held-out ``validation``."""
    return data.test if part == "test" else data.split()[1]


class Trials:
    """A network that is pruned, measured and restored, point by point.

    The same point gives the same result in any process and order: scores are computed once, from
    the checkpoint, and every retraining starts from it.
    """

    def __init__(
        self, settings: ScanSettings, checkpoint: Path, data: str, data_dir: Path | None
    ) -> None:
        from ... import models
        from ..training.devices import memory_format, pick_device

        self._settings = settings
        self._checkpoint = checkpoint
        self._data = open_data(data, data_dir)
        self._network, self._card = models.load(checkpoint)
        check_fits(self._card.input, self._data, checkpoint, len(self._card.labels))
        self._device = pick_device(settings.device)
        self._network.to(self._device).to(
            memory_format=memory_format(self._device, self._card.architecture)
        )
        self._state = {n: t.detach().clone() for n, t in self._network.state_dict().items()}

    @property
    def parts(self) -> dict[str, int]:
        """What can be pruned on its own, and of how many units each is."""
        return dict(self._scored.parts)

    def measure(self, point: Point, fractions: float | Mapping[str, float], work: Path) -> Measured:
        """Prune by ``fractions``, retrain if the point says so, measure, restore.

        A retraining lies at ``work`` while it runs, and goes on from there if it was cut off.
        """
        images = self._all if point.on_all_images else self._few
        if point.epochs:
            network = self._retrained(point, fractions, work)
            result = self._measured(network, images)
            work.unlink()
            return result
        if point.sensitivity or not isinstance(fractions, float):
            self._prune(fractions)
        result = self._measured(self._network, images)
        self._network.load_state_dict(self._state)
        return result

    def _prune(self, fractions: float | Mapping[str, float]) -> None:
        import torch

        kept = self._scored.keep(fractions)
        with torch.no_grad():
            kept.compensate(self._network)
            state = self._network.state_dict()
            for name, mask in kept.masks(self._network).items():
                state[name].mul_(mask.to(state[name].device, state[name].dtype))

    def _retrained(
        self, point: Point, fractions: float | Mapping[str, float], work: Path
    ) -> nn.Module:
        from ... import models
        from ..pruning.prune import prune
        from ..pruning.settings import PruneSettings

        told = self._settings
        target: dict[str, Any] = (
            {"sensitivity": fractions} if isinstance(fractions, float) else {"table": fractions}
        )
        settings = PruneSettings.for_network(
            self._card.architecture,
            **target,
            method=told.method,
            criterion=told.criterion,
            round_to=told.choice.round_to,
            recover=told.recover,
            patience=told.patience,
            train_images=told.train_images,
            epochs=point.epochs,
            seed=told.seed,
            device=told.device,
        )
        prune(settings, self._checkpoint, self._data, work, traced=self._traced, overwrite=True)
        network, _ = models.load(work)
        return network.to(self._device)

    def _measured(self, network: nn.Module, images: Batches) -> Measured:
        from ..training.loop import accuracy

        left = sum(int(parameter.count_nonzero()) for parameter in network.parameters())
        return Measured(accuracy(network, images), left)

    @cached_property
    def _few(self) -> Batches:
        part = measured_part(self._data, self._settings.part)
        return self._batches(
            Subset(part, pick_balanced(part, self._settings.images, self._settings.seed))
        )

    @cached_property
    def _all(self) -> Batches:
        return self._batches(measured_part(self._data, self._settings.part))

    def _batches(self, images: Images) -> Batches:
        from ..training.batches import Batches

        return Batches(images, self._card.input, self._device)

    @cached_property
    def _traced(self) -> Traced:
        from ..pruning.traced import Traced

        return Traced.of(self._network, self._card.input)

    @cached_property
    def _scored(self) -> Scored:
        from ..pruning.selection import score
        from ..pruning.structure import read_structure

        choice = self._settings.choice
        groups = evidence = None
        if choice.needs_groups:
            groups = self._traced.groups
        if choice.needs_images:
            from ..pruning.evidence import Evidence

            training, _ = self._data.split(limit=self._settings.train_images)
            evidence = Evidence(self._batches(training), seed=choice.seed)
        return score(self._network, choice, read_structure(self._network), groups, evidence)
