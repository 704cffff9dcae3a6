"""What a file answers for each image, read off its scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ..preprocess import normalise
from .odd_scores import refuse_odd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from ...model_card import InputSpec
    from ..base import Runtime

__all__ = ["TOP", "Answers", "class_indices", "predict"]

TOP = 5
"""So many of the highest scores are looked at; with no more classes that says nothing."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of one file, in the order of the images."""

    classes: np.ndarray[Any, Any]
    """The class with the highest score, int64 [N]; of equal ones the first."""
    in_top5: np.ndarray[Any, Any] | None = None
    """Whether the label is among the five highest scores, bool [N]; None up to five classes.

    Of equal scores the first class ranks higher, as in ``classes``: a file that scores all classes
    alike gains nothing by it.
    """

    def __post_init__(self) -> None:
        shape = self.classes.shape
        if len(shape) != 1 or (self.in_top5 is not None and self.in_top5.shape != shape):
            raise ValueError(f"answers of shape {shape}; expected [N], and as many in the top 5")

    def __len__(self) -> int:
        return len(self.classes)

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """The answers of consecutive batches as one; ValueError for none."""
        import numpy as np

        tops = [part.in_top5 for part in parts if part.in_top5 is not None]
        return cls(
            np.concatenate([part.classes for part in parts]),
            np.concatenate(tops) if len(tops) == len(parts) else None,
        )


def class_indices(values: np.ndarray[Any, Any], classes: int) -> np.ndarray[Any, Any]:
    """``values`` [N] as int64; ValueError unless they are whole numbers from 0 to classes - 1."""
    import numpy as np

    found = np.asarray(values)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError(f"classes are whole numbers [N], not {found.dtype} {found.shape}")
    if len(found) and not 0 <= int(found.min()) <= int(found.max()) < classes:
        raise ValueError(f"classes {found.min()} to {found.max()}, where there are {classes}")
    return found.astype(np.int64)


def predict(
    runtime: Runtime,
    images: np.ndarray[Any, Any],
    spec: InputSpec,
    classes: int,
    path: Path,
    labels: np.ndarray[Any, Any] | None = None,
    *,
    first: int = 0,
) -> Answers:
    """The answers for uint8 [N, H, W, C]; those of the top 5 for int64 ``labels`` [N], if given.

    A file with a fixed batch gets its images in such batches, the last one filled up, and one that
    is bound to a range of sizes in batches of that range. The first output holds the scores. Raises
    InputError where these are not ``classes`` finite numbers an image, naming the first image where
    they are not; ``first`` is the place of the first one here among all.
    """
    import numpy as np

    taken = runtime.inputs[0]
    name, batch = taken.name, taken.shape[0] or len(images)
    if taken.batches is not None:
        batch = max(taken.batches[0], min(batch, taken.batches[1]))
    odd: list[int] = []
    found = np.empty(len(images), np.int64)
    top = np.empty(len(images), bool) if labels is not None and classes > TOP else None
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        count = len(part)
        if count < batch:
            part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
        result = runtime.run({name: normalise(part, spec)})
        scores = np.asarray(result[runtime.outputs[0].name])
        if scores.size != batch * classes or scores.shape[0] != batch:
            raise InputError(
                f"{path}: its output is {list(scores.shape)} for {batch} images; "
                f"expected [{batch}, {classes}], one score a label"
            )
        scores = scores.reshape(batch, classes)[:count]
        finite = np.isfinite(scores.astype(np.float64)).all(axis=1)
        odd.extend((first + start + np.flatnonzero(~finite)).tolist())
        found[start : start + count] = scores.argmax(axis=1)
        if labels is not None and top is not None:
            top[start : start + count] = _rank(scores, labels[start : start + count]) < TOP
    refuse_odd(path, "NaN or infinite scores", odd, len(images), first)
    return Answers(found, top)


def _rank(scores: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How many classes rank above the label, int64 [N], for scores [N, classes]."""
    import numpy as np

    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    above = (scores > own) | ((scores == own) & before)
    ranks: np.ndarray[Any, Any] = np.count_nonzero(above, axis=1)
    return ranks
