"""A data set and its parts: training, held-out validation, test."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .images import Images, Subset

__all__ = ["VALIDATION_SHARE", "DataSet", "pick_balanced"]

VALIDATION_SHARE = 0.2
"""The paper's: 20 % of the training set is held out."""


@dataclass(frozen=True)
class DataSet:
    """Images and labels for training and for the final measuring.

    ``height`` and ``width`` are the images' own size in pixels (the most common one for folders);
    ``mean`` and ``std`` normalise pixels divided by 255, per channel (the paper's 0.5).
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    height: int
    width: int
    training: Images
    test: Images
    known: bool = False
    """Whether it was opened by its name and can be so again."""

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise InputError(f"{self.name}: {len(self.classes)} class(es); expected at least 2")
        for part, images, least in (
            ("training", self.training, 2 * len(self.classes)),
            ("test", self.test, 1),
        ):
            if len(images) < least:
                raise InputError(
                    f"{self.name}: {len(images)} {part} image(s); expected at least {least}"
                )
            labels = images.labels
            if labels.min() < 0 or labels.max() >= len(self.classes):
                wrong = labels.min() if labels.min() < 0 else labels.max()
                raise InputError(
                    f"{self.name}: {part} label {wrong} is out of range; "
                    f"expected 0 to {len(self.classes) - 1}"
                )

    @property
    def reference(self) -> str:
        """What a file records of the set: its name, marked where it was given by a path."""
        return self.name if self.known else f"path:{self.name}"

    @property
    def mean(self) -> tuple[float, ...]:
        return (0.5,) * self.channels

    @property
    def std(self) -> tuple[float, ...]:
        return (0.5,) * self.channels

    def split(self, seed: int = 0, limit: int | None = None) -> tuple[Subset, Subset]:
        """The training part as (train, validation), 80 % and 20 % of every class.

        ``limit`` keeps that many images of the two together, class-balanced, each in its part.
        An image's side depends on its content and ``seed`` alone, so the split is the same however
        the images are ordered, identical images land on one side, and a subset drawn evenly from
        both sides splits as the whole set does.
        """
        labels = self.training.labels
        held_out = np.zeros(len(labels), dtype=bool)
        order = np.asarray(
            [
                int.from_bytes(
                    hashlib.blake2b(
                        identity, key=seed.to_bytes(8, "little", signed=True), digest_size=8
                    ).digest(),
                    "little",
                )
                for identity in self.training.identities()
            ],
            dtype=np.uint64,
        )
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            count = math.floor(len(members) * VALIDATION_SHARE + 0.5)
            count = min(max(count, 1), len(members) - 1)
            held_out[members[np.argsort(order[members], kind="stable")[:count]]] = True
        train = Subset(self.training, np.flatnonzero(~held_out))
        validation = Subset(self.training, np.flatnonzero(held_out))
        if limit is None or limit >= len(labels):
            return train, validation
        kept = max(math.floor(limit * VALIDATION_SHARE + 0.5), 1)
        return (
            Subset(train, np.sort(pick_balanced(train, limit - kept, seed))),
            Subset(validation, np.sort(pick_balanced(validation, kept, seed))),
        )


def pick_balanced(images: Images, samples: int, seed: int = 0) -> NDArray[Any]:
    """Indices of ``samples`` images, classes as even as the set allows, in random order.

    All images where there are fewer than ``samples``.
    """
    random = np.random.default_rng(seed)
    labels = images.labels
    turns = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turns[random.permutation(members)] = np.arange(len(members))
    by_turn = np.lexsort((random.random(len(labels)), turns))
    return random.permutation(by_turn[:samples])
