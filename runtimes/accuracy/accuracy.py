"""Accuracy on labelled images: top-1 and top-5, class by class, and what is taken for what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..statistics import wilson
from .answers import Answers, class_indices, predict
from .labelled_images import TestPart, check_batch
from .packed import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = [
    "Accuracy",
    "Answers",
    "ClassAccuracy",
    "Confusion",
    "TestPart",
    "check_batch",
    "predict",
]

MOST_CONFUSIONS = 10


@dataclass(frozen=True)
class ClassAccuracy:
    """How many images of one label are right."""

    label: str
    images: int
    correct: int


@dataclass(frozen=True)
class Confusion:
    """How many images of ``label`` are taken for ``predicted``."""

    label: str
    predicted: str
    count: int


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How the answers of one file compare with the labels."""

    images: int
    correct: int
    """Images whose highest score is their label."""
    top5_correct: int | None
    """Images whose label is among the five highest scores; None up to five classes."""
    per_class: tuple[ClassAccuracy, ...]
    """In the order of the labels; a label without images is there, too."""
    confusions: tuple[Confusion, ...]
    """The most frequent ones, `MOST_CONFUSIONS` at most; ties in the order of the labels."""
    constant: str | None
    """The one class that every image gets; None where the answers differ."""
    predictions: np.ndarray[Any, Any]
    """The answers themselves, int64 [N]."""

    @classmethod
    def from_answers(
        cls, answers: Answers, labels: np.ndarray[Any, Any], names: Sequence[str]
    ) -> Accuracy:
        """Compare ``answers`` with int64 ``labels`` [N], indices into ``names``.

        Raises ValueError for no images, unequal numbers of them, or an index without a name.
        """
        import numpy as np

        found = class_indices(answers.classes, len(names))
        truth = class_indices(labels, len(names))
        if found.shape != truth.shape or not len(truth):
            raise ValueError(f"{len(found)} answers for {len(truth)} labels")
        right = found == truth
        images = np.bincount(truth, minlength=len(names))
        correct = np.bincount(truth[right], minlength=len(names))
        top = answers.in_top5
        return cls(
            images=len(truth),
            correct=int(right.sum()),
            top5_correct=None if top is None else int(top.sum()),
            per_class=tuple(
                ClassAccuracy(name, int(own), int(hits))
                for name, own, hits in zip(names, images, correct, strict=True)
            ),
            confusions=_confusions(found[~right], truth[~right], names),
            constant=names[int(found[0])] if (found == found[0]).all() else None,
            predictions=found,
        )

    @property
    def top1(self) -> float:
        """Share of images that are right."""
        return self.correct / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of `top1`."""
        return wilson(self.correct, self.images)

    @property
    def most_frequent(self) -> ClassAccuracy:
        """The label with the most images; of equals the first."""
        return max(self.per_class, key=lambda entry: entry.images)

    @property
    def chance(self) -> float:
        """What the same answer for every image gets at best: the share of that label."""
        return self.most_frequent.images / self.images

    @property
    def worst_class(self) -> ClassAccuracy:
        """The label with the lowest share of right images; of equals the first."""
        seen = (entry for entry in self.per_class if entry.images)
        return min(seen, key=lambda entry: entry.correct / entry.images)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines on what makes these figures worthless; the caller names the file."""
        if self.most_frequent.images == self.images:
            return ()  # with one label alone, chance is 100 %
        if self.constant is not None:
            return (f"answers {self.constant!r} for every image: its accuracy is that of chance",)
        if self.interval[0] > self.chance:
            return ()
        how = "" if self.top1 <= self.chance else "shown to be "
        line = (
            f"accuracy {self.top1:.2%} on {self.images:,} images is not {how}above chance: "
            f"{self.chance:.2%} of them are {self.most_frequent.label!r}"
        )
        return (line,)

    def to_json(self) -> dict[str, Any]:
        """``accuracy`` of a file in a bench result; shares as fractions."""
        low, high = self.interval
        top5 = self.top5_correct
        return {
            "images": self.images,
            "correct": self.correct,
            "top1": self.top1,
            "low": low,
            "high": high,
            "top5": None if top5 is None else top5 / self.images,
            "top5_correct": top5,
            "chance": self.chance,
            "constant": self.constant is not None,
            "per_class": [asdict(entry) for entry in self.per_class],
            "worst_class": asdict(self.worst_class),
            "confusions": [asdict(entry) for entry in self.confusions],
            "predictions": pack(self.predictions),
        }


def _confusions(
    found: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], names: Sequence[str]
) -> tuple[Confusion, ...]:
    """The most frequent pairs of wrong answers and their labels."""
    import numpy as np

    # Only the pairs that occur: a table of all would have the classes squared.
    pairs, counts = np.unique(truth * len(names) + found, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CONFUSIONS]
    return tuple(
        Confusion(names[pair // len(names)], names[pair % len(names)], int(count))
        for pair, count in zip(pairs[order].tolist(), counts[order], strict=True)
    )
