"""How the answers of two files agree on the same images, and whether one is shown to be worse."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .answers import Answers, class_indices
from .paired import agresti_min, mcnemar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["SIGNIFICANCE", "Agreement", "ClassChange", "ConfusionChange", "agree"]

SIGNIFICANCE = 0.05
"""A p from here on shows no difference."""

MOST_CONFUSIONS = 10

_Z95 = 1.959963984540054
"""The normal distribution's 97.5% quantile."""


@dataclass(frozen=True)
class ClassChange:
    """Images of one label: how many are right ``before`` and ``after``, lost and won."""

    label: str
    images: int
    before: int
    after: int
    lost: int
    won: int


@dataclass(frozen=True)
class ConfusionChange:
    """How many images of ``label`` are taken for ``predicted``, ``before`` and ``after``."""

    label: str
    predicted: str
    before: int
    after: int


@dataclass(frozen=True)
class Agreement:
    """Two files' answers for the same labelled images.

    Each image is one of four: ``same + lost + won + moved == images``.
    """

    images: int
    same: int
    """Both give the same answer."""
    lost: int
    """Right before, wrong now."""
    won: int
    """Wrong before, right now."""
    moved: int
    """Wrong before and now, in another way."""
    per_class: tuple[ClassChange, ...]
    """In the order of the labels."""
    confusions: tuple[ConfusionChange, ...]
    """Those that changed most, `MOST_CONFUSIONS` at most; ties in the order of the labels."""

    @property
    def difference(self) -> float:
        """Top-1 now less top-1 before, as a fraction."""
        return (self.won - self.lost) / self.images

    @property
    def p(self) -> float:
        """McNemar's exact test of no difference."""
        return mcnemar(self.lost, self.won)

    @property
    def verdict(self) -> str:
        """``worse``, ``better`` or ``no difference shown``, by the exact test at 5%."""
        if self.p >= SIGNIFICANCE:
            return "no difference shown"
        return "worse" if self.lost > self.won else "better"

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of `difference`, which holds 0 just where no difference is shown.

        That of Agresti and Min. It leaves out 0 wherever the exact test shows a difference, but
        near p = 5% also where that test, which errs on the safe side, does not: there the interval
        is stretched to 0. It only grows, so that it covers the true difference no less often.
        """
        low, high = agresti_min(self.won, self.lost, self.images, _Z95)
        low, high = min(low, self.difference), max(high, self.difference)
        if self.p >= SIGNIFICANCE:
            low, high = min(low, 0.0), max(high, 0.0)
        return max(low, -1.0) + 0.0, min(high, 1.0) + 0.0  # no minus before a zero

    def to_json(self) -> dict[str, Any]:
        """``agreement`` of a file in a bench result; shares as fractions."""
        low, high = self.interval
        return {
            "images": self.images,
            "same": self.same,
            "lost": self.lost,
            "won": self.won,
            "moved": self.moved,
            "difference": self.difference,
            "low": low,
            "high": high,
            "p": self.p,
            "verdict": self.verdict,
            "per_class": [asdict(entry) for entry in self.per_class],
            "confusions": [asdict(entry) for entry in self.confusions],
        }


def agree(
    before: Answers, after: Answers, labels: np.ndarray[Any, Any], names: Sequence[str]
) -> Agreement:
    """Compare ``after`` with ``before`` on the same images; ``labels`` [N] index ``names``.

    Raises ValueError for no images, unequal numbers of them, or an index without a name.
    """
    import numpy as np

    classes = len(names)
    truth = class_indices(labels, classes)
    old, new = (class_indices(answers.classes, classes) for answers in (before, after))
    if not len(truth) == len(old) == len(new) or not len(truth):
        raise ValueError(f"{len(old)} and {len(new)} answers for {len(truth)} labels")
    was, now = old == truth, new == truth
    lost, won, same = was & ~now, ~was & now, old == new

    def by_class(mask: np.ndarray[Any, Any]) -> list[int]:
        return [int(count) for count in np.bincount(truth[mask], minlength=classes)]

    columns = (by_class(mask) for mask in (np.ones(len(truth), bool), was, now, lost, won))
    return Agreement(
        images=len(truth),
        same=int(same.sum()),
        lost=int(lost.sum()),
        won=int(won.sum()),
        moved=int((~was & ~now & ~same).sum()),
        per_class=tuple(
            ClassChange(name, *counts) for name, *counts in zip(names, *columns, strict=True)
        ),
        confusions=_confusions((truth * classes + old)[~was], (truth * classes + new)[~now], names),
    )


def _confusions(
    before: np.ndarray[Any, Any], after: np.ndarray[Any, Any], names: Sequence[str]
) -> tuple[ConfusionChange, ...]:
    """The pairs (label * classes + answer, int64 [errors]) whose counts changed most."""
    import numpy as np

    pairs, places = np.unique(np.concatenate([before, after]), return_inverse=True)
    places = places.reshape(-1)  # NumPy 2.0 alone gives it the shape of its input
    was, now = (
        np.bincount(part, minlength=len(pairs))
        for part in (places[: len(before)], places[len(before) :])
    )
    change = np.abs(now - was)
    order = np.argsort(-change, kind="stable")[:MOST_CONFUSIONS]
    found = []
    for row in order[change[order] > 0]:
        label, predicted = divmod(int(pairs[row]), len(names))
        found.append(ConfusionChange(names[label], names[predicted], int(was[row]), int(now[row])))
    return tuple(found)
