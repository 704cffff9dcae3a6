"""What int8 does to a network's answers on images that it was not calibrated on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from .drop import Drop, paired_drop
from .sessions import Session

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    from ...model_card import InputSpec
    from ...runtimes.accuracy.accuracy import TestPart

__all__ = ["Judge"]

log = logging.getLogger(__name__)

CHUNK = 500
"""Images between two looks at whether the verdict is clear."""

RANKING_IMAGES = 500

_LEAST_BEYOND = 500
"""Images that a choice has not been made by: with fewer of them, nothing can be confirmed."""

_CACHE_BYTES = 256 << 20

_ABOVE_CHANCE = 0.1
"""Labels are believed to be the network's where float gets this much of what is beyond chance."""


_OTHER_IMAGES = 50


class Judge:
    """Compares int8 candidates with the float model on the same held-back images."""

    def __init__(
        self,
        model: ModelProto,
        part: TestPart,
        spec: InputSpec,
        classes: int,
        *,
        simulated: bool,
        threads: int,
        most_images: int,
        first: int = 0,
    ) -> None:
        """``model`` is the float one. ``simulated``: run int8 as float arithmetic between its
        Q/DQ pairs, which is what a CPU of another kind computes. Of ``part``, the images from
        ``first`` on are used, at most ``most_images``.
        """
        self._model, self._part, self._spec = model, part, spec
        self._simulated, self._threads = simulated, threads
        self._first, self._most = first, most_images
        self.images = max(min(part.images - first, most_images), 0)
        self._classes = classes
        self._labelled: bool | None = None if part.classes in (None, classes) else False
        self._cache: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] | None = None
        self._float = _Answers(self._session(model, simulated=False))
        if not self.images:
            raise InputError("no held-back images to judge int8 on; pass --no-max-drop")

    @property
    def labelled(self) -> bool:
        """Whether the labels are those that the float model was trained on.

        Another order of classes looks like a network that only guesses; then, answers that change
        are counted instead.
        """
        if self._labelled is None:
            images, labels = next(iter(self._chunks()))
            right = float((self._float.classes(0, images) == labels).mean())
            chance = 1 / max(self._classes, 2)
            self._labelled = right >= chance + _ABOVE_CHANCE * (1 - chance)
            first = self._float.classes(0, images)
            if len(set(first.tolist())) == 1 and len(set(labels.tolist())) > 1:
                log.warning(
                    "the float model gives one answer (class %d) to all of %d held-back images: "
                    "it may take other values than these (--mean, --std)",
                    first[0],
                    len(first),
                )
            if not self._labelled:
                log.warning(
                    "the float model gets %.1f %% of the held-back images right, hardly more than "
                    "by chance: its classes may stand in another order than the data's; judging "
                    "int8 by the answers that change",
                    100 * right,
                )
        return self._labelled

    def beyond(self) -> Judge | None:
        """A judge on images that this one never looks at; None where too few are left."""
        first = self._first + self.images
        if self._part.images - first < _LEAST_BEYOND:
            return None
        judge = Judge(
            self._model,
            self._part,
            self._spec,
            self._classes,
            simulated=self._simulated,
            threads=self._threads,
            most_images=self._most,
            first=first,
        )
        judge._labelled = self.labelled
        return judge

    def drop(self, model: ModelProto, limit: float) -> Drop:
        """How much accuracy ``model`` loses, on as many images as it takes to tell it from
        ``limit``."""
        answers = _Answers(self._session(model, simulated=self._simulated))
        lost = won = seen = correct = 0
        others = self._others(answers)
        result = None
        for index, (images, labels) in enumerate(self._chunks()):
            before = self._float.classes(index, images)
            after = answers.classes(index, images)
            if self.labelled:
                right, still = before == labels, after == labels
                lost += int((right & ~still).sum())
                won += int((~right & still).sum())
                correct += int(right.sum())
            else:
                lost += int((before != after).sum())
            seen += len(images)
            result = paired_drop(
                lost,
                won,
                seen,
                labelled=self.labelled,
                float_top1=correct / seen if self.labelled else None,
                others=others,
            )
            if seen >= 2 * CHUNK and (result.high <= limit or result.low > limit):
                break
        if result is None:
            raise InputError("no held-back images to judge int8 on; pass --no-max-drop")
        return result

    def divergence(self, model: ModelProto, images: int = RANKING_IMAGES) -> float:
        """Mean Kullback-Leibler divergence of the answers from the float model's, in nats.

        Tells candidates apart that change few answers. The answers are taken as logits.
        """
        import numpy as np

        answers = _Answers(self._session(model, simulated=self._simulated))
        total, seen = 0.0, 0
        for index, (batch, _labels) in enumerate(self._chunks()):
            before = _log_softmax(self._float.scores(index, batch))
            after = _log_softmax(answers.scores(index, batch))
            total += float((np.exp(before) * (before - after)).sum())
            seen += len(before)
            if seen >= images:
                break
        return total / max(seen, 1)

    def _others(self, answers: _Answers) -> float:
        """The largest relative error of the float outputs beside the first."""
        if not self._float.session.others:
            return 0.0
        import numpy as np

        images, _labels = next(iter(self._chunks()))
        before = self._float.session.other_outputs(images[:_OTHER_IMAGES])
        after = answers.session.other_outputs(images[:_OTHER_IMAGES])
        worst = 0.0
        for exact, found in zip(before, after, strict=True):
            signal = max(float(np.linalg.norm(exact)), 1e-30)
            worst = max(worst, float(np.linalg.norm(found - exact)) / signal)
        return worst

    def pixels(self, images: int) -> np.ndarray[Any, Any]:
        """The first ``images`` held-back images, uint8 [N, H, W, C], repeated where too few."""
        import numpy as np

        first, _labels = next(iter(self._chunks()))
        return np.resize(first, (images, *first.shape[1:]))

    def _session(self, model: ModelProto, *, simulated: bool) -> Session:
        return Session(model, self._spec, threads=self._threads, optimised=not simulated)

    def _chunks(self) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        if self._cache is not None:
            yield from self._cache
            return
        spec = self._spec
        small = self.images * spec.height * spec.width * spec.channels <= _CACHE_BYTES
        kept = []
        for chunk in _regrouped(self._part.batches(spec), self._first, self.images):
            if small:
                kept.append(chunk)
            yield chunk
        if small:
            self._cache = kept


def _regrouped(
    batches: Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]], first: int, most: int
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """``most`` images from ``first`` on, in groups of `CHUNK`."""
    import numpy as np

    images: list[np.ndarray[Any, Any]] = []
    labels: list[np.ndarray[Any, Any]] = []
    held = given = 0
    skipped = 0
    for batch, truth in batches:
        start = min(first - skipped, len(batch))
        skipped += start
        while start < len(batch) and given + held < most:
            count = min(CHUNK - held, len(batch) - start, most - given - held)
            images.append(batch[start : start + count])
            labels.append(truth[start : start + count])
            held, start = held + count, start + count
            if held == CHUNK:
                yield np.concatenate(images), np.concatenate(labels)
                images, labels, given, held = [], [], given + held, 0
        if given + held >= most:
            break
    if held:
        yield np.concatenate(images), np.concatenate(labels)


class _Answers:
    """A model's scores, each chunk of images run once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._scores: dict[int, np.ndarray[Any, Any]] = {}

    def scores(self, index: int, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if index not in self._scores:
            self._scores[index] = self.session.scores(images)
        return self._scores[index]

    def classes(self, index: int, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self.scores(index, images).argmax(axis=1)
        return found


def _log_softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    shifted = scores - scores.max(axis=1, keepdims=True)
    result: np.ndarray[Any, Any] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
